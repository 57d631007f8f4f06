"""Lanes, wakes, the schedule, leadership and shutdown: decides when managers run, never what they do.

Each manager has a lane, a daemon thread that waits for a wake or for its own monotonic `not_before`. `schedule` only wakes lanes, so its
jobs cannot fail, and it is never the only wake. Tests and virtual time drive the same managers on one thread with `settle`.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import schedule

from gitops_canary.domain.errors import NotLeader
from gitops_canary.ports import Clock, Log, Manager, Moment, Turn, Wake

SAFETY_INTERVAL = 30
"""Seconds: every lane looks at everything at least this often, whatever wakes were lost."""
FOLLOWER_WAIT = 0.2
"""Seconds between two looks at a lease that may not be acted on."""
STUCK = 300.0
"""Seconds in one turn after which a lane counts as stuck: the first fetch and apply of a large repository take minutes."""
FAILED_WAIT = 5.0
"""Seconds a lane waits after a bug in its manager before it runs again."""


class Leadership(Protocol):
    """Whether this process may act; `step` renews or asks for the lease and says when to be called again (monotonic)."""

    def step(self, now: Moment) -> float: ...
    def leads(self, now: Moment) -> bool: ...
    def lost(self) -> bool:
        """True once a lease that was ours has gone to somebody else or expired: the process must end."""
        ...

    def release(self) -> None: ...


class AlwaysLeader:
    """Leadership without a lease: one process, no election."""

    def step(self, now: Moment) -> float:
        return now.mono + 3600.0

    def leads(self, now: Moment) -> bool:
        return True

    def lost(self) -> bool:
        return False

    def release(self) -> None:
        return None


@dataclass
class Lane:
    """One manager and what it was asked for; `says`, `ran` and `due` are for the status page."""

    manager: Manager
    asked: set[str] = field(default_factory=set)
    woken: bool = True
    due: float | None = 0.0
    says: str = "has not run yet"
    ran: float | None = None
    began: float | None = None
    """When the turn began that has not ended yet (monotonic)."""
    condition: threading.Condition = field(default_factory=threading.Condition)

    def wake(self, key: str) -> None:
        with self.condition:
            self.woken = True
            if key:
                self.asked.add(key)
            self.condition.notify()

    def take(self, now: Moment) -> frozenset[str] | None:
        """The keys to run for, or None when there is nothing to do yet."""
        with self.condition:
            if not self.woken and (self.due is None or self.due > now.mono):
                return None
            keys, self.asked, self.woken, self.began = frozenset(self.asked), set(), False, now.mono
            return keys

    def give_back(self, keys: frozenset[str]) -> None:
        """A turn that failed leaves what it was asked for to the next one, and asks for none by itself."""
        with self.condition:
            self.asked |= keys
            self.began = None

    def note(self, now: Moment, turn: Turn) -> None:
        with self.condition:
            self.says, self.ran, self.due, self.began = turn.says, now.mono, turn.not_before, None

    def late_since(self, now: Moment) -> float:
        """Since when it ought to have moved: a turn's begin, or the time that it wanted to run; `now` when it owes nothing."""
        if self.began is not None:
            return self.began
        return now.mono if self.due is None or self.ran is None else min(self.due, now.mono)


@dataclass(frozen=True)
class LaneView:
    """A lane as the status page shows it; seconds ago and ahead."""

    name: str
    says: str
    ran_ago: float | None
    due_in: float | None


class Operator:
    """Runs the managers in lanes of their own (`run`), or all on the caller's thread (`settle`)."""

    def __init__(self, managers: Sequence[Manager], clock: Clock, log: Log, leadership: Leadership | None = None) -> None:
        self._clock = clock
        self._log = log
        self._leadership = leadership or AlwaysLeader()
        self.lanes: Mapping[str, Lane] = {manager.name: Lane(manager) for manager in managers}
        self._stop = threading.Event()

    def wake(self, lane: str, key: str = "") -> None:
        """Ask a lane to run now; an unknown lane is nobody's (a manager that this installation does not have)."""
        if lane in self.lanes:
            self.lanes[lane].wake(key)

    def settle(self, rounds: int = 1000) -> int:
        """Run whoever is woken or due until nobody is, without letting time pass; returns the number of turns.

        Raises RuntimeError when the managers keep waking each other."""
        turns = 0
        for _ in range(rounds):
            ready = [lane for lane in self.lanes.values() if self._turn(lane)]
            if not ready:
                return turns
            turns += len(ready)
        raise RuntimeError("the managers do not come to rest: " + "; ".join(f"{n}: {lane.says}" for n, lane in self.lanes.items()))

    def next_due(self) -> float | None:
        """When the next lane wants to run (monotonic seconds)."""
        return min((lane.due for lane in self.lanes.values() if lane.due is not None), default=None)

    def _turn(self, lane: Lane) -> bool:
        now = self._clock.now()
        keys = lane.take(now)
        if keys is None:
            return False
        try:
            turn = lane.manager.ensure(now, keys)
        except Exception:
            lane.give_back(keys)
            raise
        lane.note(now, turn)
        self._pass_on(turn.wakes)
        return True

    def _pass_on(self, wakes: Sequence[Wake]) -> None:
        for wake in wakes:
            self.wake(wake.lane, wake.key)

    # ------------------------------------------------------------ threads

    def run(self, *, stop_after: Callable[[], bool] = lambda: False) -> None:
        """Run until `stop` is called, or leadership is lost. Lanes start when this process leads."""
        threads: list[threading.Thread] = []
        jobs = self._schedule()
        try:
            while not self._stop.is_set() and not self._leadership.lost() and not stop_after():
                now = self._clock.now()
                renew_at = self._leadership.step(now)
                if not threads and self._leadership.leads(self._clock.now()):
                    threads = self._start_lanes()
                jobs.run_pending()
                self._stop.wait(min(max(0.05, renew_at - now.mono), jobs.idle_seconds or 1.0, 1.0) if jobs.jobs else 1.0)
        finally:
            self._end(threads)

    def stop(self) -> None:
        """Ask `run` to end: lanes finish the turn they are in (bounded), then the lease is given back."""
        self._stop.set()
        for lane in self.lanes.values():
            lane.wake("")

    def _schedule(self) -> schedule.Scheduler:
        jobs = schedule.Scheduler()
        jobs.every(SAFETY_INTERVAL).seconds.do(self._wake_all)
        return jobs

    def _wake_all(self) -> None:
        for lane in self.lanes.values():
            lane.wake("")

    def _start_lanes(self) -> list[threading.Thread]:
        self._log.info("This process leads: its lanes start")
        threads = [
            threading.Thread(target=self._drive, args=(lane,), name=f"lane-{name}", daemon=True) for name, lane in self.lanes.items()
        ]
        for thread in threads:
            thread.start()
        return threads

    def _drive(self, lane: Lane) -> None:
        while not self._stop.is_set():
            if not self._leadership.leads(self._clock.now()):
                self._stop.wait(FOLLOWER_WAIT)
                continue
            self._guarded_turn(lane)
            self._wait(lane)

    def _guarded_turn(self, lane: Lane) -> None:
        """A bug in one manager is said with its traceback; the lane goes on."""
        try:
            self._turn(lane)
        except NotLeader as error:
            self._log.warning(str(error), lane=lane.manager.name)
            lane.wake("")
        except Exception as error:
            self._log.error(f"Lane {lane.manager.name} failed, it goes on in {FAILED_WAIT:.0f} s: {error}", exc_info=True)
            lane.note(self._clock.now(), Turn(f"failed: {error}", not_before=self._clock.now().mono + FAILED_WAIT))

    def _wait(self, lane: Lane) -> None:
        with lane.condition:
            if lane.woken or self._stop.is_set():
                return
            wait = SAFETY_INTERVAL if lane.due is None else min(lane.due - self._clock.now().mono, SAFETY_INTERVAL)
            if wait > 0:
                lane.condition.wait(wait)

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        self._stop.set()
        for lane in self.lanes.values():
            lane.wake("")
        deadline = time.monotonic() + 8.0
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._leadership.release()

    def view(self) -> list[LaneView]:
        """All lanes for the status page."""
        now = self._clock.now().mono
        return [
            LaneView(name, lane.says, None if lane.ran is None else now - lane.ran, None if lane.due is None else max(0.0, lane.due - now))
            for name, lane in self.lanes.items()
        ]

    def alive(self, within: float = STUCK) -> bool:
        """Loop progress for /healthz: no lane has been in one turn, or overdue for the next, for `within` seconds or longer."""
        now = self._clock.now()
        moving = all(now.mono - lane.late_since(now) < within for lane in self.lanes.values())
        return moving or not self._leadership.leads(now)
