"""What a Helm release needs: classify it, with the reason, then name the action for the situation (rules H1-H4); nothing is done here.

A release is compared by its *inputs* (chart, values, release rules), never by generations: unchanged inputs are left alone. What has
failed is tried again with back-off, forward only. A revision that was left pending is touched only when the mark in the status is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases_status import Mark, Record, moment


class Situation(StrEnum):
    ABSENT = "absent"
    IN_SYNC = "in sync"
    CHANGED = "changed"
    RETRY = "failed, to be tried again"
    WAITING = "failed, waiting"
    UNRECORDED = "done but not recorded"
    UNDER_WAY = "under way"
    LEFT_PENDING = "left pending by us"
    FOREIGN_PENDING = "left pending by somebody else"
    FOREIGN_REVISION = "changed by somebody else"
    UNTESTED = "to be tested"
    TO_ROLL_BACK = "to be rolled back"
    ROLLED_BACK = "rolled back"
    TO_REMOVE = "to be removed"


class Action(StrEnum):
    NOTHING = "nothing"
    WAIT = "wait"
    INSTALL = "install"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    TEST = "test"
    MARK_FAILED = "mark-failed"
    RECORD = "record"
    REPORT = "report"
    UNINSTALL = "uninstall"


ACTIONS = {
    Situation.ABSENT: Action.INSTALL,
    Situation.IN_SYNC: Action.NOTHING,
    Situation.CHANGED: Action.UPGRADE,
    Situation.RETRY: Action.UPGRADE,
    Situation.WAITING: Action.WAIT,
    Situation.UNRECORDED: Action.RECORD,
    Situation.UNDER_WAY: Action.WAIT,
    Situation.LEFT_PENDING: Action.MARK_FAILED,
    Situation.FOREIGN_PENDING: Action.REPORT,
    Situation.FOREIGN_REVISION: Action.REPORT,
    Situation.UNTESTED: Action.TEST,
    Situation.TO_ROLL_BACK: Action.ROLLBACK,
    Situation.ROLLED_BACK: Action.NOTHING,
    Situation.TO_REMOVE: Action.UNINSTALL,
}


@dataclass(frozen=True)
class Stored:
    """One revision in Helm's storage, as much as decisions need."""

    number: int
    status: str

    @property
    def pending(self) -> bool:
        return self.status.startswith("pending-")


@dataclass(frozen=True)
class Verdict:
    """`until`: when to look again (seconds since the epoch), if time alone changes the verdict."""

    situation: Situation
    reason: str
    until: float | None = None


def action_for(verdict: Verdict) -> Action:
    return ACTIONS[verdict.situation]


def classify(
    spec: HelmReleaseSpec, record: Record, history: Sequence[Stored], inputs: str, now: datetime, holder: str, *, busy: bool = False
) -> Verdict:
    """`history` oldest first; `holder` is this process as it signs its marks (holder and lease transition); `busy`: it runs a job of this
    release right now."""
    if busy:
        return Verdict(Situation.UNDER_WAY, f"Helm is at work on {spec.release}")
    last = history[-1] if history else None
    if last is not None and (last.pending or last.status == "uninstalling"):
        return _pending(spec, record.mark, last, now, holder)
    if last is None or last.status == "uninstalled":
        return _held_back(record, inputs, now) or Verdict(Situation.ABSENT, f"there is no release {spec.release} yet")
    if _made_by(record.mark, last) and last.status == "deployed":
        return Verdict(Situation.UNRECORDED, f"revision {last.number} was made just before a restart")
    if last.status == "failed":
        return _failed(spec, record, history, inputs, now)
    return _settled(spec, record, history, inputs, now)


def _pending(spec: HelmReleaseSpec, mark: Mark | None, last: Stored, now: datetime, holder: str) -> Verdict:
    """Rule H2. Ours and lost: its time is up, its holder lost the Lease, or this very holder signed it and has no job of it."""
    if mark is None or mark.revision > last.number:
        reason = f"revision {last.number} of {spec.release} is {last.status}, and it was not this operator that left it so"
        return Verdict(Situation.FOREIGN_PENDING, f"{reason}; `helm rollback {spec.release}` frees it")
    if mark.by == holder or _lease_of(mark.by) != _lease_of(holder) or moment(mark.until) <= now.timestamp():
        return Verdict(Situation.LEFT_PENDING, f"revision {last.number} was left {last.status} by {mark.by}")
    return Verdict(Situation.UNDER_WAY, f"{mark.by} is at it until {mark.until}", moment(mark.until))


def _lease_of(signature: str) -> str:
    return signature.rpartition("#")[2]


def _made_by(mark: Mark | None, last: Stored) -> bool:
    return mark is not None and mark.action in ("install", "upgrade") and last.number >= mark.revision


def _failed(spec: HelmReleaseSpec, record: Record, history: Sequence[Stored], inputs: str, now: datetime) -> Verdict:
    last = history[-1]
    if _to_roll_back(spec, record, history, inputs):
        return Verdict(Situation.TO_ROLL_BACK, f"revision {last.number} has failed and spec.rollback.enable is set")
    return _held_back(record, inputs, now) or Verdict(_again(record, inputs), f"revision {last.number} has failed")


def _to_roll_back(spec: HelmReleaseSpec, record: Record, history: Sequence[Stored], inputs: str) -> bool:
    """Only what failed by these inputs, and only if a revision that worked is still stored."""
    ours = record.failure is not None and record.failure.inputs == inputs and record.rolled_back != inputs
    return spec.rollback.enable and ours and good_revision(history) > 0


def good_revision(history: Sequence[Stored]) -> int:
    """The newest revision before the last that has been deployed once; 0 = none."""
    return next((entry.number for entry in reversed(history[:-1]) if entry.status in ("superseded", "deployed")), 0)


def _held_back(record: Record, inputs: str, now: datetime) -> Verdict | None:
    """The same inputs are tried again with back-off only (rule H1); other inputs at once."""
    failure = record.failure
    if failure is None or failure.inputs != inputs or failure.retry_at() <= now.timestamp():
        return None
    return Verdict(Situation.WAITING, failure.message or "it has failed", failure.retry_at())


def _again(record: Record, inputs: str) -> Situation:
    return Situation.RETRY if record.failure is not None and record.failure.inputs == inputs else Situation.CHANGED


def _settled(spec: HelmReleaseSpec, record: Record, history: Sequence[Stored], inputs: str, now: datetime) -> Verdict:
    """The last revision is deployed."""
    last = history[-1]
    if record.rolled_back == inputs and last.number == record.revision:
        return _after_rollback(spec, record, inputs, now)
    if record.inputs != inputs:
        held = _held_back(record, inputs, now)
        return held or Verdict(_again(record, inputs), "chart or values have changed" if record.inputs else "it was not installed by us")
    if last.number != record.revision:
        reason = f"revision {last.number} of {spec.release} was made by somebody else; the next change in Git replaces it"
        return Verdict(Situation.FOREIGN_REVISION, reason)
    if spec.test.enable and record.tested != inputs:
        return Verdict(Situation.UNTESTED, f"revision {last.number} has not been tested")
    if spec.test.enable and record.failure is not None and record.failure.inputs == inputs:
        return _tests_failed(spec, record, history, inputs, now)
    return Verdict(Situation.IN_SYNC, f"revision {last.number} is what Git says")


def _tests_failed(spec: HelmReleaseSpec, record: Record, history: Sequence[Stored], inputs: str, now: datetime) -> Verdict:
    """As the Helm Operator: a first revision is uninstalled, a later one rolled back if that is enabled; otherwise they are run again."""
    if not good_revision(history):
        return Verdict(Situation.TO_REMOVE, "the tests of its first revision have failed")
    if spec.rollback.enable:
        return Verdict(Situation.TO_ROLL_BACK, "its tests have failed and spec.rollback.enable is set")
    return _held_back(record, inputs, now) or Verdict(Situation.UNTESTED, "its tests have failed and are run again")


def _after_rollback(spec: HelmReleaseSpec, record: Record, inputs: str, now: datetime) -> Verdict:
    """The Helm Operator tries again only with rollback.retry, at most maxRetries times (0 = for ever)."""
    limit = spec.rollback.max_retries
    if spec.rollback.retry and (limit == 0 or record.rollbacks <= limit):
        return _held_back(record, inputs, now) or Verdict(Situation.RETRY, f"rolled back {record.rollbacks} times, tried again")
    return Verdict(Situation.ROLLED_BACK, "rolled back; it waits for other inputs")
