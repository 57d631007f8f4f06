"""Claims about lanes, wakes, settling, leadership and stopping."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from gitops_canary.domain.errors import NotLeader
from gitops_canary.operator import AlwaysLeader, Operator
from gitops_canary.ports import Moment, Turn, Wake


class StillClock:
    """Virtual time: moves only when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> Moment:
        return Moment(self.seconds, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds))


class Lines:
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, event: str, **keys: object) -> None:
        self.said.append(event)

    warning = error = info


class Counting:
    """A manager that notes what it was woken for and answers what it is told to."""

    def __init__(self, name: str, turn: Turn | None = None) -> None:
        self.name = name
        self.turn = turn or Turn("nothing to do")
        self.runs: list[frozenset[str]] = []
        self.ran = threading.Event()
        self.fails = False

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        self.runs.append(keys)
        self.ran.set()
        if self.fails:
            raise ZeroDivisionError("a bug")
        return self.turn


def test_every_manager_looks_at_everything_once_at_start() -> None:
    one, two = Counting("one"), Counting("two")
    assert Operator([one, two], StillClock(), Lines()).settle() == 2
    assert one.runs == two.runs == [frozenset()]


def test_a_wake_runs_the_lane_it_names_with_all_its_keys() -> None:
    first = Counting("first", Turn("done", (Wake("second", "a"), Wake("second", "b"), Wake("nobody", "c"))))
    second = Counting("second")
    operator = Operator([second, first], StillClock(), Lines())
    operator.settle()
    assert second.runs == [frozenset(), frozenset({"a", "b"})]


def test_a_lane_runs_again_when_its_own_time_has_come_and_not_before() -> None:
    clock, one = StillClock(), Counting("one", Turn("later", not_before=110.0))
    operator = Operator([one], clock, Lines())
    operator.settle()
    assert operator.settle() == 0
    assert operator.next_due() == 110.0
    clock.seconds = 110.0
    one.turn = Turn("done")
    assert operator.settle() == 1


def test_managers_that_wake_each_other_for_ever_are_named() -> None:
    one, two = Counting("one", Turn("ping", (Wake("two"),))), Counting("two", Turn("pong", (Wake("one"),)))
    with pytest.raises(RuntimeError, match="one: ping; two: pong"):
        Operator([one, two], StillClock(), Lines()).settle(rounds=50)


def test_a_bug_in_one_manager_stops_neither_its_lane_nor_the_others() -> None:
    lines, bad, good = Lines(), Counting("bad"), Counting("good")
    bad.fails = True
    operator = Operator([bad, good], StillClock(), lines)
    for lane in operator.lanes.values():
        operator._guarded_turn(lane)
    assert [len(bad.runs), len(good.runs)] == [1, 1]
    assert lines.said == ["Lane bad failed, it goes on in 5 s: a bug"]
    assert operator.view()[0].says == "failed: a bug"


class Follower(AlwaysLeader):
    """A process that asks for the lease and does not get it until told so."""

    def __init__(self) -> None:
        self.leading = threading.Event()
        self.asked = threading.Event()
        self.released = False

    def step(self, now: Moment) -> float:
        self.asked.set()
        return now.mono

    def leads(self, now: Moment) -> bool:
        return self.leading.is_set()

    def lost(self) -> bool:
        return False

    def release(self) -> None:
        self.released = True


def test_O3_a_follower_runs_no_lane_and_starts_them_when_it_leads() -> None:
    from gitops_canary.adapters.clock import SystemClock

    leadership, one = Follower(), Counting("one", Turn("done"))
    operator = Operator([one], SystemClock(), Lines(), leadership)
    thread = threading.Thread(target=operator.run)
    thread.start()
    assert leadership.asked.wait(5)
    assert one.runs == []
    leadership.leading.set()
    assert one.ran.wait(5)
    operator.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert leadership.released


class Busy(Counting):
    """Stays in its turn until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.go = threading.Event()

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        super().ensure(now, keys)
        assert self.go.wait(10)
        return self.turn


@pytest.mark.parametrize(("seconds", "lives"), [(200.0, True), (301.0, False)])
def test_a_long_first_turn_is_progress_and_an_endless_one_is_not(seconds: float, lives: bool) -> None:
    clock, busy = StillClock(), Busy("busy")
    operator = Operator([busy], clock, Lines())
    thread = threading.Thread(target=operator.run)
    thread.start()
    assert busy.ran.wait(10)
    clock.seconds += seconds
    seen = operator.alive()
    busy.go.set()
    operator.stop()
    thread.join(10)
    assert seen is lives


def test_a_lane_that_nobody_woke_for_an_hour_is_alive() -> None:
    clock = StillClock()
    operator = Operator([Counting("one")], clock, Lines())
    operator.settle()
    clock.seconds += 3600
    assert operator.alive()


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), NotLeader("cannot act: renewed too long ago")])
def test_what_a_failed_turn_was_asked_for_is_given_to_the_next(error: Exception) -> None:
    class Failing(Counting):
        def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
            super().ensure(now, keys)
            if len(self.runs) == 2:
                raise error
            return self.turn

    one = Failing("one")
    operator = Operator([one], StillClock(), Lines())
    operator.settle()
    operator.wake("one", "fetch")
    with pytest.raises(type(error)):
        operator.settle()
    operator.wake("one", "other")
    operator.settle()
    assert one.runs == [frozenset(), frozenset({"fetch"}), frozenset({"fetch", "other"})]
