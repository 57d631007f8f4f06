"""`OwnedPods`: the pods of one controller's objects: made, ended and told of; how many there should be is not known here."""

import copy
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from gitops_canary.sandbox.controllers.writing import owner_of, path_of, quietly
from gitops_canary.sandbox.kube import ApiError, Kube
from gitops_canary.sandbox.telling import About, Recorder

Doc = dict[str, Any]
PodsOf = Callable[[str], list[Doc]]


class OwnedPods:
    """Of objects of `kind`. What was done a moment ago and the watch has not shown yet is remembered: no pod is made twice."""

    def __init__(self, kube: Kube, pods_of: PodsOf, recorder: Recorder, kind: str, api_version: str) -> None:
        self._kube, self._pods_of, self._recorder = kube, pods_of, recorder
        self._kind, self._api_version = kind, api_version
        self._made: dict[str, set[str]] = {}
        self._ended: dict[str, set[str]] = {}

    def of(self, owner: Doc) -> list[Doc] | None:
        """None while the cache does not show everything that was done."""
        uid = owner["metadata"]["uid"]
        pods = self._pods_of(uid)
        names = {pod["metadata"]["name"]: pod for pod in pods}
        made, ended = self._made.pop(uid, set()) - set(names), self._ended.pop(uid, set())
        ended = {name for name in ended if name in names and not names[name]["metadata"].get("deletionTimestamp")}
        if not made and not ended:
            return pods
        self._made[uid], self._ended[uid] = made, ended
        return None

    async def make(self, owner: Doc) -> None:
        """ApiError when the pod may not be."""
        meta = owner["metadata"]
        try:
            made = await quietly(self._kube, "POST", path_of("Pod", meta["namespace"]), pod_of(owner, self._kind, self._api_version))
        except ApiError as error:
            self._recorder.warn(self.about(owner), "FailedCreate", f"Error creating: {error.message}")
            raise
        if made is not None:
            self._made.setdefault(meta["uid"], set()).add(made["metadata"]["name"])
            self._recorder.tell(self.about(owner), "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    async def end(self, owner: Doc, pod: Doc) -> None:
        meta = pod["metadata"]
        self._ended.setdefault(owner["metadata"]["uid"], set()).add(meta["name"])
        if await quietly(self._kube, "DELETE", path_of("Pod", meta["namespace"], meta["name"]), {}) is not None:
            self._recorder.tell(self.about(owner), "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    def about(self, owner: Doc) -> About:
        return About.of(owner, self._kind, self._api_version)


def pod_of(doc: Mapping[str, Any], kind: str, api_version: str) -> Doc:
    """A new pod of an owner's template."""
    template = copy.deepcopy(doc["spec"]["template"])
    labels = {**(template.get("metadata", {}).get("labels") or {})}
    if kind == "Job":
        labels |= {"job-name": doc["metadata"]["name"], "batch.kubernetes.io/job-name": doc["metadata"]["name"]}
    meta = {
        "name": f"{doc['metadata']['name'][:56]}-{secrets.token_hex(3)[:5]}",
        "namespace": doc["metadata"]["namespace"],
        "labels": labels,
        "ownerReferences": [owner_of(doc, kind, api_version)],
    }
    annotations = template.get("metadata", {}).get("annotations")
    if annotations:
        meta["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def alive(pod: Mapping[str, Any]) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and phase(pod) not in ("Succeeded", "Failed")
