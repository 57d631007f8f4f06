"""Deployments: one ReplicaSet a template, rolled by surge and unavailability, with the status and conditions clients read."""

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.controllers.writing import fraction, owner_of, path_of, quietly, template_hash, write_status
from gitops_canary.sandbox.kube import MERGE, Kube
from gitops_canary.sandbox.telling import About, Recorder

Doc = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


class Deployments:
    """`sync` brings one Deployment a step further; it is called again at every change of it, its ReplicaSets or their pods."""

    def __init__(
        self, kube: Kube, sets_of: Callable[[str], list[Doc]], again: Callable[[tuple[str, str], float], None], recorder: Recorder
    ) -> None:
        self._kube, self._sets_of, self._again, self._recorder = kube, sets_of, again, recorder

    async def sync(self, doc: Doc) -> None:
        if doc["metadata"].get("deletionTimestamp"):
            return
        sets = self._sets_of(doc["metadata"]["uid"])
        name = f"{doc['metadata']['name']}-{template_hash(doc['spec']['template'])}"
        new = next((one for one in sets if one["metadata"]["name"] == name), None)
        if new is None:
            await self._create(doc, name, sets)
            return
        olds = [one for one in sets if one is not new]
        await self._revise(doc, new, olds)
        wanted = int(doc["spec"]["replicas"])
        for one, replicas in _scales(doc["spec"], wanted, new, olds):
            await self._scale(doc, one, replicas)
        await self._clean(doc, olds)
        await self._report(doc, new, olds, wanted)

    async def _scale(self, doc: Doc, one: Doc, replicas: int) -> None:
        """Of the ReplicaSet as it was read: what changed since then is looked at first."""
        meta, before = one["metadata"], int(one["spec"]["replicas"])
        patch = {"spec": {"replicas": replicas}, "metadata": {"resourceVersion": meta["resourceVersion"]}}
        if await quietly(self._kube, "PATCH", path_of("ReplicaSet", meta["namespace"], meta["name"]), patch, MERGE) is not None:
            way = "up" if replicas > before else "down"
            text = f"Scaled {way} replica set {meta['name']} from {before} to {replicas}"
            self._recorder.tell(About.of(doc, "Deployment", "apps/v1"), "ScalingReplicaSet", text)

    async def _create(self, doc: Doc, name: str, sets: Sequence[Doc]) -> None:
        template = copy.deepcopy(doc["spec"]["template"])
        mark = {HASH: name.rpartition("-")[2]}
        template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), **mark}
        selector = {**doc["spec"]["selector"], "matchLabels": {**(doc["spec"]["selector"].get("matchLabels") or {}), **mark}}
        meta = {
            "name": name,
            "namespace": doc["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {REVISION: str(_latest(sets) + 1)},
            "ownerReferences": [owner_of(doc, "Deployment", "apps/v1")],
        }
        spec = {"replicas": 0, "selector": selector, "template": template, "minReadySeconds": doc["spec"].get("minReadySeconds", 0)}
        body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec}
        await quietly(self._kube, "POST", path_of("ReplicaSet", meta["namespace"]), body)

    async def _revise(self, doc: Doc, new: Doc, olds: Sequence[Doc]) -> None:
        """The newest template carries the highest number, also when it is an old one that came back; `minReadySeconds` is passed on."""
        least = doc["spec"].get("minReadySeconds", 0)
        if new["spec"].get("minReadySeconds", 0) != least:
            path = path_of("ReplicaSet", new["metadata"]["namespace"], new["metadata"]["name"])
            await quietly(self._kube, "PATCH", path, {"spec": {"minReadySeconds": least}}, MERGE)
        number = int((new["metadata"].get("annotations") or {}).get(REVISION, "0"))
        if number <= _latest(olds):
            number = _latest(olds) + 1
            body = {"metadata": {"annotations": {REVISION: str(number)}}}
            await quietly(self._kube, "PATCH", path_of("ReplicaSet", new["metadata"]["namespace"], new["metadata"]["name"]), body, MERGE)
        if (doc["metadata"].get("annotations") or {}).get(REVISION) != str(number):
            body = {"metadata": {"annotations": {REVISION: str(number)}}}
            await quietly(self._kube, "PATCH", path_of("Deployment", doc["metadata"]["namespace"], doc["metadata"]["name"]), body, MERGE)

    async def _clean(self, doc: Doc, olds: Sequence[Doc]) -> None:
        """No more empty ReplicaSets than the history limit says."""
        empty = sorted((one for one in olds if not one["spec"]["replicas"] and not _count(one, "replicas")), key=_number)
        for one in empty[: max(0, len(empty) - int(doc["spec"].get("revisionHistoryLimit", 10)))]:
            await quietly(self._kube, "DELETE", path_of("ReplicaSet", one["metadata"]["namespace"], one["metadata"]["name"]), {})

    async def _report(self, doc: Doc, new: Doc, olds: Sequence[Doc], wanted: int) -> None:
        every = [new, *olds]
        totals = {name: sum(_count(one, name) for one in every) for name in ("replicas", "readyReplicas", "availableReplicas")}
        status: Doc = {"observedGeneration": doc["metadata"]["generation"], **{key: value for key, value in totals.items() if value}}
        if _count(new, "replicas"):
            status["updatedReplicas"] = _count(new, "replicas")
        missing = max(0, wanted - totals["availableReplicas"])
        if missing:
            status["unavailableReplicas"] = missing
        now = datetime.now(UTC)
        status["conditions"] = [_available(doc, totals["availableReplicas"], wanted, now), self._progress(doc, new, status, wanted, now)]
        failures = [one for one in (new.get("status") or {}).get("conditions") or () if one["type"] == "ReplicaFailure"]
        status["conditions"] += [{**one, "lastUpdateTime": one["lastTransitionTime"]} for one in failures]
        await write_status(self._kube, "Deployment", doc, status)

    def _progress(self, doc: Doc, new: Doc, status: Doc, wanted: int, now: datetime) -> Doc:
        """Progressing turns False when nothing has moved for progressDeadlineSeconds."""
        name = new["metadata"]["name"]
        old = _condition(doc, "Progressing")
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        if updated == wanted and status.get("replicas", 0) == wanted and available >= wanted:
            return _made(old, "Progressing", "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.', now)
        before = doc.get("status") or {}
        # A template that is rolled out anew starts the deadline again, whatever the observed generation said a moment ago.
        moved = any(
            before.get(key, 0) != status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        )
        fresh = old is None or old["reason"] == "NewReplicaSetAvailable" or before.get("observedGeneration") != status["observedGeneration"]
        since = now if moved or fresh else _time(old)
        deadline = float(doc["spec"].get("progressDeadlineSeconds", 600))
        left = deadline - (now - since).total_seconds()
        if left <= 0:
            text = f'ReplicaSet "{name}" has timed out progressing.'
            return _made(old, "Progressing", "False", "ProgressDeadlineExceeded", text, now, updated_at=since)
        self._again((doc["metadata"]["namespace"], doc["metadata"]["name"]), left + 0.05)
        return _made(old, "Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.', now, updated_at=since)


def _scales(spec: Doc, wanted: int, new: Doc, olds: Sequence[Doc]) -> list[tuple[Doc, int]]:
    """Which ReplicaSets to scale to what now."""
    have = int(new["spec"]["replicas"])
    old_total = sum(int(one["spec"]["replicas"]) for one in olds)
    if spec["strategy"]["type"] == "Recreate":
        if old_total or any(_count(one, "replicas") for one in olds):
            return [(one, 0) for one in olds if one["spec"]["replicas"]]
        return [(new, wanted)] if have != wanted else []
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = fraction(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = fraction(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    unavailable = unavailable or (1 if not surge else 0)
    made: list[tuple[Doc, int]] = []
    if have > wanted:
        made.append((new, wanted))
    elif have < wanted:
        room = wanted + surge - old_total - have
        if room > 0:
            made.append((new, min(wanted, have + room)))
    least = wanted - unavailable
    available = sum(_count(one, "availableReplicas") for one in (new, *olds))
    spare = available - least
    for one in sorted(olds, key=_number):
        replicas = int(one["spec"]["replicas"])
        dead = max(0, replicas - _count(one, "availableReplicas"))
        take = min(replicas, dead + max(0, spare))
        if take:
            made.append((one, replicas - take))
            spare -= max(0, take - dead)
    return made


def _available(doc: Doc, available: int, wanted: int, now: datetime) -> Doc:
    rolling = (doc["spec"]["strategy"].get("rollingUpdate") or {}) if doc["spec"]["strategy"]["type"] == "RollingUpdate" else {}
    least = wanted - fraction(rolling.get("maxUnavailable", 0), wanted, up=False)
    old = _condition(doc, "Available")
    if available >= least:
        return _made(old, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    return _made(old, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now)


def _made(
    old: Mapping[str, Any] | None, type_: str, status: str, reason: str, message: str, now: datetime, updated_at: datetime | None = None
) -> Doc:
    """Times stand still while nothing changes."""
    at = stamp(now)
    same = old is not None and (old["status"], old["reason"], old["message"]) == (status, reason, message)
    if same and old is not None and updated_at is None:
        return dict(old)
    changed = old["lastTransitionTime"] if old is not None and old["status"] == status else at
    times = {"lastUpdateTime": stamp(updated_at or now), "lastTransitionTime": changed}
    return {"type": type_, "status": status, "reason": reason, "message": message, **times}


def _condition(doc: Mapping[str, Any], type_: str) -> Doc | None:
    return next((one for one in (doc.get("status") or {}).get("conditions") or () if one["type"] == type_), None)


def _time(condition: Mapping[str, Any] | None) -> datetime:
    assert condition is not None
    return datetime.fromisoformat(str(condition["lastUpdateTime"]).replace("Z", "+00:00"))


def _count(one: Mapping[str, Any], name: str) -> int:
    return int((one.get("status") or {}).get(name, 0))


def _number(one: Mapping[str, Any]) -> int:
    return int((one["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _latest(sets: Sequence[Mapping[str, Any]]) -> int:
    return max((_number(one) for one in sets), default=0)
