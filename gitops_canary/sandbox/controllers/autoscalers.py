"""HorizontalPodAutoscalers as far as a sandbox has them: a target below its minimum is raised, one at zero is left alone, status is told.

No metrics are looked at, so nothing is ever scaled by load.
"""

from typing import Any

from gitops_canary.sandbox.controllers.writing import path_of, quietly, write_status
from gitops_canary.sandbox.kube import MERGE, Kube

Doc = dict[str, Any]


async def sync_autoscaler(kube: Kube, doc: Doc, target: Doc | None) -> None:
    """`target` is the Deployment it names, None when there is none."""
    namespace = doc["metadata"]["namespace"]
    if target is None:
        return
    replicas, least, most = int(target["spec"]["replicas"]), int(doc["spec"].get("minReplicas", 1)), int(doc["spec"]["maxReplicas"])
    wanted = 0 if replicas == 0 else min(max(replicas, least), most)
    if wanted != replicas:
        path = path_of("Deployment", namespace, target["metadata"]["name"], "scale")
        await quietly(kube, "PATCH", path, {"spec": {"replicas": wanted}}, MERGE)
    status = {"currentReplicas": replicas, "desiredReplicas": wanted}
    await write_status(kube, "HorizontalPodAutoscaler", doc, status)
