"""Counters and histograms of what happens, under Flagger's names where it has one; gauges of the present lie in `status.py`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from prometheus_client import Counter, Histogram, Metric

from gitops_canary.domain.results import Outcome

CANARY = ("name", "namespace")
OUTCOMES = (*CANARY, "outcome")
ANALYSIS = (*CANARY, "deployment_strategy", "analysis_status")
RUN_BUCKETS = (15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""Seconds that a run may take."""


class PrometheusFigures:
    """Implements `ports.Figures`; one a process, in no global registry.

    Every counter stands at 0 before it counts: Prometheus takes a series that begins at 1 for no increase, and the first rollback would
    be on no dashboard and in no alert."""

    def __init__(self) -> None:
        self._ticks = Histogram("flagger_canary_duration_seconds", "Seconds of one look at a canary.", CANARY, registry=None)
        self._successes = Counter("flagger_canary_successes_total", "Runs that were promoted.", ANALYSIS, registry=None)
        self._failures = Counter("flagger_canary_failures_total", "Runs that were rolled back or aborted.", ANALYSIS, registry=None)
        self._runs = Counter("gitops_canary_runs_total", "Runs by outcome.", OUTCOMES, registry=None)
        self._lengths = Histogram(
            "gitops_canary_run_duration_seconds", "Seconds from a run's start to its end.", OUTCOMES, buckets=RUN_BUCKETS, registry=None
        )
        self._bumps = Counter("gitops_canary_bumps_total", "Tags that were committed.", ("image",), registry=None)
        self._begun: set[tuple[str, str]] = set()

    def tick(self, namespace: str, name: str) -> AbstractContextManager[None]:
        if (namespace, name) not in self._begun:
            self._begun.add((namespace, name))
            self._begin(namespace, name)
        timer: AbstractContextManager[None] = self._ticks.labels(name, namespace).time()
        return timer

    def _begin(self, namespace: str, name: str) -> None:
        for outcome in Outcome:
            self._runs.labels(name, namespace, outcome.value)
        for judged in (Outcome.PROMOTED, Outcome.ROLLED_BACK):
            self._lengths.labels(name, namespace, judged.value)
        for counter in (self._successes, self._failures):
            counter.labels(name, namespace, "canary", "completed")

    def ended(self, namespace: str, name: str, outcome: str, *, skipped: bool, seconds: float) -> None:
        self._runs.labels(name, namespace, outcome).inc()
        self._lengths.labels(name, namespace, outcome).observe(seconds)
        counter = self._successes if outcome == "promoted" else self._failures if outcome in ("rolled-back", "aborted") else None
        if counter is not None:
            counter.labels(name, namespace, "canary", "skipped" if skipped else "completed").inc()

    def scanned(self, image: str) -> None:
        self._bumps.labels(image)

    def bumped(self, image: str) -> None:
        self._bumps.labels(image).inc()

    def samples(self) -> Iterator[Metric]:
        for one in (self._ticks, self._successes, self._failures, self._runs, self._lengths, self._bumps):
            yield from one.collect()
