"""One pod's life on the node: its place, files and containers, its status in the API, and its orderly end."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gitops_canary.sandbox.kube import MERGE, NETWORK, ApiError, Doc, Kube
from gitops_canary.sandbox.mesh.workloads import PORTS, workload_of
from gitops_canary.sandbox.node.accounts import Account
from gitops_canary.sandbox.node.addresses import Addresses, Place
from gitops_canary.sandbox.node.containers import RETRY_SECONDS, Container, Pace, Shared, ended, now, stop_all
from gitops_canary.sandbox.node.environment import ConfigProblem, Sources, write_volumes
from gitops_canary.sandbox.node.guardian import Guardian
from gitops_canary.sandbox.node.images import ImageSource
from gitops_canary.sandbox.node.shims import path_with
from gitops_canary.sandbox.node.status import ContainerStatus, Waiting, pod_status
from gitops_canary.sandbox.node.unsupported import unsupported
from gitops_canary.sandbox.telling import About, Recorder

log = structlog.get_logger()
NO_PROXY = "localhost,127.0.0.1,127.0.0.0/8,::1"
LONG_SECONDS = 3600.0
DRAIN_SECONDS = 0.2
"""Between the mark for deletion and the signal: the mesh stops sending meanwhile."""


@dataclass(frozen=True)
class Services:
    """What the node lends to its pods. `proxy(namespace, workload)` is a pod's `http_proxy`, "" without a mesh; `extra` goes into every
    container's environment."""

    kube: Kube
    images: ImageSource
    addresses: Addresses
    guardian: Guardian
    folder: Path
    proxy: Callable[[str, str], str]
    recorder: Recorder
    pace: Pace = field(default_factory=Pace)
    extra: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """The node's."""


class PodWorker:
    """Runs one pod (one uid) from `start` until it is deleted or `abandon`ed."""

    def __init__(self, pod: Doc, services: Services, gone: Callable[[], object]) -> None:
        self.pod, self._services, self._gone = pod, services, gone
        self.uid: str = pod["metadata"]["uid"]
        self.key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self._folder = services.folder / "pods" / self.uid
        self._started = now()
        self._restart = pod["spec"].get("restartPolicy", "Always")
        self._place: Place | None = None
        self._problem: Waiting | None = None
        self.containers: list[Container] = []
        self.inits: list[Container] = []
        self._dirty, self._reported = asyncio.Event(), pod.get("status") or {}
        self._terminating = False
        self._about = About.of(pod, "Pod", "v1")

    def start(self) -> None:
        self._life = asyncio.create_task(self._live())
        self._reporter = asyncio.create_task(self._report())

    def update(self, pod: Doc) -> None:
        """The object as it is now in the API."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp") and not self._terminating:
            self._terminating = True
            self._ending = asyncio.create_task(self._end(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)))

    def container(self, name: str) -> Container | None:
        return next((each for each in (*self.containers, *self.inits) if each.status.name == name), None)

    async def abandon(self) -> None:
        """Stops everything and forgets it, without a word to the API: the object is gone, or the node stops."""
        if self._terminating and asyncio.current_task() is not self._ending:
            await ended(self._ending)
        await self._stop(0.0)

    async def _live(self) -> None:
        metadata = self.pod["metadata"]
        ports = [int(port["containerPort"]) for each in self.pod["spec"]["containers"] for port in each.get("ports") or ()]
        self._place = self._services.addresses.take(ports)
        if self._place.ports:
            mapped = ",".join(f"{port}={real}" for port, real in self._place.ports.items())
            await self._patch("", {"metadata": {"annotations": {PORTS: mapped}}})
        account = Account(self._services.kube, self.pod, self._folder)
        shared = await self._prepare(account)
        self._problem = None
        renewal = asyncio.create_task(account.keep_fresh())
        try:
            await self._run(shared)
        except OSError as error:
            log.error(f"cannot run pod {metadata['namespace']}/{metadata['name']}: {error}")
        finally:
            await ended(renewal)

    async def _prepare(self, account: Account) -> Shared:
        """Token and volumes; what is missing is waited for and said. What the node cannot give is said too, and nothing ends that wait."""
        while what := unsupported(self.pod, self._services.labels):
            self._problem = Waiting("CreateContainerConfigError", f"the sandbox's node does not support {what}")
            self._services.recorder.warn(self._about, "Failed", f"Error: {self._problem.message}")
            self._dirty.set()
            await asyncio.sleep(LONG_SECONDS)
        sources = Sources(self._services.kube, self.pod["metadata"]["namespace"])
        while True:
            try:
                await account.obtain()
                volumes = await write_volumes(self.pod, sources, self._folder / "volumes", account.files)
                break
            except (ConfigProblem, ApiError) as problem:
                self._problem = Waiting("ContainerCreating", f"MountVolume.SetUp failed: {problem}")
                self._services.recorder.warn(self._about, "FailedMount", self._problem.message)
            except NETWORK as error:
                self._problem = Waiting("ContainerCreating", f"the API server does not answer: {error}")
            self._dirty.set()
            await asyncio.sleep(RETRY_SECONDS)
        assert self._place
        services = self._services
        given = self._environment(account)
        return Shared(
            self.pod,
            self._place,
            self._folder,
            volumes,
            sources,
            given,
            services.images,
            services.guardian,
            services.pace,
            services.recorder,
        )

    async def _run(self, shared: Shared) -> None:
        spec = self.pod["spec"]
        before = {entry["name"]: int(entry.get("restartCount", 0)) for entry in self._reported.get("containerStatuses") or ()}
        self.inits = [Container(each, shared, self._dirty.set, part="initContainers") for each in spec.get("initContainers") or ()]
        self.containers = [Container(each, shared, self._dirty.set, before.get(each["name"], 0)) for each in spec["containers"]]
        for init in self.inits:
            init.status.state = Waiting("PodInitializing")
        self._dirty.set()
        for init in self.inits:
            if await init.run("Never" if self._restart == "Never" else "OnFailure"):
                return
        await asyncio.gather(*(container.run(self._restart) for container in self.containers))

    def _environment(self, account: Account) -> dict[str, str]:
        assert self._place
        metadata, server = self.pod["metadata"], self._services.kube.server.partition("://")[2]
        host, _, port = server.partition("/")[0].rpartition(":")
        proxy = self._services.proxy(metadata["namespace"], workload_of(self.pod))
        home = self._folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": path_with(self._services.folder / "bin"),
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "HOSTNAME": metadata["name"],
            "POD_IP": self._place.address,
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            **({"KUBECONFIG": str(account.kubeconfig)} if account.kubeconfig else {}),
            **({"http_proxy": proxy, "HTTP_PROXY": proxy, "no_proxy": NO_PROXY, "NO_PROXY": NO_PROXY} if proxy else {}),
            **self._services.extra,
        }

    async def _end(self, grace: float) -> None:
        """As a kubelet ends a pod: drained, asked, killed, then removed from the API."""
        self._dirty.set()
        if grace:
            await asyncio.sleep(min(DRAIN_SECONDS, grace))
        await self._stop(grace)
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        while True:
            try:
                await self._services.kube.request("DELETE", self._path, options)
                break
            except ApiError:
                break  # gone, or another object of that name
            except NETWORK:
                await asyncio.sleep(RETRY_SECONDS)
        self._gone()

    async def _stop(self, grace: float) -> None:
        await stop_all([*self.containers, *self.inits], grace)
        await ended(self._life)
        await ended(self._reporter)
        for each in (*self.containers, *self.inits):
            each.log.close()
        if self._place:
            self._services.addresses.give_back(self._place)
            self._place = None
        await asyncio.to_thread(shutil.rmtree, self._folder, True)

    async def _report(self) -> None:
        """Writes the status whenever it is another than the one written last."""
        while True:
            self._dirty.clear()
            status = self._status()
            if status != self._reported and await self._patch("/status", {"status": status}):
                self._reported = status
            elif status != self._reported:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._dirty.wait()

    def _status(self) -> Doc:
        spec = self.pod["spec"]
        waiting = self._problem or Waiting("ContainerCreating")
        unborn = [ContainerStatus(each["name"], each["image"], waiting) for each in spec["containers"]]
        return pod_status(
            self._reported,
            [container.status for container in self.containers] or unborn,
            [init.status for init in self.inits],
            restart=self._restart,
            address=self._place.address if self._place else "",
            host=self._services.addresses.node,
            started=self._started,
            now=now(),
            terminating=self._terminating,
        )

    async def _patch(self, part: str, patch: Doc) -> bool:
        """Whether it was written; a pod that is gone needs no status."""
        try:
            await self._services.kube.request("PATCH", self._path + part, patch, MERGE)
        except ApiError as error:
            if error.status != 404:
                log.warning(f"cannot write {self._path}{part}: {error}")
            return error.status == 404
        except NETWORK:
            return False
        return True
