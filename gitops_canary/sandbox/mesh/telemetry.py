"""What a data plane measured, in Istio's metric names; the numbers come from the data planes, this file only names them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from gitops_canary.sandbox.mesh.identity import Source
from gitops_canary.sandbox.mesh.table import Destination

BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000)
"""Upper bounds in milliseconds: Istio's, which are Envoy's."""
LABELS = (
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "request_protocol",
)


@dataclass(frozen=True)
class Flow:
    """Requests of one source to one destination; only the source can report those that `reached` no pod."""

    source: Source
    destination: Destination
    reached: bool = True

    def labels(self) -> list[str]:
        to = self.destination
        reporter = "destination" if self.reached else "source"
        source = [self.source.workload, self.source.namespace]
        return [reporter, *source, to.workload, to.namespace, to.host, to.service, to.namespace, "http"]


@dataclass
class Durations:
    """A histogram: requests per bucket of BOUNDS (not cumulative; the last one is beyond all), and the sum in milliseconds."""

    buckets: list[float] = field(default_factory=lambda: [0.0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, milliseconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, milliseconds)] += 1
        self.total += milliseconds

    def cumulative(self) -> list[tuple[str, float]]:
        counts, running = [], 0.0
        for bound, count in zip((*map(_bound_text, BOUNDS), "+Inf"), self.buckets, strict=True):
            running += count
            counts.append((bound, running))
        return counts


EXPECTED_CODES = ("200", "500")
"""Shown as 0 from the start: a counter that first shows with its first error would hide that error from `rate`."""


@dataclass
class Reading:
    """All counters at one moment."""

    requests: dict[tuple[Flow, str], float] = field(default_factory=dict)
    durations: dict[Flow, Durations] = field(default_factory=dict)

    def record(self, flow: Flow, code: int, milliseconds: float) -> None:
        key = (flow, str(code))
        self.requests[key] = self.requests.get(key, 0.0) + 1
        self.durations.setdefault(flow, Durations()).observe(milliseconds)


def exposition(reading: Reading, gauges: Mapping[str, float] | None = None) -> bytes:
    """The text that Prometheus scrapes; `gauges` are facts about the mesh itself."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(_families(reading, gauges or {})))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(reading: Reading, gauges: Mapping[str, float]) -> Iterator[Metric]:
    requests = CounterMetricFamily("istio_requests", "Requests by source, destination and code.", labels=[*LABELS, "response_code"])
    flows = {flow for flow, _ in reading.requests if flow.reached}
    for (flow, code), count in ({(flow, code): 0.0 for flow in flows for code in EXPECTED_CODES} | reading.requests).items():
        requests.add_metric([*flow.labels(), code], count)
    yield requests
    durations = HistogramMetricFamily("istio_request_duration_milliseconds", "How long requests took.", labels=LABELS)
    for flow, measured in reading.durations.items():
        durations.add_metric(flow.labels(), measured.cumulative(), measured.total)
    yield durations
    for name, value in gauges.items():
        metric = Metric(name, name.replace("_", " "), "gauge")
        metric.add_sample(name, {}, value)
        yield metric


def _bound_text(bound: float) -> str:
    return f"{bound:g}" if bound < 100_000 else str(int(bound))
