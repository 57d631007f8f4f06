"""A Canary's status as typed values and back to the raw object, in Flagger's field names and ours; nothing is decided here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from gitops_canary.domain.canary.transitions import MEANINGS, Phase
from gitops_canary.domain.conditions import condition, stamp
from gitops_canary.domain.results import CheckRecord, Revision

HASH = "sha256:"
"""What our hashes start with: a `lastAppliedSpec` without it is Flagger's (rule R12)."""
SHOWN = frozenset({"failedChecks", "canaryWeight"})
"""Counters that are written although they are 0: `kubectl get canaries` has columns for them."""
REFUSED = "Refused"
"""The condition's reason while a Canary cannot be analysed as it is written."""
MOST_PENDING = 8
"""Results that may wait for Git before no run is started any more (rule G1)."""


@dataclass(frozen=True)
class Run:
    """The run under way, or the last one when `outcome` is set. Times are RFC 3339 in UTC."""

    number: int
    was: Revision
    """What was promoted when it started (*from* of the rules)."""
    now: Revision
    """What is analysed."""
    started: str
    container: str = ""
    changed: str = ""
    tick: int = 0
    ticked: str = ""
    """When the last interval tick ended."""
    analysing: bool = False
    """The pre-rollout checks have been announced."""
    first_weight: str = ""
    peak: int = 0
    failed: int = 0
    reason: str = ""
    """The last failed check's sentence."""
    waits: str = ""
    """The gate that is closed, told once."""
    checks: Mapping[str, CheckRecord] = field(default_factory=dict, hash=False)
    promoting: str = ""
    """When the promotion began; the primary's deadline counts from here."""
    diverted: bool = False
    """A newer revision came during the promotion: all traffic is with the primary already (rule R6)."""
    serves: bool = False
    """The promotion failed: the target serves until the primary is ready (rule R11)."""
    post: bool = False
    """The post-rollout hooks are still to be called."""
    outcome: str = ""
    ended: str = ""

    @property
    def under_way(self) -> bool:
        return not self.outcome


@dataclass(frozen=True)
class CanaryStatus:
    """`applied` is the revision last seen and acted on, `promoted` the one that serves; `pending` are raw results (rule G1)."""

    phase: Phase = Phase.NEW
    failed_checks: int = 0
    weight: int = 0
    iterations: int = 0
    applied: str = ""
    promoted: str = ""
    configs: Mapping[str, str] = field(default_factory=dict, hash=False)
    promoted_configs: Mapping[str, str] = field(default_factory=dict, hash=False)
    run: Run | None = None
    pending: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    last_result: Mapping[str, Any] | None = field(default=None, hash=False)
    differs: bool | str = False
    says: str = ""
    """Why nothing happens, for people; "" when all is as it should be."""
    number: int = 0
    """Of the last run; kept although the run itself is forgotten."""
    notices: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    """What receivers have not taken yet, oldest first: written with the step that says it, so that a restart sends it."""

    @property
    def foreign(self) -> bool:
        """Written by Flagger (rule R12)."""
        return bool(self.applied) and not self.applied.startswith(HASH)


def status_from(raw: Mapping[str, Any]) -> CanaryStatus:
    """Reads `.status`; a phase that this version does not know counts as new."""
    phase = raw.get("phase") or ""
    return CanaryStatus(
        phase=Phase(phase) if phase in set(Phase) else Phase.NEW,
        failed_checks=int(raw.get("failedChecks") or 0),
        weight=int(raw.get("canaryWeight") or 0),
        iterations=int(raw.get("iterations") or 0),
        applied=str(raw.get("lastAppliedSpec") or ""),
        promoted=str(raw.get("lastPromotedSpec") or ""),
        configs=dict(raw.get("trackedConfigs") or {}),
        promoted_configs=dict(raw.get("promotedConfigs") or {}),
        run=_run_from(raw.get("run")),
        pending=tuple(raw.get("pendingResults") or ()),
        last_result=raw.get("lastResult"),
        differs=raw.get("differs") or False,
        says=str(raw.get("says") or ""),
        number=int(raw.get("runNumber") or 0),
        notices=tuple(raw.get("notices") or ()),
    )


def status_patch(old: Mapping[str, Any], status: CanaryStatus, kind: str, now: datetime) -> dict[str, Any]:
    """The merge patch that makes the raw `old` say `status`; empty when it does already. Fields of others are left alone."""
    new = _raw(status)
    changed = _difference({key: old.get(key) for key in new if key in old}, new)
    refused = any(one.get("reason") == REFUSED for one in old.get("conditions") or ()) and not status.says
    if not changed and not refused:
        return {}
    if {"phase", "canaryWeight", "failedChecks", "lastAppliedSpec"} & changed.keys():
        changed["lastTransitionTime"] = stamp(now)
    if (refused or old.get("phase") != status.phase) and status.phase in MEANINGS:
        changed["conditions"] = [_condition(old, status, kind, now)]
    return changed


def status_sample() -> dict[str, Any]:
    """A status that says something in every field of ours: what a definition keeps of it, it keeps of all."""
    revision = Revision("app:1", HASH, HASH, {"configmap/app": HASH})
    run = Run(1, revision, revision, "1970-01-01T00:00:00Z")
    return _raw(
        CanaryStatus(
            promoted_configs=revision.configs,
            run=run,
            pending=({"number": 1},),
            differs=True,
            says="sample",
            number=1,
            notices=({"id": "sample"},),
        )
    )


def lost_fields(written: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what was written into a status and is not in the answer: the installed definition prunes them."""
    return tuple(sorted(key for key, value in written.items() if value not in (None, "", [], {}) and key not in kept))


def precise(now: datetime) -> str:
    """With milliseconds, where windows are computed from it."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def since(text: str, now: datetime) -> float:
    """Seconds from that stamp to now, never negative (a clock may have been set back)."""
    return max(0.0, (now - datetime.fromisoformat(text)).total_seconds())


def _raw(status: CanaryStatus) -> dict[str, Any]:
    return {
        "phase": status.phase.value,
        "failedChecks": status.failed_checks,
        "canaryWeight": status.weight,
        "iterations": status.iterations,
        "lastAppliedSpec": status.applied,
        "lastPromotedSpec": status.promoted,
        "trackedConfigs": dict(status.configs),
        "promotedConfigs": dict(status.promoted_configs),
        "run": _run_raw(status.run),
        "pendingResults": list(status.pending),
        "lastResult": status.last_result,
        "differs": status.differs,
        "says": status.says,
        "runNumber": status.number,
        "notices": list(status.notices),
    }


def _run_raw(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    raw = {_camel(key): value for key, value in asdict(run).items()}
    return {key: value for key, value in raw.items() if value not in ("", 0, False, {}, None) or key == "number"}


def _run_from(raw: Mapping[str, Any] | None) -> Run | None:
    if not raw:
        return None
    names = {_camel(one.name): one.name for one in fields(Run)}
    given = {names[key]: value for key, value in raw.items() if key in names}
    given["was"] = Revision(**given.get("was") or {})
    given["now"] = Revision(**given.get("now") or {})
    given["checks"] = {name: CheckRecord(**one) for name, one in (given.get("checks") or {}).items()}
    given.setdefault("started", "1970-01-01T00:00:00Z")
    return Run(**given)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7386: what `old` needs to become `new`; keys that are gone become None."""
    patch: dict[str, Any] = {key: None for key in old if key not in new and old[key] is not None}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := _difference(before, value):
                patch[key] = inner
        elif value != before and not (key not in old and value in ("", 0, False, [], {}, None) and key not in SHOWN):
            patch[key] = value
    return patch


def _condition(old: Mapping[str, Any], status: CanaryStatus, kind: str, now: datetime) -> dict[str, Any]:
    """Flagger's sentence; where a run has failed its reason follows, which Flagger keeps to its log."""
    state, message = MEANINGS[status.phase]
    why = f" Reason: {status.run.reason}" if status.phase is Phase.FAILED and status.run is not None and status.run.reason else ""
    before = condition(old.get("conditions") or (), "Promoted")
    moved = before.get("lastTransitionTime") if before.get("status") == state else None
    return {
        "type": "Promoted",
        "status": state,
        "reason": status.phase.value,
        "message": message.format(kind=kind) + why,
        "lastUpdateTime": stamp(now),
        "lastTransitionTime": moved or stamp(now),
    }
