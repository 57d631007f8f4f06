"""Samples in memory, a few minutes of them; how they are read (newest, range, stale markers) follows Prometheus 2."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gitops_canary.sandbox.promql.syntax import Matcher, Selector

LOOKBACK_MS = 300_000
"""Prometheus' default: a newest sample older than this is none."""
MAX_SERIES = 200_000

Labels = tuple[tuple[str, str], ...]
"""Sorted pairs, `__name__` among them."""


@dataclass
class Series:
    """One series' samples in order of time; a value of None marks the moment it went stale."""

    labels: Labels
    times: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def append(self, at: int, value: float | None) -> None:
        """Later than all before it, or it is dropped, as Prometheus drops out-of-order samples."""
        if not self.times or at > self.times[-1]:
            self.times.append(at)
            self.values.append(value)

    def newest(self, at: int) -> float | None:
        """The newest sample at or before `at` (ms), unless stale or older than the lookback."""
        index = bisect_right(self.times, at) - 1
        return self.values[index] if index >= 0 and self.times[index] >= at - LOOKBACK_MS else None

    def between(self, start: int, end: int) -> list[tuple[int, float]]:
        """The samples from `start` to `end`, both included, without stale markers."""
        span = range(bisect_left(self.times, start), bisect_right(self.times, end))
        return [(self.times[index], value) for index in span if (value := self.values[index]) is not None]

    def forget(self, before: int) -> None:
        index = bisect_left(self.times, before)
        if index > 64:  # deleting from the front of a list costs its length, so not one by one
            del self.times[:index], self.values[:index]


class Storage:
    """All series, found by name and matchers. One thread writes and reads."""

    def __init__(self, retention_ms: int = 1_800_000) -> None:
        self._retention = retention_ms
        self._series: dict[Labels, Series] = {}
        self._names: dict[str, dict[Labels, Series]] = {}

    def __len__(self) -> int:
        return len(self._series)

    def add(self, labels: Labels, at: int, value: float | None) -> None:
        """`at` in milliseconds since the epoch; beyond MAX_SERIES new series are left out."""
        series = self._series.get(labels)
        if series is None:
            if value is None or len(self._series) >= MAX_SERIES:
                return
            series = self._series[labels] = Series(labels)
            self._names.setdefault(dict(labels).get("__name__", ""), {})[labels] = series
        series.append(at, value)

    def forget_old(self, now: int) -> None:
        """Drops samples beyond the retention, and series that have no newer ones."""
        for labels, series in list(self._series.items()):
            if series.times[-1] < now - self._retention:
                del self._series[labels]
                del self._names[dict(labels).get("__name__", "")][labels]
            else:
                series.forget(now - self._retention)

    def select(self, selector: Selector) -> Iterator[Series]:
        name = next((matcher.value for matcher in selector.matchers if matcher.label == "__name__" and matcher.operator == "="), None)
        candidates: Iterable[Series] = self._series.values() if name is None else self._names.get(name, {}).values()
        tests = [(matcher, re.compile(matcher.value) if matcher.operator.endswith("~") else None) for matcher in selector.matchers]
        for series in candidates:
            labels = dict(series.labels)
            if all(_matches(matcher, pattern, labels) for matcher, pattern in tests):
                yield series


def _matches(matcher: Matcher, pattern: re.Pattern[str] | None, labels: Mapping[str, str]) -> bool:
    """A missing label counts as an empty one."""
    value = labels.get(matcher.label, "")
    equal = value == matcher.value if pattern is None else pattern.fullmatch(value) is not None
    return equal != matcher.operator.startswith("!")
