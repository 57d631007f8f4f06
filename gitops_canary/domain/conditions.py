"""Conditions of a status as Kubernetes keeps them, and moments as its API writes them; which conditions there are is each kind's own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Entry = Mapping[str, Any]


def stamp(now: datetime) -> str:
    """A point in time as the API writes it."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(entries: Sequence[Entry], kind: str) -> Entry:
    """The one of that type; empty when there is none."""
    return next((entry for entry in entries if entry.get("type") == kind), {})


def with_condition(entries: Sequence[Entry], kind: str, status: str, reason: str, message: str, now: datetime) -> tuple[Entry, ...]:
    """One that says the same keeps its times, one that only says it otherwise the time of its last turn."""
    old = condition(entries, kind)
    if (old.get("status"), old.get("reason"), old.get("message")) == (status, reason, message):
        return tuple(entries)
    at = stamp(now)
    since = old.get("lastTransitionTime", at) if old.get("status") == status else at
    new = {"type": kind, "status": status, "reason": reason, "message": message, "lastUpdateTime": at, "lastTransitionTime": since}
    return (*(entry for entry in entries if entry.get("type") != kind), new)
