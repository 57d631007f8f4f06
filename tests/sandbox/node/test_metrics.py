"""The metrics API on a real control plane and on the sandbox's own: `kubectl top`, and autoscalers that follow the CPU of pods."""

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_canary.sandbox.node.usage import Meter, Rates, Used, by_session
from gitops_canary.sandbox.world import Shape, World

pytestmark = pytest.mark.tools("kubectl")
PATIENCE = 60.0
BUSY = "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 0.05; done"
"""A fifth of a core or so."""
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.control_plane)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world"), Shape(control_plane=request.param, proxy="python", metrics="embedded")) as made:
        made.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "top"}}, manager="test")
        made.cluster.apply(deployment("busy", ["sh", "-c", BUSY]), manager="test")
        made.cluster.apply(deployment("calm", ["sleep", "600"]), manager="test")
        yield made


@pytest.fixture
def kubectl(world: World) -> Kubectl:
    program = str(world.plane.kubectl if world.plane is not None else shutil.which("kubectl"))

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [program, "--kubeconfig", str(world.kubeconfig), "-n", "top", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


def deployment(name: str, command: list[str]) -> dict[str, Any]:
    container = {"name": "main", "image": "curlimages/curl:8.10.1", "command": command, "resources": {"requests": {"cpu": "50m"}}}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "top"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


def waited(ask: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"
        threading.Event().wait(0.2)
    return found


def cores(text: str) -> dict[str, int]:
    """Thousandths of a core by app, from kubectl's table."""
    rows = [line.split() for line in text.splitlines()]
    return {name.partition("-")[0]: int(cpu.removesuffix("m")) for name, cpu, *_ in rows if cpu.endswith("m")}


def test_kubectl_top_shows_what_pods_and_node_use(kubectl: Kubectl) -> None:
    def busy() -> dict[str, int]:
        found = cores(kubectl("top", "pods", "--no-headers").stdout)
        return found if {"busy", "calm"} <= found.keys() and found["busy"] > 20 else {}

    found = waited(busy, "both pods in kubectl top")
    assert found["calm"] < 5
    assert set(cores(kubectl("top", "pods", "-l", "app=calm", "--no-headers").stdout)) == {"calm"}
    node = kubectl("top", "nodes", "--no-headers")
    assert cores(node.stdout).keys() == {"sandbox"}, node.stderr


def test_the_metrics_api_refuses_what_it_does_not_know(kubectl: Kubectl) -> None:
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/top/pods"
    waited(lambda: kubectl("get", "--raw", path).returncode == 0, "the metrics API")
    assert "podmetrics.metrics.k8s.io" in kubectl("get", "--raw", f"{path}/nobody").stderr
    assert kubectl("get", "--raw", f"{path}?labelSelector=a%20b%20c").returncode != 0
    assert "'fieldSelector' is not supported" in kubectl("get", "--raw", f"{path}?fieldSelector=spec.x%3Dy").stderr


def test_the_autoscaler_follows_the_cpu_of_pods(world: World, kubectl: Kubectl) -> None:
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 30}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment"}
    for name in ("busy", "calm"):
        scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name, "namespace": "top"}}
        scaler["spec"] = {"scaleTargetRef": {**target, "name": name}, "minReplicas": 1, "maxReplicas": 2, "metrics": [metric]}
        world.cluster.apply(scaler, manager="test")

    def seen(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(kubectl("get", "hpa", name, "-o", "json").stdout).get("status", {})
        return found

    waited(lambda: seen("busy").get("desiredReplicas") == 2, "the autoscaler to ask for two busy pods")
    waited(lambda: kubectl("get", "deployment", "busy", "-o", "jsonpath={.status.readyReplicas}").stdout == "2", "two busy pods")
    waited(lambda: seen("calm").get("currentMetrics"), "the calm pods' utilisation")
    assert seen("calm")["desiredReplicas"] == 1


def test_a_rate_is_what_was_used_within_the_window() -> None:
    at = [0.0]
    rates = Rates(clock=lambda: at[0], now=lambda: 1000.0)
    for second, cpu in ((0, 1.0), (2, 1.5), (20, 10.5), (22, 11.5)):
        at[0] = float(second)
        rates.sample({"a": Used(cpu, 4096)})
    found = rates.rate("a")
    assert found is not None
    assert (found.cores, found.memory, found.window) == (0.5, 4096, 2.0)
    rates.sample({"a": Used(0.1)})
    assert rates.rate("a") is None, "a container that was started again begins anew"
    rates.sample({})
    assert rates.rate("a") is None


def test_a_server_in_the_nodes_own_process_is_charged_its_own_steps_only() -> None:
    """Each works as much as the other; they take turns on one thread."""

    async def work(turns: int) -> int:
        for _ in range(turns):
            sum(range(20_000))
            await asyncio.sleep(0)
        return turns

    async def both() -> tuple[float, float]:
        one, other = Meter(), Meter()
        assert list(await asyncio.gather(one.run(work(150)), other.run(work(50)))) == [150, 50]
        return one.cpu, other.cpu

    one, other = asyncio.run(both())
    assert one > other * 1.5


def test_processes_are_counted_by_their_session(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    script = f"i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; touch {mark}; exec sleep 60"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as process:
        waited(mark.exists, "the work to be done")
        used = by_session()[process.pid]
        process.kill()
    assert used.cpu > 0
    assert used.memory > 0
