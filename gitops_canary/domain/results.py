"""The record of a run's outcome, as it waits in `status.pendingResults` and as it is committed; text of commits lives in `commits.py`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    SUPERSEDED = "superseded"
    ABORTED = "aborted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Revision:
    """What ran: `image` of the container that matters ("name:tag", user's spelling), its digest when known, and a revision's hashes."""

    image: str = ""
    digest: str = ""
    template: str = ""
    configs: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class CheckRecord:
    """One check's last value against its limit (as printed), and how often it passed and failed in the run."""

    name: str
    value: str = ""
    limit: str = ""
    passed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Result:
    """One ended run, complete enough to be recorded without asking anybody (rule G1)."""

    namespace: str
    canary: str
    number: int
    outcome: Outcome
    reason: str
    started: str
    ended: str
    was: Revision
    now: Revision
    container: str = ""
    changed: str = ""
    """The first thing that changed when the image did not: `ConfigMap backend`, `values` …"""
    target: str = ""
    """`apps/v1/Deployment/<name>`: what the look-up of the file starts from (rule G6)."""
    weight: int = 0
    """The highest canary weight the run reached."""
    failed_checks: int = 0
    checks: tuple[CheckRecord, ...] = ()
    put_back: bool = False
    """Whether the commit shall put the image back to `was` (rolled back, not superseded/aborted; rules G4, G5, R11)."""
    quarantine: bool = False
    """Whether the tag shall not be bumped to again (rule G8)."""
    differs: bool = False
    """The decision already knows that Git will differ from what serves (rules R8, G7)."""

    @property
    def run_id(self) -> str:
        return f"{self.namespace}.{self.canary}-{self.number}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON for the status; `result_from` reads it back."""
        return asdict(self)


def result_from(data: Mapping[str, Any]) -> Result:
    """The inverse of `Result.to_dict`; unknown keys (of a newer version) are dropped."""
    known = {name: data[name] for name in Result.__dataclass_fields__ if name in data}
    known["outcome"] = Outcome(known["outcome"])
    known["was"] = Revision(**known.get("was", {}))
    known["now"] = Revision(**known.get("now", {}))
    known["checks"] = tuple(CheckRecord(**check) for check in known.get("checks", ()))
    return Result(**known)
