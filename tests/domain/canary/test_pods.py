"""What the kubelet says of pods that are not ready, as one sentence."""

from typing import Any

import pytest

from gitops_canary.domain.canary.pods import trouble


def pod(container: dict[str, Any] | None = None, *, ready: str = "False", created: str = "2026-01-01T00:00:00Z", **conditions: str) -> Any:
    status: dict[str, Any] = {"conditions": [{"type": "Ready", "status": ready}]}
    if container is not None:
        status["containerStatuses"] = [{"name": "app", "image": "app:2", "ready": False, "restartCount": 0, **container}]
    return {"metadata": {"creationTimestamp": created}, "status": status}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


LOOPING = {**waiting("CrashLoopBackOff"), "restartCount": 3, "lastState": {"terminated": {"exitCode": 137}}}
CASES = {
    "an image that is missing": ([pod(waiting("ImagePullBackOff"))], "container app cannot pull image app:2: ImagePullBackOff"),
    "a crash loop": ([pod(LOOPING)], "container app crashes with exit code 137, restarted 3 times"),
    "a crash between two restarts": (
        [pod({"state": {"terminated": {"exitCode": 1}}, "restartCount": 1})],
        "container app crashes with exit code 1, restarted 1 time",
    ),
    "a config that is missing": (
        [pod(waiting("CreateContainerConfigError", 'configmap "app" not found\nmore'))],
        'container app does not start: CreateContainerConfigError: configmap "app" not found',
    ),
    "a probe that fails": ([pod({"state": {"running": {}}})], "container app runs and does not become ready"),
    "a container that is being made": ([pod(waiting("ContainerCreating"))], ""),
    "a pod that is ready": ([pod({"state": {"running": {}}, "ready": True}, ready="True")], ""),
    "no pods": ([], ""),
    "the newest counts": (
        [pod(LOOPING), pod(waiting("ErrImagePull"), created="2026-01-02T00:00:00Z")],
        "container app cannot pull image app:2: ErrImagePull",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_reason_is_the_kubelets(name: str) -> None:
    pods, sentence = CASES[name]
    assert trouble(pods) == sentence


def test_a_pod_that_nobody_schedules_says_why() -> None:
    status = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no memory"}]}
    assert trouble([{"metadata": {}, "status": status}]) == "it cannot be scheduled: Unschedulable: 0/3 nodes: no memory"
