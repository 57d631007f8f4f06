"""When each canary's next interval tick is due (monotonic seconds); kept in memory and rebuilt from the status after a restart."""

from datetime import datetime

from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import CanaryStatus, since
from gitops_canary.domain.canary.transitions import RUNNING, Phase
from gitops_canary.managers.base import earliest


class Ticks:
    def __init__(self) -> None:
        self._due: dict[str, tuple[float, tuple[int, int]]] = {}
        self._unready: dict[str, float] = {}

    def plan(self, spec: CanarySpec, status: CanaryStatus, mono: float, wall: datetime) -> None:
        """A running canary ticks every interval; one at rest never. A planned tick stays as long as the status counts the same one: a
        status that moved although its reply was lost must not be ticked twice."""
        if not _ticks(status):
            self._due.pop(spec.key, None)
        elif spec.key not in self._due or self._due[spec.key][1] != _counted(status):
            last = (status.run.ticked or status.run.started) if status.run and status.run.under_way else ""
            passed = min(since(last, wall), spec.interval) if last else 0.0
            self._due[spec.key] = (mono + spec.interval - passed, _counted(status))

    def due(self, key: str, mono: float) -> bool:
        return key in self._due and self._due[key][0] <= mono

    def done(self, spec: CanarySpec, status: CanaryStatus, mono: float) -> None:
        """The tick has been taken and made `status`; missed ones are dropped, the rhythm stays."""
        due = self._due[spec.key][0] + spec.interval if spec.key in self._due else mono
        self._due[spec.key] = (due if due > mono else mono + spec.interval, _counted(status))

    def forget(self, key: str) -> None:
        self._due.pop(key, None)
        self._unready.pop(key, None)

    def keys_due(self, mono: float) -> frozenset[str]:
        return frozenset(key for key, (due, _) in self._due.items() if due <= mono)

    def next(self, waiting: frozenset[str] = frozenset()) -> float | None:
        """The earliest tick, without those whose checks are in flight: their answers wake the lane."""
        return earliest(due for key, (due, _) in self._due.items() if key not in waiting)

    def unready(self, key: str, ready: bool, mono: float) -> float:
        """Seconds since which the target has been seen not ready without a break."""
        if ready:
            self._unready.pop(key, None)
            return 0.0
        return mono - self._unready.setdefault(key, mono)


def _ticks(status: CanaryStatus) -> bool:
    run = status.run
    return status.phase in RUNNING or (status.phase is Phase.INITIALIZING) or (run is not None and run.serves) or _leaving(status)


def _leaving(status: CanaryStatus) -> bool:
    return status.phase is Phase.TERMINATING and bool(status.pending)


def _counted(status: CanaryStatus) -> tuple[int, int]:
    return (status.run.number, status.run.tick) if status.run else (0, 0)
