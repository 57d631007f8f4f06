"""What the node tells of its pods as Events, as a kubelet and a scheduler do."""

import json
import threading
import time
from collections.abc import Callable

from tests.sandbox.node.world import NAMESPACE, World, pod, podinfo

SECONDS = 30.0
WEB = {"httpGet": {"path": "/healthz", "port": 9898}, "periodSeconds": 1}
BROKEN = {**WEB, "httpGet": {"path": "/nowhere", "port": 9898}, "failureThreshold": 1}


def told(world: World, name: str, enough: Callable[[list[tuple[str, str]]], bool]) -> list[tuple[str, str]]:
    """Reasons and sentences about that pod, oldest first, as soon as they are enough."""
    end, pause = time.monotonic() + SECONDS, threading.Event()
    while True:
        listed = json.loads(world.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json").stdout)["items"]
        listed.sort(key=lambda one: one["metadata"]["name"].rpartition(".")[2])
        found = [(one["reason"], one["message"]) for one in listed]
        if enough(found):
            return found
        assert time.monotonic() < end, found
        pause.wait(0.1)


def saying(reason: str) -> Callable[[list[tuple[str, str]]], bool]:
    return lambda found: reason in [one for one, _ in found]


def test_a_pod_s_life_is_told_from_its_binding_to_its_end(world: World) -> None:
    world.apply(pod("told", {"containers": [podinfo("3.1.0")]}))
    world.wait("pod/told", "condition=Ready")
    world.kubectl("delete", "pod", "told")
    found = told(world, "told", saying("Killing"))
    assert [reason for reason, _ in found] == ["Scheduled", "Pulling", "Pulled", "Created", "Started", "Killing"]
    assert found[0][1].startswith(f"Successfully assigned {NAMESPACE}/told to ")
    assert found[-1][1] == "Stopping container podinfo"
    assert "Stopping container podinfo" in world.kubectl("get", "events").stdout.decode()


def test_a_probe_that_fails_is_told_with_its_cause(world: World) -> None:
    world.apply(pod("unready", {"containers": [podinfo("3.1.0", readinessProbe=BROKEN)]}))
    found = told(world, "unready", saying("Unhealthy"))
    assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404") in found
    world.kubectl("delete", "pod", "unready", "--now")


def test_a_container_that_is_ended_for_its_liveness_is_told_of(world: World) -> None:
    world.apply(pod("dead", {"containers": [podinfo("3.1.0", livenessProbe=BROKEN)]}))
    found = told(world, "dead", saying("Killing"))
    assert ("Killing", "Container podinfo failed liveness probe, will be restarted") in found
    assert ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 404") in found
    world.kubectl("delete", "pod", "dead", "--now")
