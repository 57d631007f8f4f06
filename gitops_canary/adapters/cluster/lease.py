"""Who leads: the decisions about one Lease as values (rule O3); reads no clock and sends nothing.

Times are seconds of the caller's CLOCK_BOOTTIME. Nobody's wall clock is compared: a record counts as old when *we* have seen it
unchanged for its own duration.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gitops_canary.domain.resources import Doc


@dataclass(frozen=True)
class Timing:
    """Seconds: how long a silent leader is waited for, how long after its last renewal it may still act, how often both sides ask."""

    duration: int = 30
    deadline: float = 15.0
    retry: float = 5.0


@dataclass(frozen=True)
class Record:
    """What the Lease object says; `holder` "" = given back."""

    holder: str
    duration: float
    transitions: int
    renewed: str
    acquired: str
    version: str


@dataclass(frozen=True)
class Standing:
    """What this process knows: the record and since when it has seen it unchanged; when its own last accepted renewal was sent (None =
    never led); `ended` = it led and must not any more."""

    record: Record | None = None
    seen: float = 0.0
    renewed: float | None = None
    ended: bool = False


def observed(standing: Standing, record: Record | None, now: float) -> Standing:
    """After reading the Lease."""
    if record is not None and standing.record is not None and _same(record, standing.record):
        return replace(standing, record=record)
    return replace(standing, record=record, seen=now)


def may_take(standing: Standing, now: float) -> bool:
    """No Lease, one given back, or one whose holder was silent for its whole duration."""
    record = standing.record
    return record is None or not record.holder or now >= standing.seen + record.duration


def won(standing: Standing, record: Record, sent: float) -> Standing:
    """Our record was accepted; it counts from when it was sent, which is no later than when others saw it."""
    return replace(standing, record=record, seen=sent, renewed=sent)


def overtaken(standing: Standing, me: str) -> Standing:
    """A renewal was refused and the Lease has been read: lost, unless it was our own write whose answer did not come."""
    held = standing.record is not None and standing.record.holder == me
    return standing if held else replace(standing, ended=True)


def expired(standing: Standing, now: float, timing: Timing) -> Standing:
    """A leader that could not renew in time has lost, whether or not somebody else leads already."""
    late = standing.renewed is not None and now >= standing.renewed + timing.deadline
    return replace(standing, ended=True) if late else standing


def leads(standing: Standing, now: float, timing: Timing) -> bool:
    return standing.renewed is not None and not standing.ended and now < standing.renewed + timing.deadline


def claim(standing: Standing, me: str, wall: datetime, timing: Timing) -> Record:
    """The record to write: a renewal keeps `acquired` and `transitions`, a take-over counts one more. `wall` is for people only."""
    stamp = wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    old = standing.record
    if old is not None and old.holder == me:
        return replace(old, renewed=stamp, duration=timing.duration)
    transitions = old.transitions + 1 if old is not None else 0
    return Record(me, timing.duration, transitions, stamp, stamp, old.version if old is not None else "")


def record_of(doc: Doc) -> Record:
    spec: dict[str, Any] = doc.get("spec") or {}
    return Record(
        holder=str(spec.get("holderIdentity") or ""),
        duration=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        renewed=str(spec.get("renewTime") or ""),
        acquired=str(spec.get("acquireTime") or ""),
        version=str(doc["metadata"]["resourceVersion"]),
    )


def lease_of(record: Record, namespace: str, name: str) -> Doc:
    """The Lease object; with a version it replaces exactly that one."""
    spec = {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": int(record.duration),
        "leaseTransitions": record.transitions,
        "renewTime": record.renewed,
        "acquireTime": record.acquired,
    }
    meta = {"name": name, "namespace": namespace} | ({"resourceVersion": record.version} if record.version else {})
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


def _same(one: Record, other: Record) -> bool:
    return (one.holder, one.renewed, one.transitions) == (other.holder, other.renewed, other.transitions)
