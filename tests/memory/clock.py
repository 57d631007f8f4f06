"""Virtual time: moves only when told to."""

from datetime import UTC, datetime, timedelta

from gitops_canary.ports import Moment

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def now(self) -> Moment:
        return Moment(self.seconds, EPOCH + timedelta(seconds=self.seconds))

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
