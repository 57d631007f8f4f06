"""Time, lanes and the log: what a manager is and is given."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, order=True)
class Moment:
    """Now: `mono` seconds decide when (a stepped clock stops nothing), `wall` (aware, UTC) is what gets written down."""

    mono: float
    wall: datetime


class Clock(Protocol):
    def now(self) -> Moment: ...


@dataclass(frozen=True)
class Wake:
    """Ask a lane to run now: `lane` is a manager's name, `key` one of its objects ("" = look at everything)."""

    lane: str
    key: str = ""


@dataclass(frozen=True)
class Turn:
    """What one `ensure` did: a sentence for the status page, who should run next, and when itself wants to (monotonic seconds)."""

    says: str
    wakes: tuple[Wake, ...] = ()
    not_before: float | None = None


class Manager(Protocol):
    name: str

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """Observe, decide, apply. `keys` are the objects it was woken for; empty means everything. Level-based, never blocks on a network
        answer longer than its ports' time limits, and one failing object delays no other."""
        ...


class Log(Protocol):
    """One line per event: the sentence a person would say, and keys for the rest (structlog's bound logger fits)."""

    def info(self, event: str, **keys: object) -> object: ...
    def warning(self, event: str, **keys: object) -> object: ...
    def error(self, event: str, **keys: object) -> object: ...
