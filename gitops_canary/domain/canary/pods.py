"""Why pods are not ready, in the kubelet's words: what a rollout's own status does not say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

LENGTH = 160
"""Characters of the kubelet's message that are kept: it ends up in a commit's subject."""


def trouble(pods: Iterable[Mapping[str, Any]]) -> str:
    """The newest unready pod's first reason: a container that waits or has ended, or a pod that nobody schedules; "" = none is known."""
    newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    return next((reason for pod in newest for reason in _reasons(pod.get("status") or {})), "")


def _reasons(status: Mapping[str, Any]) -> Iterator[str]:
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state, last = one.get("state") or {}, (one.get("lastState") or {}).get("terminated") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or last
        name = f"container {one.get('name')}"
        if waiting.get("reason") == "CrashLoopBackOff" or (ended and not one.get("ready") and one.get("restartCount")):
            code, times = ended.get("exitCode"), one.get("restartCount", 0)
            yield f"{name} crashes{'' if code is None else f' with exit code {code}'}, restarted {times} time{'' if times == 1 else 's'}"
        elif waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
            yield f"{name} cannot pull image {one.get('image')}: {waiting['reason']}"
        elif waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            yield f"{name} does not start: {_first_line(waiting)}"
    for one in status.get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            yield f"it cannot be scheduled: {_first_line(one)}"
    if not any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ()):
        for one in status.get("containerStatuses") or ():
            if "running" in (one.get("state") or {}) and not one.get("ready"):
                yield f"container {one.get('name')} runs and does not become ready"


def _first_line(of: Mapping[str, Any]) -> str:
    words = str(of.get("message") or "").strip().splitlines()
    return f"{of.get('reason')}: {words[0][:LENGTH]}" if words else str(of.get("reason"))
