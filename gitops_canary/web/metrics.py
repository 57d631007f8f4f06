"""Samples as Prometheus text; which there are is the callers' business."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector


@dataclass(frozen=True)
class Sample:
    """One value of one metric; `name` as it is to be read (counters with `_total`)."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    help: str = ""
    kind: Literal["gauge", "counter"] = "gauge"


Samples = Callable[[], Iterable[Sample | Metric]]
"""Asked at every scrape, from the web server's thread; whole prometheus-client metrics (histograms) are passed on."""


class Exposition:
    """A registry of its own, so that two operators in one process never share figures."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, samples: Samples) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Ours(samples))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Ours(Collector):
    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def describe(self) -> Iterator[Metric]:
        """Nothing at registration: otherwise the samples would be asked before there are any."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for one in self._samples():
            if isinstance(one, Metric):
                yield one
                continue
            base = one.name.removesuffix("_total") if one.kind == "counter" else one.name
            family = families.setdefault(base, Metric(base, one.help, one.kind))
            family.add_sample(one.name, dict(one.labels), one.value)
        yield from families.values()
