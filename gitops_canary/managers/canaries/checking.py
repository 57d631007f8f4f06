"""The checks of a tick: which are due, started side by side, judged once all have answered; what their answers lead to is the domain's."""

from gitops_canary.domain.canary.checks import checks_due, progress
from gitops_canary.domain.canary.model import Answered, Check, Verdicts
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.domain.canary.transitions import RESTING
from gitops_canary.managers.canaries.asks import Asks, answered
from gitops_canary.managers.canaries.observe import World
from gitops_canary.managers.canaries.timing import Ticks
from gitops_canary.ports import Checks, Moment


class Checking:
    """`asked` are the canaries whose checks are in flight: their answers wake the lane."""

    def __init__(self, checks: Checks, asks: Asks, ticks: Ticks) -> None:
        self._checks, self._asks, self._ticks = checks, asks, ticks
        self.asked: set[str] = set()

    def verdicts(self, world: World, now: Moment) -> Verdicts | None:
        """The judged checks of a tick that is due, once all are; None without a tick, or while answers are missing."""
        spec, status = world.spec, world.status
        after_end = status.phase in RESTING and status.run is not None and status.run.post
        if not after_end and not self._ticks.due(spec.key, now.mono):
            return None
        checks = checks_due(spec, status, world.seen, now.wall)
        answers = answered(self._checks.answers(spec.key))
        answers |= self._start(world, checks, answers)
        state = progress(spec, checks, answers)
        if state.complete:
            self.asked.discard(spec.key)
            return state.verdicts
        self.asked.add(spec.key)
        return None

    def _start(self, world: World, checks: tuple[Check, ...], answers: dict[str, Answered]) -> dict[str, Answered]:
        """Start what is next; returns answers that need no asking (a template that cannot be rendered)."""
        known: dict[str, Answered] = {}
        for check in progress(world.spec, checks, answers).start:
            ask = self._asks.ask(world.spec, world.status, check)
            if isinstance(ask, Answered):
                known[check.key] = ask
            else:
                self._checks.start(world.spec.key, ask)
        return known

    def ticked(self, spec: CanarySpec, after: CanaryStatus, now: Moment) -> None:
        """The verdicts have been acted on: the next tick is planned and asks anew."""
        self.drop(spec.key)
        if self._ticks.due(spec.key, now.mono):
            self._ticks.done(spec, after, now.mono)

    def drop(self, key: str) -> None:
        """What is in flight belongs to another run or phase, or to nobody any more."""
        self.asked.discard(key)
        self._checks.forget(key)
