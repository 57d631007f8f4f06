"""What the releases lane holds in its hands: a release in one turn, what is remembered between turns, and whose a release is."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.counting import counted
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import HelmReleaseSpec, parse_helmrelease
from gitops_canary.domain.releases_status import Record
from gitops_canary.domain.resources import Doc
from gitops_canary.managers.release_charts import Fetched
from gitops_canary.ports import Chart, HelmDone, HelmRevision, Moment


@dataclass
class Known:
    """What the lane remembers of one release; a restart finds it again."""

    history: tuple[HelmRevision, ...] | None = None
    read_at: float = 0.0
    fresh_for: float = 0.0
    """Seconds after `read_at` (monotonic) in which Helm's storage need not be read again."""
    fetched: Fetched = field(default_factory=Fetched)
    done: HelmDone | None = None
    written: Record | None = None
    """What `done` came to, once a write was tried: found in the status, only the server's answer was lost."""
    situation: str = "not looked at yet"
    refused: tuple[object, ...] | None = None
    """What was asked for (`asked_for`) when it failed before Helm."""


def asked_for(docs: Sequence[Doc]) -> tuple[object, ...]:
    """What people say in a HelmRelease, without our own status and finalizer."""
    return tuple(_asked(doc.get("spec"), doc["metadata"]) for doc in docs)


def _asked(spec: object, meta: Mapping[str, Any]) -> tuple[object, ...]:
    return spec, meta.get("uid"), meta.get("annotations"), meta.get("deletionTimestamp")


@dataclass
class Case:
    """One release in one turn. `doc` is replaced by what each write answers, so that the next one carries its version."""

    doc: Doc
    spec: HelmReleaseSpec
    record: Record
    known: Known
    now: Moment
    values: Mapping[str, object] = field(default_factory=dict)
    inputs: str = ""

    @property
    def chart(self) -> Chart:
        assert self.known.fetched.chart is not None
        return self.known.fetched.chart


def owners_of(found: Mapping[str, Sequence[Doc]]) -> dict[tuple[str, str], str]:
    """Which HelmRelease a Helm release (namespace, name) belongs to: the oldest one that describes it."""
    owners: dict[tuple[str, str], tuple[str, str]] = {}
    for key, docs in found.items():
        for doc in docs:
            try:
                spec = parse_helmrelease(doc)
            except UserError:
                continue  # said when its turn comes
            age = (str(doc["metadata"].get("creationTimestamp", "")), key)
            name = (spec.target_namespace, spec.release)
            owners[name] = min(owners.get(name, age), age)
    return {name: key for name, (_, key) in owners.items()}


def situations(known: Collection[Known]) -> str:
    """How many releases are in which situation, in one line."""
    counts = Counter(one.situation for one in known)
    total = counted(len(known), "release", "releases")
    return f"{total}: " + ", ".join(f"{count} {situation}" for situation, count in sorted(counts.items())) if counts else "no releases"
