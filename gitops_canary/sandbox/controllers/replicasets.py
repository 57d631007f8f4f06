"""ReplicaSets: as many pods as they want, made, counted and ended."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.controllers.pods import OwnedPods, PodsOf, alive
from gitops_canary.sandbox.controllers.writing import ready, ready_since, write_status
from gitops_canary.sandbox.kube import ApiError, Kube
from gitops_canary.sandbox.telling import Recorder

Doc = dict[str, Any]


class ReplicaSets:
    """A pod is available when it has been ready for `minReadySeconds`."""

    def __init__(self, kube: Kube, pods_of: PodsOf, again: Callable[[tuple[str, str], float], None], recorder: Recorder) -> None:
        self._kube, self._again = kube, again
        self._pods = OwnedPods(kube, pods_of, recorder, "ReplicaSet", "apps/v1")

    async def sync(self, doc: Doc) -> None:
        pods = self._pods.of(doc)
        if pods is None:
            return
        living = [pod for pod in pods if alive(pod)]
        missing = int(doc["spec"]["replicas"]) - len(living)
        if doc["metadata"].get("deletionTimestamp"):
            missing = 0
        refused = await self._fill(doc, missing)
        # Those that serve least go first.
        for pod in sorted(living, key=lambda one: (ready(one), one["metadata"]["creationTimestamp"]))[: max(0, -missing)]:
            await self._pods.end(doc, pod)
        await self._report(doc, living, refused)
        if refused is not None:
            raise refused

    async def _report(self, doc: Doc, living: Sequence[Doc], refused: ApiError | None) -> None:
        status = {"observedGeneration": doc["metadata"]["generation"], "replicas": len(living)}
        good = sum(ready(pod) for pod in living)
        if good:
            status |= {"readyReplicas": good, "fullyLabeledReplicas": len(living)}
        available = self._available(doc, living)
        if available:
            status["availableReplicas"] = available
        if refused is not None:
            status["conditions"] = [_failure(doc, refused)]
        await write_status(self._kube, "ReplicaSet", doc, status)

    async def _fill(self, doc: Doc, missing: int) -> ApiError | None:
        """The refusal of a pod that may not be, by the namespace's Pod Security for one; it is tried again later."""
        try:
            for _ in range(missing):
                await self._pods.make(doc)
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


def _failure(doc: Doc, refused: ApiError) -> Doc:
    found = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused.message}
    old: Doc = next(iter((doc.get("status") or {}).get("conditions") or ()), {})
    if old.get("reason") == found["reason"]:
        # Every try makes another name; the first refusal says it all.
        return dict(old)
    return {**found, "lastTransitionTime": stamp(datetime.now(UTC))}
