"""Which pods Prometheus shall scrape, as its http_sd document: those that ask for it by the usual annotations; pure."""

from collections.abc import Iterable
from typing import Any

from gitops_canary.sandbox.mesh.workloads import Doc, real_port, workload_of


def scrape_targets(pods: Iterable[Doc]) -> list[dict[str, Any]]:
    """One group per pod with `prometheus.io/scrape: "true"` that has an address; port and path by its annotations (9898, /metrics)."""
    return [
        _group(pod) for pod in pods if _annotations(pod).get("prometheus.io/scrape") == "true" and (pod.get("status") or {}).get("podIP")
    ]


def _group(pod: Doc) -> dict[str, Any]:
    metadata, wanted = pod["metadata"], _annotations(pod)
    port = wanted.get("prometheus.io/port", "9898")
    labels = {
        "__metrics_path__": wanted.get("prometheus.io/path", "/metrics"),
        "kubernetes_namespace": metadata["namespace"],
        "kubernetes_pod_name": metadata["name"],
        "kubernetes_workload": workload_of(pod),
    }
    return {"targets": [f"{pod['status']['podIP']}:{real_port(pod, int(port)) if port.isdigit() else port}"], "labels": labels}


def _annotations(pod: Doc) -> dict[str, str]:
    return pod["metadata"].get("annotations") or {}
