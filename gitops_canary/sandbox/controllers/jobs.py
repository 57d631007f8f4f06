"""Jobs: pods that run to their end, as many at once as allowed, tried again up to backoffLimit, and none while suspended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.controllers.pods import OwnedPods, PodsOf, alive, phase
from gitops_canary.sandbox.controllers.writing import ready, write_status
from gitops_canary.sandbox.kube import Kube
from gitops_canary.sandbox.telling import Recorder

Doc = dict[str, Any]
NEWS = {
    "JobSuspended": ("Suspended", "Job suspended"),
    "JobResumed": ("Resumed", "Job resumed"),
    "CompletionsReached": ("Completed", "Job completed"),
}
"""By a new condition's reason: as what it is told. Others are told in their own words."""


class Jobs:
    """`sync` is called at every change of a Job or its pods."""

    def __init__(self, kube: Kube, pods_of: PodsOf, recorder: Recorder) -> None:
        self._kube, self._recorder = kube, recorder
        self._pods = OwnedPods(kube, pods_of, recorder, "Job", "batch/v1")

    async def sync(self, doc: Doc) -> None:
        pods = self._pods.of(doc)
        if _finished(doc) or doc["metadata"].get("deletionTimestamp") or pods is None:
            return
        spec = doc["spec"]
        good = sum(phase(pod) == "Succeeded" for pod in pods)
        bad = sum(phase(pod) == "Failed" for pod in pods)
        active = len(pods) - good - bad
        wanted = int(spec.get("completions") or 1)
        failed = bad > int(spec.get("backoffLimit", 6))
        if spec.get("suspend"):
            for pod in filter(alive, pods):
                await self._pods.end(doc, pod)
        elif good < wanted and not failed:
            for _ in range(min(int(spec.get("parallelism", 1)), wanted - good) - active):
                await self._pods.make(doc)
        now = stamp(datetime.now(UTC))
        status: Doc = {"ready": sum(ready(pod) for pod in pods)}
        status |= {key: value for key, value in (("active", active), ("succeeded", good), ("failed", bad)) if value}
        status |= _begun(doc, now)
        if good >= wanted:
            status["completionTime"] = now
        news = [*status.get("conditions", ()), *_ends(good >= wanted, failed, now)]
        if news:
            status["conditions"] = news
        if await write_status(self._kube, "Job", doc, status):
            self._tell(doc, [one for one in news if one not in ((doc.get("status") or {}).get("conditions") or ())])

    def _tell(self, doc: Doc, news: Sequence[Doc]) -> None:
        """Once it stands in the status, so that nothing is told of an older state."""
        for one in news:
            say = self._recorder.warn if one["type"] == "Failed" else self._recorder.tell
            say(self._pods.about(doc), *NEWS.get(one["reason"], (one["reason"], one["message"])))


def _begun(doc: Doc, now: str) -> Doc:
    """Since when it runs, which begins anew after a suspension, and whether it is suspended."""
    old = doc.get("status") or {}
    before = next((one for one in old.get("conditions") or () if one["type"] == "Suspended"), None)
    if doc["spec"].get("suspend"):
        if before is None or before["status"] == "False":
            before = _condition("Suspended", "True", "JobSuspended", "Job suspended", now)
        return {"conditions": [before]}
    if before is None:
        return {"startTime": old.get("startTime") or now}
    if before["status"] == "True":
        return {"startTime": now, "conditions": [_condition("Suspended", "False", "JobResumed", "Job resumed", now)]}
    return {"startTime": old.get("startTime") or now, "conditions": [before]}


def _ends(complete: bool, failed: bool, now: str) -> list[Doc]:
    if complete:
        return [_condition("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods", now)]
    if failed:
        return [_condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit", now)]
    return []


def _finished(doc: Doc) -> bool:
    conditions = (doc.get("status") or {}).get("conditions") or ()
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)


def _condition(type_: str, status: str, reason: str, message: str, now: str) -> Doc:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastProbeTime": now, "lastTransitionTime": now}
