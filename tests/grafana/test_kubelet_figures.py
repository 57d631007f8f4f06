"""CPU and memory panels on a real Prometheus that scrapes what a kubelet's cAdvisor writes: each finds its own pods, and nothing else."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from gitops_canary.sandbox.data import folder
from gitops_canary.sandbox.promql.real import RealPrometheus
from tests.adapters.peer import Asked, Peer, Reply

PATIENCE = 400
VARIABLES = {"$namespace": "test", "$primary": "frontend-primary", "$canary": "frontend"}
PODS = {
    "Primary": "frontend-primary-6d4cf56db6-qx7zt",
    "Canary": "frontend-5b8c9d7f44-2m8vk",
    "": "frontend-cache-7c9d5b8f66-j4k2p",
}
CONTAINERS = ("podinfo", "istio-proxy", "POD", "")
"""A pod's own container, its sidecar, its pause container, and the sum over all, which has no name."""
PANELS = {
    panel["title"]: panel["targets"][0]["expr"]
    for panel in json.loads((folder("deploy") / "grafana" / "canary.json").read_text())["panels"]
    if panel["title"].endswith("by pod")
}


def cadvisor(asked: Asked, number: int) -> Reply:
    """Each container has used half a core second more at each scrape."""
    labels = [
        f'{{namespace="{space}",pod="{pod}",container="{name}"}}'
        for space in ("test", "other")
        for pod in PODS.values()
        for name in CONTAINERS
    ]
    lines = [f"container_cpu_usage_seconds_total{one} {number / 2}\ncontainer_memory_working_set_bytes{one} 1048576\n" for one in labels]
    return Reply(200, "".join(lines).encode(), {"Content-Type": "text/plain; version=0.0.4"})


@pytest.fixture(scope="module")
def metrics(real_prometheus: None) -> Iterator[str]:
    with Peer(cadvisor) as kubelet:
        server = RealPrometheus([f"{kubelet.url}/metrics/cadvisor"], interval=0.2)
        server.start()
        try:
            server.wait_ready()
            yield server.url
        finally:
            server.stop()


def ask(url: str, query: str) -> list[Any]:
    """The answer, once two scrapes have made one."""
    for _ in range(PATIENCE):
        found: list[Any] = urllib3.PoolManager().request("GET", f"{url}/api/v1/query", fields={"query": query}).json()["data"]["result"]
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"{query} finds nothing")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_shows_its_own_pods_without_their_sidecars(metrics: str, panel: str) -> None:
    (found,) = ask(metrics, re.sub(r"\$\w+", lambda name: VARIABLES[name[0]], PANELS[panel]))
    assert found["metric"] == {"pod": PODS[panel.partition(":")[0]]}
    assert float(found["value"][1]) == 1048576 if "memory" in panel else float(found["value"][1]) > 0
