"""What a kubelet tells about a pod in trouble: one warning Event per container, reason and sentence; pure."""

import hashlib

from gitops_canary.sandbox.kube import Doc
from gitops_canary.sandbox.node.status import CRASH_LOOP, ContainerStatus, Waiting

REASONS = {
    "ErrImagePull": "Failed",
    "ImagePullBackOff": "BackOff",
    CRASH_LOOP: "BackOff",
    "CreateContainerConfigError": "Failed",
}
"""A waiting reason and the Event's reason for it."""


def warning(pod: Doc, status: ContainerStatus, node: str, now: str) -> Doc | None:
    """The Event about what this container waits for; None when that is nothing to worry about. Equal sentences have equal names."""
    state = status.state
    if not isinstance(state, Waiting) or state.reason not in REASONS:
        return None
    metadata = pod["metadata"]
    key = hashlib.sha256(f"{metadata['uid']}/{status.name}/{state.reason}/{state.message}".encode()).hexdigest()[:16]
    about = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "fieldPath": f"spec.containers{{{status.name}}}",
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{key}", "namespace": metadata["namespace"]},
        "involvedObject": about,
        "type": "Warning",
        "reason": REASONS[state.reason],
        "message": state.message[:1000],
        "source": {"component": "kubelet", "host": node},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
