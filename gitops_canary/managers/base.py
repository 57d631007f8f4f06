"""What all managers share: back-off per key, and figures that nobody keeps; no decisions and no I/O."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """When each failing key may be tried again: `first` seconds, doubled up to `most`, forgotten at success. Seconds are monotonic."""

    first: float = 1.0
    most: float = 60.0
    _waits: dict[str, tuple[float, float]] = field(default_factory=dict)

    def failed(self, key: str, now: float, *, at_least: float = 0.0, first: float | None = None) -> float:
        """Note a failure; returns when to try again. `first` instead of the usual first wait, for what passes by itself."""
        wait = min(self._waits[key][0] * 2, self.most) if key in self._waits else first or self.first
        until = now + max(wait, at_least)
        self._waits[key] = (wait, until)
        return until

    def worked(self, key: str) -> None:
        self._waits.pop(key, None)

    def ready(self, key: str, now: float) -> bool:
        return key not in self._waits or self._waits[key][1] <= now

    def until(self, key: str) -> float | None:
        return self._waits[key][1] if key in self._waits else None

    def next(self) -> float | None:
        return earliest(until for _, until in self._waits.values())


def earliest(moments: Iterable[float | None]) -> float | None:
    """The smallest of the moments that are set."""
    known = [moment for moment in moments if moment is not None]
    return min(known, default=None)


class NoFigures:
    """`ports.Figures` where nobody counts."""

    def tick(self, namespace: str, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def ended(self, namespace: str, name: str, outcome: str, *, skipped: bool, seconds: float) -> None:
        return None

    def scanned(self, image: str) -> None:
        return None

    def bumped(self, image: str) -> None:
        return None
