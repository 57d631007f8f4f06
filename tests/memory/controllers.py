"""Deployments and ReplicaSets of the memory cluster as their controllers would write them, one deterministic step at a time."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.ports import Moment
from tests.memory.cluster import MemoryCluster


@dataclass
class Controllers:
    """`never_ready`: images (`name:tag`, or `deployment@name:tag`) whose pods do not come up; `ready_after`: steps that other pods take."""

    cluster: MemoryCluster
    ready_after: int = 1
    never_ready: set[str] = field(default_factory=set)
    _age: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _since: dict[tuple[str, str, int], float] = field(default_factory=dict)

    def step(self, now: Moment) -> bool:
        """Move every Deployment one step on; False when nothing was left to do."""
        before = self.cluster._version
        for doc in self.cluster.list("apps/v1", "Deployment"):
            self._deployment(doc, now)
        return self.cluster._version != before

    def _deployment(self, doc: Doc, now: Moment) -> None:
        uid, wanted = doc["metadata"]["uid"], self._wanted(doc)
        template = template_hash(doc["spec"]["template"])
        self._replica_set(doc, template, wanted)
        key = (uid, template, wanted)
        self._age[key] = age = self._age.get(key, -1) + 1
        since = self._since.setdefault(key, now.mono)
        for other in [known for known in self._age if known[0] == uid and known != key]:
            del self._age[other], self._since[other]
        images = {one["image"] for one in doc["spec"]["template"]["spec"]["containers"]}
        images |= {f"{doc['metadata']['name']}@{image}" for image in images}
        status = self._status(doc, wanted, age, bool(images & self.never_ready))
        overdue = now.mono - since >= (doc["spec"].get("progressDeadlineSeconds") or 600)
        status["conditions"] = _conditions(doc, status, wanted, overdue, now)
        if status != doc.get("status"):
            self.cluster.change(ref_of(doc), {"status": {**dict.fromkeys(doc.get("status") or {}), **status}})

    def _wanted(self, doc: Doc) -> int:
        """Replicas, raised to an autoscaler's minimum unless they are 0 (the autoscaler rests then)."""
        replicas: int = doc["spec"].get("replicas", 1)
        for scaler in self.cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", doc["metadata"]["namespace"]):
            if scaler["spec"]["scaleTargetRef"]["name"] == doc["metadata"]["name"] and 0 < replicas < scaler["spec"].get("minReplicas", 1):
                replicas = scaler["spec"]["minReplicas"]
                self.cluster.change(ref_of(doc), {"spec": {"replicas": replicas}})
        return replicas

    def _replica_set(self, doc: Doc, template: str, wanted: int) -> None:
        meta = doc["metadata"]
        ref = Ref("apps/v1", "ReplicaSet", meta["namespace"], f"{meta['name']}-{template}")
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"], "controller": True}
        pods = doc["spec"]["template"]
        labels = {**(pods.get("metadata") or {}).get("labels", {}), "pod-template-hash": template}
        made = {**pods, "metadata": {**(pods.get("metadata") or {}), "labels": labels}}
        if self.cluster.get(ref) is None:
            head = {"name": ref.name, "namespace": ref.namespace, "labels": labels, "ownerReferences": [owner]}
            spec = {"replicas": wanted, "template": made, "selector": {"matchLabels": labels}}
            self.cluster.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": head, "spec": spec}, manager="controllers")

    def _status(self, doc: Doc, wanted: int, age: int, broken: bool) -> dict[str, Any]:
        old = doc.get("status") or {}
        had = old.get("availableReplicas", 0)
        ready = 0 if broken or age < self.ready_after else wanted
        just_changed = age == 0 and doc["metadata"]["generation"] != old.get("observedGeneration", 0)
        if had and wanted and (broken or just_changed):
            # New pods beside the old ones, as with maxSurge 1 and maxUnavailable 0.
            updated, total, available = (1 if broken else wanted), (had + 1), had
        else:
            updated, total, available = wanted, wanted, ready
        status = {"observedGeneration": doc["metadata"]["generation"], "replicas": total, "updatedReplicas": updated}
        status |= {"readyReplicas": available, "availableReplicas": available}
        return status


def template_hash(template: Doc) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _conditions(doc: Doc, status: dict[str, Any], wanted: int, overdue: bool, now: Moment) -> list[dict[str, Any]]:
    old = {one["type"]: one for one in (doc.get("status") or {}).get("conditions") or ()}
    done = status["updatedReplicas"] == wanted == status["availableReplicas"] == status["replicas"]
    stuck = overdue and not done
    available = status["availableReplicas"] >= wanted
    news = (
        ("Available", available, "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable"),
        ("Progressing", not stuck, "ProgressDeadlineExceeded" if stuck else "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"),
    )
    at = now.wall.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": name,
            "status": str(good),
            "reason": reason,
            "lastTransitionTime": old[name]["lastTransitionTime"] if name in old and old[name]["status"] == str(good) else at,
        }
        for name, good, reason in news
    ]
