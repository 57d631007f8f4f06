"""Writes what happened to a release into its HelmRelease's status, and says it: log, Event, alert. What to do next is not decided here."""

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases_status import Record, conditions_of, status_patch
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.ports import Cluster, Log, Moment, Notice, Notifier, Sentence

FINALIZER = "gitops-canary/release"
DIFFERS = "Git differs from what serves"


class ReleaseStatus:
    """One HelmRelease's way to tell the world; every write carries the resourceVersion that the decision came from (rule O3)."""

    def __init__(self, cluster: Cluster, notifier: Notifier, log: Log) -> None:
        self._cluster, self._notifier, self._log = cluster, notifier, log
        self._said: dict[str, str] = {}

    def write(
        self,
        doc: Doc,
        record: Record,
        phases: Sequence[tuple[str, str]],
        now: Moment,
        *,
        differs: bool = False,
        **fields: Any,
    ) -> Doc:
        """`phases`: (phase, message) in the order they came to pass; the last one is shown. `fields` go into the status as they are."""
        status = doc.get("status") or {}
        conditions = conditions_of(status)
        for phase, message in phases:
            conditions = conditions.after(phase, message, now.wall)
        patch = {
            "observedGeneration": doc["metadata"].get("generation", 0),
            "phase": phases[-1][0] if phases else status.get("phase", ""),
            "conditions": [dict(entry) for entry in conditions.entries],
            "differs": differs or None,
            **status_patch(record),
            **fields,
        }
        if all(status.get(key) == value for key, value in patch.items()):
            return doc
        version = str(doc["metadata"].get("resourceVersion", ""))
        return self._cluster.patch(ref_of(doc), {"status": patch}, subresource="status", resource_version=version)

    def say(self, doc: Doc, sentence: str, now: Moment, *, key: str, warning: bool = False) -> None:
        """Once per `key`: in the log, and as an Event about the HelmRelease."""
        name = name_of(doc)
        if self._said.get(f"{name}/{key}") == sentence:
            return
        self._said[f"{name}/{key}"] = sentence
        told = self._log.warning if warning else self._log.info
        told(sentence, helmrelease=name)
        self._cluster.tell(doc, Sentence(sentence, warning), key=key, now=now.wall)

    def alert(self, doc: Doc, spec: HelmReleaseSpec | None, sentence: str, *, key: str) -> None:
        """Not again for what the conditions say already; the same key = the same id, so a repetition is recognisable."""
        if any(sentence in str(entry.get("message", "")) for entry in conditions_of(doc.get("status") or {}).entries):
            return
        name = name_of(doc)
        release = spec.release if spec else name
        fields = (("HelmRelease", name), ("Namespace", str(doc["metadata"].get("namespace", ""))), ("Release", release))
        self._notifier.send(Notice(f"release/{name}/{key}", "error", f"Release {release} failed", sentence, fields))

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


def name_of(doc: Mapping[str, Any]) -> str:
    return f"{doc['metadata'].get('namespace', '')}/{doc['metadata']['name']}"
