"""Values of a release: merged from their sources as the Helm Operator does, and hashed with the chart into the release's inputs."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gitops_canary.domain.helmrelease import HelmReleaseSpec

DEPTH_LIMIT = 64


def merge_values(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Later sources win; maps are merged deep, everything else (lists too) is replaced. ValueError when nested absurdly deep."""
    merged: dict[str, Any] = {}
    for source in sources:
        merged = _merge(merged, source, DEPTH_LIMIT)
    return merged


def _merge(under: Mapping[str, Any], over: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth == 0:
        raise ValueError(f"values are nested more than {DEPTH_LIMIT} deep")
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[str(key)] = _merge(below if isinstance(below, Mapping) else {}, value, depth - 1) if isinstance(value, Mapping) else value
    return merged


def inputs_of(spec: HelmReleaseSpec, chart_id: str, values: Mapping[str, Any]) -> str:
    """`sha256:…` of everything that decides what Helm makes; equal inputs are never upgraded twice. Time limits are not in it."""
    parts = {
        "chart": chart_id,
        "values": values,
        "release": [spec.target_namespace, spec.release],
        "rules": [spec.reset_values, spec.force, spec.skip_crds],
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
