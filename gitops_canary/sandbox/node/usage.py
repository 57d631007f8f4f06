"""What containers use, measured: CPU seconds and memory of their processes by /proc, rates over a sliding window; knows no API."""

import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Hashable
from dataclasses import dataclass
from pathlib import Path
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")
WINDOW = 10.0
"""Seconds that a rate looks back at most."""
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Used:
    """CPU seconds since the start, and bytes of memory now."""

    cpu: float = 0.0
    memory: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.cpu + other.cpu, self.memory + other.memory)


class Meter:
    """CPU that awaited work used on its own thread, step by step: what the loop does for others in between is not counted."""

    def __init__(self) -> None:
        self.cpu = 0.0

    @coroutine
    def run(self, work: Awaitable[T]) -> Generator[Any, Any, T]:
        steps, sent = work.__await__(), None
        while True:
            began = time.thread_time()
            try:
                asked = steps.send(sent)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                self.cpu += time.thread_time() - began
            sent = yield asked


def by_session() -> dict[int, Used]:
    """All processes of each session, their dead children included; empty where there is no /proc."""
    total: dict[int, Used] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        one = Used(sum(map(int, fields[11:15])) / TICKS, int(fields[21]) * PAGE)
        total[int(fields[3])] = total.get(int(fields[3]), Used()) + one
    return total


@dataclass(frozen=True)
class Rate:
    """`cores` used on average over `window` seconds, until `at` (Unix seconds)."""

    cores: float
    memory: int
    window: float
    at: float


class Rates:
    """Samples of each container; `clock` is monotonic, `now` the time of day."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._clock, self._now = clock, now
        self._samples: dict[Hashable, deque[tuple[float, Used]]] = {}

    def sample(self, used: dict[Hashable, Used]) -> None:
        """One look at everything that runs; what is not in it has ended."""
        at = self._clock()
        self._samples = {key: self._samples.get(key, deque()) for key in used}
        for key, one in used.items():
            samples = self._samples[key]
            if samples and one.cpu < samples[-1][1].cpu:
                samples.clear()  # started again
            samples.append((at, one))
            while len(samples) > 2 and at - samples[0][0] > WINDOW:
                samples.popleft()

    def rate(self, key: Hashable) -> Rate | None:
        """None until there are two samples."""
        samples = self._samples.get(key, deque())
        if len(samples) < 2:
            return None
        (began, first), (ended, last) = samples[0], samples[-1]
        return Rate((last.cpu - first.cpu) / (ended - began), last.memory, ended - began, self._now())
