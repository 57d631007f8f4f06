"""ReplicaSets and Jobs: the pods they own, made, counted and ended."""

import copy
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gitops_canary.sandbox.controllers.writing import owner_of, path_of, quietly, ready, ready_since, write_status
from gitops_canary.sandbox.kube import ApiError, Kube

Doc = dict[str, Any]
PodsOf = Callable[[str], list[Doc]]


class Expected:
    """Pods that were made or ended a moment ago and that the watch has not shown yet, so that none is made twice."""

    def __init__(self) -> None:
        self._made: dict[str, set[str]] = {}
        self._ended: dict[str, set[str]] = {}

    def made(self, owner: str, name: str) -> None:
        self._made.setdefault(owner, set()).add(name)

    def ended(self, owner: str, name: str) -> None:
        self._ended.setdefault(owner, set()).add(name)

    def settled(self, owner: str, pods: list[Doc]) -> bool:
        """Whether the cache shows everything that was done."""
        names = {pod["metadata"]["name"]: pod for pod in pods}
        made, ended = self._made.get(owner, set()), self._ended.get(owner, set())
        self._made[owner] = made - set(names)
        self._ended[owner] = {name for name in ended if name in names and not names[name]["metadata"].get("deletionTimestamp")}
        return not self._made[owner] and not self._ended[owner]


class ReplicaSets:
    """A pod is available when it has been ready for `minReadySeconds`."""

    def __init__(self, kube: Kube, pods_of: PodsOf, again: Callable[[tuple[str, str], float], None]) -> None:
        self._kube, self._pods_of, self._again, self._expected = kube, pods_of, again, Expected()

    async def sync(self, doc: Doc) -> None:
        uid = doc["metadata"]["uid"]
        pods = self._pods_of(uid)
        if not self._expected.settled(uid, pods):
            return
        alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and _phase(pod) not in ("Succeeded", "Failed")]
        missing = int(doc["spec"]["replicas"]) - len(alive)
        if doc["metadata"].get("deletionTimestamp"):
            missing = 0
        refused = await self._fill(doc, missing)
        # Those that serve least go first.
        for pod in sorted(alive, key=lambda one: (ready(one), one["metadata"]["creationTimestamp"]))[: max(0, -missing)]:
            name = pod["metadata"]["name"]
            self._expected.ended(uid, name)
            await quietly(self._kube, "DELETE", path_of("Pod", pod["metadata"]["namespace"], name), {})
        good = sum(ready(pod) for pod in alive)
        status = {"observedGeneration": doc["metadata"]["generation"], "replicas": len(alive)}
        if good:
            status |= {"readyReplicas": good, "fullyLabeledReplicas": len(alive)}
        available = self._available(doc, alive)
        if available:
            status["availableReplicas"] = available
        if refused is not None:
            status["conditions"] = [_failure(doc, refused)]
        await write_status(self._kube, "ReplicaSet", doc, status)
        if refused is not None:
            raise refused

    async def _fill(self, doc: Doc, missing: int) -> ApiError | None:
        """The refusal of a pod that may not be, by the namespace's Pod Security for one; it is tried again later."""
        try:
            for _ in range(missing):
                await self._make(doc)
        except ApiError as error:
            if error.status != 403:
                raise
            return error
        return None

    def _available(self, doc: Doc, pods: Sequence[Doc]) -> int:
        """How many are; while one is not yet, the count is made again when it may be."""
        least = float(doc["spec"].get("minReadySeconds", 0))
        if not least:
            return sum(ready(pod) for pod in pods)
        now = datetime.now(UTC)
        left = [least - (now - ready_since(pod)).total_seconds() for pod in pods if ready(pod)]
        waits = [seconds for seconds in left if seconds > 0]
        if waits:
            self._again((doc["metadata"]["namespace"], doc["metadata"]["name"]), min(waits) + 0.05)
        return len(left) - len(waits)

    async def _make(self, doc: Doc) -> None:
        pod = pod_of(doc, "ReplicaSet", "apps/v1")
        made = await quietly(self._kube, "POST", path_of("Pod", doc["metadata"]["namespace"]), pod)
        if made is not None:
            self._expected.made(doc["metadata"]["uid"], made["metadata"]["name"])


class Jobs:
    """Jobs whose pods run to their end: one after the other, tried again up to backoffLimit."""

    def __init__(self, kube: Kube, pods_of: PodsOf) -> None:
        self._kube, self._pods_of, self._expected = kube, pods_of, Expected()

    async def sync(self, doc: Doc) -> None:
        uid, spec = doc["metadata"]["uid"], doc["spec"]
        pods = self._pods_of(uid)
        finished = any(one["status"] == "True" for one in (doc.get("status") or {}).get("conditions") or ())
        if finished or doc["metadata"].get("deletionTimestamp") or not self._expected.settled(uid, pods):
            return
        good = sum(_phase(pod) == "Succeeded" for pod in pods)
        bad = sum(_phase(pod) == "Failed" for pod in pods)
        active = len(pods) - good - bad
        wanted = int(spec.get("completions") or 1)
        failed = bad > int(spec.get("backoffLimit", 6))
        if good < wanted and not failed and not spec.get("suspend"):
            for _ in range(min(int(spec.get("parallelism", 1)), wanted - good) - active):
                await self._make(doc)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status: Doc = {"startTime": (doc.get("status") or {}).get("startTime") or now, "ready": sum(ready(pod) for pod in pods)}
        status |= {key: value for key, value in (("active", active), ("succeeded", good), ("failed", bad)) if value}
        if good >= wanted:
            status["completionTime"] = now
            status["conditions"] = [_done("Complete", "CompletionsReached", "Reached expected number of succeeded pods", now)]
        elif failed:
            status["conditions"] = [_done("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit", now)]
        await write_status(self._kube, "Job", doc, status)

    async def _make(self, doc: Doc) -> None:
        made = await quietly(self._kube, "POST", path_of("Pod", doc["metadata"]["namespace"]), pod_of(doc, "Job", "batch/v1"))
        if made is not None:
            self._expected.made(doc["metadata"]["uid"], made["metadata"]["name"])


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


def _failure(doc: Doc, refused: ApiError) -> Doc:
    found = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused.message}
    old: Doc = next(iter((doc.get("status") or {}).get("conditions") or ()), {})
    if old.get("reason") == found["reason"]:
        # Every try makes another name; the first refusal says it all.
        return dict(old)
    return {**found, "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _done(type_: str, reason: str, message: str, now: str) -> Doc:
    return {"type": type_, "status": "True", "reason": reason, "message": message, "lastProbeTime": now, "lastTransitionTime": now}
