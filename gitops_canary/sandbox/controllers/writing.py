"""Writes that controllers share: names, owners, status that is written only when it changed; no decisions."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gitops_canary.sandbox.kube import MERGE, ApiError, Kube

Doc = dict[str, Any]
PLURALS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
}


def path_of(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    return "/".join(part for part in (PLURALS[kind].format(namespace), name, subresource) if part)


def owner_of(doc: Mapping[str, Any], kind: str, api_version: str) -> Doc:
    """A controller reference to that object."""
    meta = doc["metadata"]
    return {
        "apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def controller_uid(doc: Mapping[str, Any]) -> str:
    owners = doc["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def template_hash(template: Mapping[str, Any]) -> str:
    """Ten letters that name a pod template."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return not pod["metadata"].get("deletionTimestamp") and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def ready_since(pod: Mapping[str, Any]) -> datetime:
    """Of a ready pod."""
    condition = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    return datetime.fromisoformat(str(condition["lastTransitionTime"]).replace("Z", "+00:00"))


def fraction(value: Any, of: int, *, up: bool) -> int:
    """`25%` or a number; percentages are rounded up for surge and down for unavailable, as Kubernetes does."""
    if isinstance(value, str) and value.endswith("%"):
        part = of * int(value[:-1])
        return -(-part // 100) if up else part // 100
    return int(value or 0)


async def write_status(kube: Kube, kind: str, doc: Mapping[str, Any], status: Doc) -> bool:
    """Whether it was written: only when it differs; a conflict or an object that went is left to the next look."""
    if {key: value for key, value in (doc.get("status") or {}).items() if key in status} == status and set(doc.get("status") or {}) <= set(
        status
    ):
        return False
    meta = doc["metadata"]
    gone = {key: None for key in doc.get("status") or {} if key not in status}
    patch = {"status": {**status, **gone}, "metadata": {"resourceVersion": meta["resourceVersion"]}}
    return await quietly(kube, "PATCH", path_of(kind, meta["namespace"], meta["name"], "status"), patch, MERGE) is not None


async def quietly(kube: Kube, method: str, path: str, body: Any = None, content: str = "application/json") -> Doc | None:
    """A write whose refusal by a newer state is no news: the watch brings that state."""
    try:
        return await kube.request(method, path, body, content)
    except ApiError as error:
        if error.status in (404, 409):
            return None
        raise
