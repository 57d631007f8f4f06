"""The numbers about canaries that `/metrics` shows, under Flagger's names; exposition and counters over time live elsewhere."""

import re
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


def number(text: str) -> float | None:
    """A check's value as it is printed (`62.50%`, `2.415s`, `995ms`, `0.4`): percent, milliseconds, or the bare number; None is none."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(%|ms|s|)", text.strip())
    return float(found[1]) * (1000.0 if found[2] == "s" else 1.0) if found else None


def _of(doc: Mapping[str, Any]) -> list[Gauge]:
    status, namespace = doc.get("status") or {}, str(doc["metadata"]["namespace"])
    target = str(((doc.get("spec") or {}).get("targetRef") or {}).get("name") or doc["metadata"]["name"])
    phase, weight = status.get("phase"), float(status.get("canaryWeight") or 0)
    state = 0.0 if phase in ANALYSING else 2.0 if phase == Phase.FAILED else 1.0
    checks = ((status.get("run") or {}).get("checks") or {}).items()
    measured = [
        Gauge("flagger_canary_metric_analysis", {"name": target, "namespace": namespace, "metric": check}, value)
        for check, one in sorted(checks)
        if (value := number(str(one.get("value", "")))) is not None
    ]
    return [
        *measured,
        Gauge("flagger_canary_status", {"name": target, "namespace": namespace}, state),
        Gauge("flagger_canary_weight", {"workload": target, "namespace": namespace}, weight),
        Gauge("flagger_canary_weight", {"workload": f"{target}-primary", "namespace": namespace}, 100.0 - weight),
    ]
