"""`Controllers`: watches the API and calls the controller of each object that changed, one at a time a key."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.controllers.autoscalers import Autoscalers
from gitops_canary.sandbox.controllers.deployments import Deployments
from gitops_canary.sandbox.controllers.jobs import Jobs
from gitops_canary.sandbox.controllers.replicasets import ReplicaSets
from gitops_canary.sandbox.controllers.writing import controller_uid, path_of, quietly
from gitops_canary.sandbox.kube import NETWORK, ApiError, Key, Kube, Reflector
from gitops_canary.sandbox.telling import Recorder

Doc = dict[str, Any]
log = structlog.get_logger()
RETRY_SECONDS, LONGEST_SECONDS = 0.3, 30.0
PATHS = {
    "Deployment": "/apis/apps/v1/deployments",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "Pod": "/api/v1/pods",
    "Job": "/apis/batch/v1/jobs",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/horizontalpodautoscalers",
    "Namespace": "/api/v1/namespaces",
}

TELLERS = ("deployment-controller", "replicaset-controller", "job-controller", "horizontal-pod-autoscaler")
"""Who Events come from, as in a real cluster."""


class Controllers:
    """Deployment, ReplicaSet, Job, HPA and each namespace's default ServiceAccount. `start` returns once the first lists are in."""

    def __init__(self, kubeconfig: Path | str) -> None:
        self._kubeconfig = kubeconfig
        self._background: Background | None = None

    def start(self) -> None:
        self._background = Background("controllers")
        self._background.call(self._open())

    def stop(self) -> None:
        if self._background is None:
            return
        self._background.call(self._kube.close())
        self._background.stop()
        self._background = None

    async def _open(self) -> None:
        self._kube = Kube(self._kubeconfig)
        await self._kube.open()
        self._queue: asyncio.Queue[tuple[str, Key]] = asyncio.Queue()
        self._waiting: set[tuple[str, Key]] = set()
        self._failures: dict[tuple[str, Key], int] = {}
        self._caches = {
            kind: Reflector(self._kube, (path,), lambda key, kind=kind: self._changed(kind, key))  # type: ignore[misc]
            for kind, path in PATHS.items()
        }
        deployments, sets, jobs, autoscalers = recorders = [Recorder(self._kube, name) for name in TELLERS]
        self._deployments = Deployments(
            self._kube, lambda uid: self._owned("ReplicaSet", uid), partial(self._later, "Deployment"), deployments
        )
        self._replicasets = ReplicaSets(self._kube, lambda uid: self._owned("Pod", uid), partial(self._later, "ReplicaSet"), sets)
        self._jobs = Jobs(self._kube, lambda uid: self._owned("Pod", uid), jobs)
        self._autoscalers = Autoscalers(self._kube, self._pods_in, partial(self._later, "HorizontalPodAutoscaler"), autoscalers)
        self._tasks = [asyncio.create_task(cache.run()) for cache in self._caches.values()]
        self._tasks += [asyncio.create_task(recorder.run()) for recorder in recorders]
        for cache in self._caches.values():
            await asyncio.wait_for(cache.synced.wait(), 20)
        self._tasks.append(asyncio.create_task(self._work()))

    def _changed(self, kind: str, key: Key) -> None:
        self._ask(kind, key)
        if kind == "Pod":
            self._ask_owner("Pod", key, ("ReplicaSet", "Job"))
        elif kind == "ReplicaSet":
            self._ask_owner("ReplicaSet", key, ("Deployment",))
        elif kind == "Deployment":
            for other in [name for name in self._caches["HorizontalPodAutoscaler"].items if name[0] == key[0]]:
                self._ask("HorizontalPodAutoscaler", other)

    def _ask_owner(self, kind: str, key: Key, owners: Sequence[str]) -> None:
        """A deleted object's owner is not known any more: all of the namespace are asked, which is cheap here."""
        doc = self._caches[kind].items.get(key)
        uid = controller_uid(doc) if doc else ""
        for owner in owners:
            for name, found in self._caches[owner].items.items():
                if name[0] == key[0] and (not uid or found["metadata"]["uid"] == uid):
                    self._ask(owner, name)

    def _ask(self, kind: str, key: Key) -> None:
        if (kind, key) not in self._waiting:
            self._waiting.add((kind, key))
            self._queue.put_nowait((kind, key))

    def _later(self, kind: str, key: Key, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._ask, kind, key)

    def _owned(self, kind: str, uid: str) -> list[Doc]:
        return [doc for doc in self._caches[kind].items.values() if controller_uid(doc) == uid]

    def _pods_in(self, namespace: str) -> list[Doc]:
        return [pod for key, pod in self._caches["Pod"].items.items() if key[0] == namespace]

    async def _work(self) -> None:
        while True:
            kind, key = await self._queue.get()
            self._waiting.discard((kind, key))
            doc = self._caches[kind].items.get(key)
            controller = self._controller(kind)
            if doc is None or controller is None:
                continue
            try:
                await controller(doc)
                self._failures.pop((kind, key), None)
            except (ApiError, *NETWORK):
                self._later(kind, key, RETRY_SECONDS)
            except Exception:
                # One object that a controller stumbles over must not keep the others from being looked at.
                times = self._failures[kind, key] = self._failures.get((kind, key), 0) + 1
                log.exception(f"cannot bring {kind} {key[0]}/{key[1]} further; it is tried again")
                self._later(kind, key, min(LONGEST_SECONDS, RETRY_SECONDS * 2**times))

    def _controller(self, kind: str) -> Callable[[Doc], Awaitable[None]] | None:
        return {
            "Deployment": self._deployments.sync,
            "ReplicaSet": self._replicasets.sync,
            "Job": self._jobs.sync,
            "HorizontalPodAutoscaler": self._autoscaler,
            "Namespace": self._namespace,
        }.get(kind)

    async def _autoscaler(self, doc: Doc) -> None:
        reference = doc["spec"].get("scaleTargetRef") or {}
        target = self._caches["Deployment"].items.get((doc["metadata"]["namespace"], str(reference.get("name"))))
        await self._autoscalers.sync(doc, target if reference.get("kind") == "Deployment" else None)

    async def _namespace(self, doc: Doc) -> None:
        """Every namespace has a ServiceAccount `default`."""
        if doc["metadata"].get("deletionTimestamp"):
            return
        name = doc["metadata"]["name"]
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        with contextlib.suppress(ApiError):
            await quietly(self._kube, "POST", path_of("ServiceAccount", name), body)
