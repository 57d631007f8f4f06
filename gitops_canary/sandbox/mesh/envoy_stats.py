"""Envoy's own numbers (`/stats/prometheus`) read as flows: one cluster is one destination, so its codes and times are the destination's."""

import re
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from gitops_canary.sandbox.mesh.identity import Source
from gitops_canary.sandbox.mesh.table import Destination
from gitops_canary.sandbox.mesh.telemetry import BOUNDS, Durations, Flow, Reading

FILTER = r"^cluster\.d[0-9]+\.(upstream_rq_[0-9]+|upstream_rq_time|upstream_cx_none_healthy)$"
"""The `filter` parameter that gets just these."""
CODES = "envoy_cluster_upstream_rq"
NONE_HEALTHY = "envoy_cluster_upstream_cx_none_healthy"
TIMES = "envoy_cluster_upstream_rq_time"


def read_stats(text: str, destinations: Mapping[str, Destination]) -> Reading:
    """`destinations` by cluster name; clusters that it lacks are left out. Envoy does not know who asked: every source is unknown.

    The 503 of a cluster without healthy pods is Envoy's own answer, which in Istio only the source reports."""
    codes: dict[tuple[str, str], float] = {}
    refused: dict[str, float] = {}
    times: dict[str, Durations] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            cluster = sample.labels.get("envoy_cluster_name", "")
            if cluster not in destinations:
                continue
            name = sample.name.removesuffix("_total")
            if name == CODES and (code := sample.labels.get("envoy_response_code")):
                codes[cluster, code] = sample.value
            elif name == NONE_HEALTHY:
                refused[cluster] = sample.value
            elif sample.name.startswith(TIMES):
                _collect(times.setdefault(cluster, Durations()), sample.name, sample.labels.get("le", ""), sample.value)
    return _reading(codes, refused, times, destinations)


def _reading(
    codes: Mapping[tuple[str, str], float], refused: Mapping[str, float], times: Mapping[str, Durations], names: Mapping[str, Destination]
) -> Reading:
    reading = Reading()
    for (cluster, code), count in codes.items():
        unserved = min(refused.get(cluster, 0.0), count) if code == "503" else 0.0
        if unserved:
            reading.requests[Flow(Source(), names[cluster], reached=False), code] = unserved
        if count > unserved:
            reading.requests[Flow(Source(), names[cluster]), code] = count - unserved
    for cluster, durations in times.items():
        if any(durations.buckets):
            reading.durations[Flow(Source(), names[cluster])] = _per_bucket(durations)
    return reading


def _collect(durations: Durations, name: str, bound: str, value: float) -> None:
    if name.endswith("_bucket"):
        place = len(BOUNDS) if bound == "+Inf" else next((index for index, known in enumerate(BOUNDS) if float(bound) == known), None)
        if place is not None:
            durations.buckets[place] = value
    elif name.endswith("_sum"):
        durations.total = value


def _per_bucket(cumulative: Durations) -> Durations:
    """Envoy's buckets are cumulative; ours count each bucket for itself."""
    counts = cumulative.buckets
    return Durations([after - before for before, after in zip([0.0, *counts], counts, strict=False)], cumulative.total)


def version_of(text: str) -> dict[str, str]:
    """The `version_text` stats of `/stats` (text format), by the stat's name."""
    return dict(re.findall(r'^(\S+)\.version_text: "(.*)"$', text, re.MULTILINE))
