"""Writes what happened to a release into its HelmRelease's status, and says it: log, Event, alert. What to do next is not decided here."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases_status import Record, conditions_of, status_patch
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.managers.outbox import Outbox, Raw, fields_of, raw, severity_of
from gitops_canary.ports import Cluster, HelmDone, Log, Moment, Notice, Notifier, Sentence

FINALIZER = "gitops-canary/release"
DIFFERS = "Git differs from what serves"
PREFIX = "release/"
"""What the ids of these notices begin with; the rest is namespace, name, time and a hash of the sentence."""
REMEMBERED = 4096
"""Sentences known as said; an older one may be said twice. A release that fails for months says another one at each attempt."""


class ReleaseStatus:
    """One HelmRelease's way to tell the world; every write carries the resourceVersion that the decision came from (rule O3)."""

    def __init__(self, cluster: Cluster, notifier: Notifier, log: Log) -> None:
        self._cluster, self._notifier, self._log = cluster, notifier, log
        self._outbox = Outbox(notifier)
        self._said: dict[str, str] = {}

    def write(
        self,
        doc: Doc,
        record: Record,
        phases: Sequence[tuple[str, str]],
        now: Moment,
        *,
        differs: bool = False,
        alert: Raw | None = None,
        **fields: Any,
    ) -> Doc:
        """`phases`: (phase, message) in the order they came to pass; the last one is shown. `alert` is written with them and then sent.
        `fields` go into the status as they are."""
        status = doc.get("status") or {}
        conditions = conditions_of(status)
        for phase, message in phases:
            conditions = conditions.after(phase, message, now.wall)
        patch = {
            "observedGeneration": doc["metadata"].get("generation", 0),
            "phase": phases[-1][0] if phases else status.get("phase", ""),
            "conditions": [dict(entry) for entry in conditions.entries],
            "differs": differs or None,
            "notices": list(self._outbox.kept(status.get("notices") or (), [alert] if alert else [])) or None,
            **status_patch(record),
            **fields,
        }
        if all(status.get(key) == value for key, value in patch.items()):
            return doc
        made = self._patched(doc, patch)
        self._send(made)
        return made

    def deliver(self, doc: Doc) -> Doc:
        """Send what a process before this one wrote and did not send, and forget what receivers have taken."""
        self._send(doc)
        waiting = (doc.get("status") or {}).get("notices") or ()
        left = self._outbox.kept(waiting)
        return doc if len(left) == len(waiting) else self._patched(doc, {"notices": list(left) or None})

    def delivered(self, id_: str) -> None:
        """Receivers have taken the notice. Thread-safe."""
        self._outbox.delivered(id_)

    def say(self, doc: Doc, sentence: str, now: Moment, *, key: str, warning: bool = False) -> None:
        """Once per `key`: in the log, and as an Event about the HelmRelease."""
        name = name_of(doc)
        if self._said.get(f"{name}/{key}") == sentence:
            return
        self._said[f"{name}/{key}"] = sentence
        if len(self._said) > REMEMBERED:
            self._said.pop(next(iter(self._said)))
        told = self._log.warning if warning else self._log.info
        told(sentence, helmrelease=name)
        self._cluster.tell(doc, Sentence(sentence, warning), key=key, now=now.wall)

    def alert(self, doc: Doc, spec: HelmReleaseSpec | None, sentence: str, now: Moment) -> Raw | None:
        """For the next `write`; None for what the conditions say already, and where nobody would take it."""
        said = any(sentence in str(entry.get("message", "")) for entry in conditions_of(doc.get("status") or {}).entries)
        if said or not self._notifier.takes(()):
            return None
        name = name_of(doc)
        release = spec.release if spec else name
        fields = (("HelmRelease", name), ("Namespace", str(doc["metadata"].get("namespace", ""))), ("Release", release))
        which = sha256(sentence.encode()).hexdigest()[:8]  # two failures of one second are two notices
        return raw(f"{PREFIX}{name}/{stamp(now.wall)}/{which}", "error", sentence, fields)

    def failed(self, doc: Doc, spec: HelmReleaseSpec, record: Record, done: HelmDone, now: Moment) -> Raw | None:
        """Says that Helm failed; one alert for the same inputs, to be written with the failure's count."""
        failure = record.failure
        assert failure is not None
        sentence = f"cannot {done.action} release {spec.release} of HelmRelease {spec.key}: {done.message}"
        self.say(doc, sentence, now, key=f"{done.action}/{failure.inputs[:23]}/{failure.count}", warning=True)
        return self.alert(doc, spec, f"{sentence}; {DIFFERS}", now) if failure.count == 1 else None

    def _send(self, doc: Doc) -> None:
        self._outbox.send((doc.get("status") or {}).get("notices") or (), _notice)

    def _patched(self, doc: Doc, status: Mapping[str, Any]) -> Doc:
        version = str(doc["metadata"].get("resourceVersion", ""))
        return self._cluster.patch(ref_of(doc), {"status": dict(status)}, subresource="status", resource_version=version)

    def hold(self, doc: Doc) -> Doc:
        """Put the finalizer on, so that a deletion while the operator is away still uninstalls (rule H4)."""
        found = doc["metadata"].get("finalizers") or []
        return doc if FINALIZER in found else self._finalizers(doc, [*found, FINALIZER])

    def release(self, doc: Doc) -> None:
        found = doc["metadata"].get("finalizers") or []
        if FINALIZER in found:
            self._finalizers(doc, [one for one in found if one != FINALIZER])

    def _finalizers(self, doc: Doc, finalizers: list[str]) -> Doc:
        version = str(doc["metadata"].get("resourceVersion", ""))
        return self._cluster.patch(ref_of(doc), {"metadata": {"finalizers": finalizers}}, resource_version=version)


def _notice(one: Raw) -> Notice:
    fields = fields_of(one)
    return Notice(str(one.get("id")), severity_of(one), f"Release {dict(fields).get('Release', '')} failed", str(one.get("text")), fields)


def name_of(doc: Mapping[str, Any]) -> str:
    return f"{doc['metadata'].get('namespace', '')}/{doc['metadata']['name']}"
