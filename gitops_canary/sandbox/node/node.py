"""`Node`: a node of any cluster: registers itself, binds pods that nobody runs, and runs those that are bound to it."""

import asyncio
import contextlib
import platform
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from gitops_canary.adapters.accepting import Site
from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.kube import APPLY, MERGE, NETWORK, ApiError, Doc, Key, Kube, Reflector
from gitops_canary.sandbox.node.addresses import Addresses
from gitops_canary.sandbox.node.containers import Container, Pace
from gitops_canary.sandbox.node.guardian import Guardian
from gitops_canary.sandbox.node.images import ImageSource
from gitops_canary.sandbox.node.kubelet import Kubelet, tls
from gitops_canary.sandbox.node.metrics import MetricsApi, announcement
from gitops_canary.sandbox.node.pod import PodWorker, Services
from gitops_canary.sandbox.node.shims import write_shims
from gitops_canary.sandbox.node.usage import Rate, Rates, by_session
from gitops_canary.sandbox.telling import About, Recorder

log = structlog.get_logger()
OVER = ("Succeeded", "Failed")
RETRY_SECONDS = 0.5
SAMPLE_SECONDS = 2.0


class Node:
    """A node between `start` and `stop`, in a thread of its own; its pods' processes die with it.

    `images` says what an image is (`RegistryImages`); `proxy(namespace, workload)` gives a pod its HTTP proxy (`Mesh.proxy_for`), None =
    no mesh; `extra` goes into every container's environment; with `metrics` it measures its pods and is the cluster's metrics server."""

    def __init__(
        self,
        kubeconfig: Path | str,
        images: ImageSource,
        *,
        proxy: Callable[[str, str], str] | None = None,
        name: str = "sandbox",
        pace: Pace | None = None,
        extra: Mapping[str, str] | None = None,
        own_addresses: bool | None = None,
        metrics: bool = False,
    ) -> None:
        self.name = name
        self._kube, self.images = Kube(kubeconfig), images
        self._proxy = proxy or (lambda namespace, workload: "")
        self._pace, self._extra, self._own_addresses = pace or Pace(), dict(extra or {}), own_addresses
        self._metrics = metrics
        self._background: Background | None = None
        self._workers: dict[str, PodWorker] = {}
        self._asked: set[str] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Returns when the kubelet listens; `wait_ready` waits for the API server to know the node."""
        self._folder = tempfile.TemporaryDirectory(prefix="gitops-canary-node-")
        self._guardian = Guardian(Path(self._folder.name))
        self._background = Background("node")
        try:
            self._background.call(self._open())
        except (GitopsCanaryError, OSError):
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every pod's processes at once; their objects stay in the API."""
        if self._background:
            with contextlib.suppress(TimeoutError):
                self._background.call(self._close())
            self._background.stop()
            self._background = None
            self._guardian.close()
            self._folder.cleanup()

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Returns when the Node object is Ready and the pods are known; Unavailable when that takes longer."""
        assert self._background
        try:
            self._background.call(self._registered.wait(), timeout)
        except TimeoutError:
            raise Unavailable(f"cannot register node {self.name} at {self._kube.server} in {timeout:g} s: {self._problem}") from None

    async def _open(self) -> None:
        self._registered, self._problem = asyncio.Event(), "it does not answer"
        self._tasks: list[asyncio.Task[None]] = []
        self._site: Site | None = None
        await self._kube.open()
        folder = Path(self._folder.name)
        self._addresses = Addresses(own_addresses=self._own_addresses)
        await asyncio.to_thread(write_shims, folder / "bin")
        self._scheduler, recorder = Recorder(self._kube, "default-scheduler"), Recorder(self._kube, "kubelet", self.name)
        self._services = Services(
            self._kube,
            self.images,
            self._addresses,
            self._guardian,
            folder,
            self._proxy,
            recorder,
            self._pace,
            self._extra,
            node_labels(self.name),
        )
        self._rates = Rates()
        kubelet = Kubelet(self._find, MetricsApi(self.name, self._measured))
        runner = web.AppRunner(kubelet.application(), access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        self._site = Site(runner, self._addresses.kubelet, tls(folder, self._addresses.node))
        await self._site.open()
        self._pods = Reflector(self._kube, ("/api/v1/pods",), self._pod_changed)
        running = (self._register(), self._pods.run(), recorder.run(), self._scheduler.run())
        self._tasks = [asyncio.create_task(each) for each in running]
        if self._metrics:
            self._tasks.append(asyncio.create_task(self._watch_usage()))

    async def _close(self) -> None:
        for task in (*self._tasks, *self._leaving):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._leaving, return_exceptions=True)
        await asyncio.gather(*(worker.abandon() for worker in self._workers.values()), return_exceptions=True)
        if self._site:
            await self._site.close()
        if hasattr(self, "_addresses"):
            self._addresses.close()
        await self._kube.close()

    async def _register(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": node_labels(self.name)}}
        while True:
            try:
                with contextlib.suppress(Exists):
                    await self._create("/api/v1/nodes", node)
                status = node_status(self._addresses.node, self._addresses.kubelet.getsockname()[1])
                await self._kube.request("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status}, MERGE)
                await self._announce()
                await self._pods.synced.wait()
                self._registered.set()
                return
            except (ApiError, *NETWORK) as error:
                self._problem = str(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _announce(self) -> None:
        """Tell the API server that metrics.k8s.io is here; whoever said so before us is followed by us."""
        if self._metrics:
            for path, doc in announcement(self._addresses.node, self._addresses.kubelet.getsockname()[1]).items():
                await self._kube.request("PATCH", f"{path}?fieldManager=sandbox-node&force=true", doc, APPLY)

    async def _watch_usage(self) -> None:
        while True:
            sessions = await asyncio.to_thread(by_session)
            found = {(worker.uid, one.status.name): one.used(sessions) for worker in self._workers.values() for one in worker.containers}
            self._rates.sample({key: used for key, used in found.items() if used is not None})
            await asyncio.sleep(SAMPLE_SECONDS)

    def _measured(self) -> Iterator[tuple[Doc, dict[str, Rate]]]:
        """Pods all of whose containers have been measured, as a metrics server shows them."""
        for worker in self._workers.values():
            rates = {one.status.name: self._rates.rate((worker.uid, one.status.name)) for one in worker.containers}
            known = {name: rate for name, rate in rates.items() if rate is not None}
            if known and len(known) == len(rates):
                yield worker.pod, known

    def _pod_changed(self, key: Key) -> None:
        pod = self._pods.items.get(key)
        current = next((worker for worker in self._workers.values() if worker.key == key), None)
        if current and (pod is None or pod["metadata"]["uid"] != current.uid):
            self._leave(self._abandon(current))
        if pod is None:
            return
        uid, assigned = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if uid in self._workers:
            self._workers[uid].update(pod)
        elif not assigned and not pod["metadata"].get("deletionTimestamp"):
            self._leave(self._bind(pod))
        elif assigned == self.name and uid not in self._asked:
            self._adopt(pod)

    def _adopt(self, pod: Doc) -> None:
        uid = pod["metadata"]["uid"]
        if pod["metadata"].get("deletionTimestamp"):
            self._asked.add(uid)
            self._leave(self._remove(pod))
        elif (pod.get("status") or {}).get("phase") not in OVER:
            worker = self._workers[uid] = PodWorker(pod, self._services, lambda: self._forget(uid))
            worker.start()

    def _forget(self, uid: str) -> None:
        self._asked.add(uid)
        self._workers.pop(uid, None)

    async def _abandon(self, worker: PodWorker) -> None:
        self._forget(worker.uid)
        await worker.abandon()

    async def _bind(self, pod: Doc) -> None:
        """As a scheduler would; somebody else's binding is fine."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace}, "target": target}
        while True:
            try:
                with contextlib.suppress(Exists):
                    await self._create(f"/api/v1/namespaces/{namespace}/pods/{name}/binding", binding)
                    self._scheduler.tell(
                        About.of(pod, "Pod", "v1"), "Scheduled", f"Successfully assigned {namespace}/{name} to {self.name}"
                    )
                return
            except ApiError as error:
                if error.status != 404:
                    log.warning(f"cannot bind pod {namespace}/{name} to node {self.name}: {error}")
                return
            except NETWORK:
                await asyncio.sleep(RETRY_SECONDS)

    async def _remove(self, pod: Doc) -> None:
        """A pod that was to end while nobody ran it."""
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        with contextlib.suppress(ApiError, *NETWORK):
            await self._kube.request("DELETE", path, options)

    async def _create(self, path: str, body: Doc) -> None:
        try:
            await self._kube.request("POST", path, body)
        except ApiError as error:
            raise Exists if error.status == 409 else error from None

    def _find(self, namespace: str, pod: str, container: str) -> Container | None:
        worker = next((worker for worker in self._workers.values() if worker.key == (namespace, pod)), None)
        return worker.container(container) if worker else None

    def _leave(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it beside the rest; `stop` ends it."""
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


class Exists(Exception):
    """The API server has it already."""


def node_labels(name: str) -> dict[str, str]:
    """What charts select by."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": machine}


def node_status(address: str, port: int) -> Doc:
    """What an API server needs to reach the kubelet, and what tools show."""
    now = stamp(datetime.now(UTC))
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the sandbox's node runs", "lastHeartbeatTime": now}
    amounts = {"cpu": "16", "memory": "64Gi", "pods": "10000", "ephemeral-storage": "100Gi"}
    return {
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "declaredFeatures": ["ExtendWebSocketsToKubelet"],
        "conditions": [{**ready, "lastTransitionTime": now}],
        "capacity": amounts,
        "allocatable": amounts,
        "nodeInfo": {
            "kubeletVersion": "v1.36.0-gitops-canary",
            "kubeProxyVersion": "",
            "osImage": "gitops-canary sandbox",
            "containerRuntimeVersion": "sandbox://1",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "kernelVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
