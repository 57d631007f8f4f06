"""What a HelmRelease's status remembers about its release, read and written; the conditions are the Helm Operator's. No decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gitops_canary.domain.conditions import with_condition

RETRY_FIRST, RETRY_MOST = 30.0, 1800.0
"""Seconds between attempts with the same inputs (rule H1)."""

PHASES: Mapping[str, Mapping[str, str]] = {
    "ChartFetched": {"ChartFetched": "True"},
    "ChartFetchFailed": {"ChartFetched": "False"},
    "Installing": {"Deployed": "Unknown", "Released": "Unknown"},
    "Upgrading": {"Deployed": "Unknown", "Released": "Unknown"},
    "Deployed": {"Deployed": "True"},
    "DeployFailed": {"Deployed": "False", "Released": "False"},
    "Testing": {"Tested": "Unknown"},
    "Tested": {"Tested": "True"},
    "TestFailed": {"Tested": "False"},
    "Succeeded": {"Released": "True"},
    "Failed": {"Released": "False"},
    "RollingBack": {"RolledBack": "Unknown"},
    "RolledBack": {"RolledBack": "True", "Released": "False"},
    "RollbackFailed": {"RolledBack": "False", "Released": "False"},
    "Uninstalling": {},
}
"""The Helm Operator's phases and the conditions that each one sets."""


@dataclass(frozen=True)
class Mark:
    """Written before Helm runs (rule H2): who (lease holder and transition), what, which revision it would make, until when."""

    by: str
    action: str
    inputs: str
    revision: int
    started: str
    until: str


@dataclass(frozen=True)
class Failure:
    """The last attempt that failed, and how often these inputs have failed in a row."""

    inputs: str
    count: int
    at: str
    message: str = ""

    def retry_at(self) -> float:
        """Seconds since the epoch."""
        return moment(self.at) + min(RETRY_FIRST * 2.0 ** max(0, min(self.count, 32) - 1), RETRY_MOST)


@dataclass(frozen=True)
class Record:
    """The part of the status that decisions use. `inputs` made revision `revision`; `tested` and `rolled_back` are inputs too."""

    inputs: str = ""
    revision: int = 0
    tested: str = ""
    rolled_back: str = ""
    rollbacks: int = 0
    release: str = ""
    mark: Mark | None = None
    failure: Failure | None = None


def record_of(status: Mapping[str, Any]) -> Record:
    """A foreign status (of the Helm Operator) yields a record that knows no inputs, so that the release is upgraded once and is ours."""
    own = status.get("record")
    own = own if isinstance(own, Mapping) else {}
    return Record(
        inputs=str(own.get("inputs") or ""),
        revision=_number(own.get("revision")),
        tested=str(own.get("tested") or ""),
        rolled_back=str(own.get("rolledBack") or ""),
        rollbacks=_number(status.get("rollbackCount")),
        release=str(status.get("releaseName") or ""),
        mark=_mark(status.get("operation")),
        failure=_failure(status.get("failure")),
    )


def status_patch(record: Record) -> dict[str, Any]:
    """The record as part of a merge patch; what is gone is removed."""
    own = {"inputs": record.inputs, "revision": record.revision, "tested": record.tested, "rolledBack": record.rolled_back}
    mark, failure = record.mark, record.failure
    return {
        "record": own,
        "rollbackCount": record.rollbacks or None,
        "operation": None if mark is None else {**vars(mark)},
        "failure": None if failure is None else {**vars(failure)},
    }


def status_sample() -> dict[str, Any]:
    """A status that says something in every field of ours: what a definition keeps of it, it keeps of all."""
    mark = Mark("sample#0", "upgrade", "sample", 1, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z")
    record = Record("sample", 1, "sample", "sample", 1, mark=mark, failure=Failure("sample", 1, "1970-01-01T00:00:00Z", "sample"))
    notice = {"id": "sample", "severity": "info", "text": "sample", "fields": [{"name": "sample", "value": "sample"}]}
    return {**status_patch(record), "differs": True, "notices": [notice]}


@dataclass(frozen=True)
class Conditions:
    """The status' list of conditions with a phase's verdict put in; unchanged ones keep their times."""

    entries: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    def after(self, phase: str, message: str, now: datetime) -> "Conditions":
        entries = self.entries
        for kind, status in PHASES[phase].items():
            entries = with_condition(entries, kind, status, phase, message, now)
        if phase == "Succeeded":
            entries = tuple(entry for entry in entries if entry.get("type") != "RolledBack")
        return replace(self, entries=entries)


def conditions_of(status: Mapping[str, Any]) -> Conditions:
    found = status.get("conditions")
    return Conditions(tuple(entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, Sequence) else ())


def moment(text: str) -> float:
    """Seconds since the epoch of a stamp; 0 for what is none, so that a wait with a broken start is over."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _mark(data: Any) -> Mark | None:
    if not isinstance(data, Mapping):
        return None
    text = {name: str(data.get(name) or "") for name in ("by", "action", "inputs", "started", "until")}
    return Mark(**text, revision=_number(data.get("revision")))


def _failure(data: Any) -> Failure | None:
    if not isinstance(data, Mapping):
        return None
    return Failure(str(data.get("inputs") or ""), _number(data.get("count")), str(data.get("at") or ""), str(data.get("message") or ""))


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
