"""The numbers about canaries that `/metrics` shows, under Flagger's names; exposition and counters over time live elsewhere."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.canary.transitions import ANALYSING, Phase


@dataclass(frozen=True)
class Gauge:
    """One sample: Flagger's metric name, labels, value."""

    name: str
    labels: Mapping[str, str] = field(hash=False)
    value: float


def gauges(canaries: Iterable[Mapping[str, Any]]) -> tuple[Gauge, ...]:
    """From raw Canaries. As in Flagger `name` is the target's, and status is 0 while it progresses, 2 when failed, 1 otherwise; unlike
    there a canary that is gone leaves no sample behind, and the weight is always what is routed."""
    docs = list(canaries)
    counts = Counter(str(doc["metadata"]["namespace"]) for doc in docs)
    found = [Gauge("flagger_canary_total", {"namespace": namespace}, float(count)) for namespace, count in sorted(counts.items())]
    for doc in docs:
        found += _of(doc)
    return tuple(found)


def _of(doc: Mapping[str, Any]) -> list[Gauge]:
    status, namespace = doc.get("status") or {}, str(doc["metadata"]["namespace"])
    target = str(((doc.get("spec") or {}).get("targetRef") or {}).get("name") or doc["metadata"]["name"])
    phase, weight = status.get("phase"), float(status.get("canaryWeight") or 0)
    state = 0.0 if phase in ANALYSING else 2.0 if phase == Phase.FAILED else 1.0
    return [
        Gauge("flagger_canary_status", {"name": target, "namespace": namespace}, state),
        Gauge("flagger_canary_weight", {"workload": target, "namespace": namespace}, weight),
        Gauge("flagger_canary_weight", {"workload": f"{target}-primary", "namespace": namespace}, 100.0 - weight),
    ]
