"""The Checks port in memory: answers are written by the test, at once or when it says so."""

from collections.abc import Callable, Iterable, Mapping

from gitops_canary.ports import Answer, Ask, HookAsk

Judge = Callable[[Ask], Answer | None]
"""What the other side says to an ask; None = it has not answered yet (asked again at each `deliver`)."""


def all_good(ask: Ask) -> Answer:
    """Every hook passes, every success rate is 100 %, every duration 10 ms."""
    if isinstance(ask, HookAsk):
        return Answer(ask.key, "passed")
    return Answer(ask.key, "value", 10.0 if ask.builtin == "request-duration" else 100.0)


def half_fail(ask: Ask) -> Answer:
    """Half of the requests fail; everything else is good."""
    if isinstance(ask, HookAsk) or ask.builtin != "request-success-rate":
        return all_good(ask)
    return Answer(ask.key, "value", 50.0)


class MemoryChecks:
    """`wake(owner)` is called when an answer comes, as the real adapter wakes the canaries lane."""

    def __init__(self, judge: Judge = all_good, wake: Callable[[str], None] = lambda owner: None) -> None:
        self.judge = judge
        self.wake = wake
        self.asked: list[Ask] = []
        self._open: dict[str, dict[str, Ask]] = {}
        self._answers: dict[str, dict[str, Answer]] = {}

    def start(self, owner: str, ask: Ask) -> None:
        if ask.key in self._open.get(owner, {}) or ask.key in self._answers.get(owner, {}):
            return
        self.asked.append(ask)
        self._open.setdefault(owner, {})[ask.key] = ask

    def deliver(self) -> int:
        """Let the other sides answer; returns how many did."""
        count = 0
        for owner, asks in list(self._open.items()):
            for key, ask in list(asks.items()):
                answer = self.judge(ask)
                if answer is not None:
                    del asks[key]
                    self._answers.setdefault(owner, {})[key] = answer
                    count += 1
                    self.wake(owner)
        return count

    def answers(self, owner: str) -> Mapping[str, Answer]:
        return dict(self._answers.get(owner, {}))

    def forget(self, owner: str, keep: Iterable[str] = ()) -> None:
        kept = set(keep)
        self._open[owner] = {key: ask for key, ask in self._open.get(owner, {}).items() if key in kept}
        self._answers[owner] = {key: answer for key, answer in self._answers.get(owner, {}).items() if key in kept}

    def crash(self) -> None:
        """The process died: asks and answers lived in its memory."""
        self._open.clear()
        self._answers.clear()
