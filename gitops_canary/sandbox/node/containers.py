"""One container of a pod: pulled, configured, started, probed, and started again as its pod's restart policy says."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.kube import NETWORK, Doc
from gitops_canary.sandbox.node.addresses import Place
from gitops_canary.sandbox.node.environment import ConfigProblem, Sources, bound, expand, moved, variables
from gitops_canary.sandbox.node.guardian import Guardian
from gitops_canary.sandbox.node.images import Image, ImageProblem, ImageSource
from gitops_canary.sandbox.node.logs import Log
from gitops_canary.sandbox.node.probes import Prober
from gitops_canary.sandbox.node.running import Launch, Running, StartProblem, start
from gitops_canary.sandbox.node.status import CRASH_LOOP, ContainerStatus, Terminated, Waiting
from gitops_canary.sandbox.node.status import Running as RunningState
from gitops_canary.sandbox.node.usage import Used
from gitops_canary.sandbox.telling import About, Recorder

RETRY_SECONDS = 1.0
HOOK_SECONDS = 120.0


@dataclass(frozen=True)
class Pace:
    """`backoff` seconds before the second restart and the second pull, doubling up to `longest`; kubelets take 10 s and 300 s.
    `eager`: see Prober."""

    backoff: float = 1.0
    longest: float = 30.0
    eager: float | None = 0.2

    def wait(self, failures: int) -> float:
        return float(min(self.longest, self.backoff * 2 ** max(0, failures - 1)))


@dataclass(frozen=True)
class Shared:
    """What the containers of one pod have in common."""

    pod: Doc
    place: Place
    folder: Path
    volumes: Mapping[str, Path]
    sources: Sources
    given: Mapping[str, str]
    images: ImageSource
    guardian: Guardian
    pace: Pace
    recorder: Recorder


class Container:
    """`changed` is called whenever the status is another; everything runs on the node's loop. `part` is the pod's list that it is in."""

    def __init__(self, spec: Doc, shared: Shared, changed: Callable[[], object], restarts: int = 0, part: str = "containers") -> None:
        self.spec, self._shared, self._changed = spec, shared, changed
        self.status = ContainerStatus(spec["name"], spec["image"], restarts=restarts)
        self._about = About.of(shared.pod, "Pod", "v1", f"spec.{part}{{{spec['name']}}}")
        self._tell, self._warn = partial(shared.recorder.tell, self._about), partial(shared.recorder.warn, self._about)
        self.log, self.previous = Log(), None if not restarts else Log()
        self.environment: dict[str, str] = dict(shared.given)
        self.folder = shared.folder / spec["name"]
        self._running: Running | None = None
        self._failures = 0
        self._stopped = False

    async def run(self, restart: str) -> int:
        """Until it is over for good: the last exit code. `restart` is Always, OnFailure or Never."""
        while True:
            image = await self._pull()
            code = await self._once(image)
            if self._stopped or restart == "Never" or (restart == "OnFailure" and code == 0):
                return code
            await self._rest()

    async def stop(self, grace: float) -> None:
        """For good: it is not started again. A preStop hook runs first, within the same grace."""
        self._stopped = True
        began = asyncio.get_running_loop().time()
        if self._running:
            self._tell("Killing", f"Stopping container {self.status.name}")
        if self._running and grace and "preStop" in self._hooks and not await self._prober().once(self._hooks["preStop"], grace):
            self._warn("FailedPreStopHook", "PreStopHook failed")
        if self._running:
            await self._running.stop(max(0.0, grace - (asyncio.get_running_loop().time() - began)))

    def used(self, sessions: Mapping[int, Used]) -> Used | None:
        """None while nothing runs."""
        return self._running.used(sessions) if self._running else None

    def moved(self, words: Sequence[str]) -> list[str]:
        """A command line that speaks of the container's mounts, as it must be here."""
        return moved(words, self.spec, self._shared.volumes)

    async def execute(self, command: Sequence[str], timeout: float) -> int:
        """A probe's command, in the container's environment."""
        argv = self.moved(command)
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=null, stdout=null, stderr=null, env=self.environment, cwd=self.folder, start_new_session=True
        )
        try:
            return await asyncio.wait_for(process.wait(), timeout)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _pull(self) -> Image:
        """Again and again with back-off, as ErrImagePull and ImagePullBackOff."""
        failures, name, clock = 0, self.spec["image"], asyncio.get_running_loop().time
        while True:
            self._tell("Pulling", f'Pulling image "{name}"')
            began = clock()
            try:
                image = await self._shared.images.pull(name)
            except ImageProblem as problem:
                failures += 1
                await self._refused(problem, failures)
            else:
                took = f"{(clock() - began) * 1000:.0f}ms"
                self._tell("Pulled", f'Successfully pulled image "{name}" in {took} ({took} including waiting)')
                self.status.image_id = image.id
                return image

    async def _refused(self, problem: ImageProblem, failures: int) -> None:
        self._warn("Failed", str(problem))
        self._warn("Failed", "Error: ErrImagePull")
        self._wait("ErrImagePull", str(problem))
        await asyncio.sleep(min(0.5, self._shared.pace.backoff))
        text = f'Back-off pulling image "{self.spec["image"]}"'
        self._tell("BackOff", text)
        self._warn("Failed", "Error: ImagePullBackOff")
        self._wait("ImagePullBackOff", f"{text}: {problem}")
        await asyncio.sleep(self._shared.pace.wait(failures))

    async def _once(self, image: Image) -> int:
        launch = await self._prepare(image)
        if self.status.last or self.status.restarts:
            self.previous, self.log = self.log, Log()
        self.status.container_id = f"sandbox://{self._shared.pod['metadata']['uid']}/{self.status.name}/{self.status.restarts}"
        began = now()
        self._tell("Created", "Container created")
        try:
            self._running = await start(launch, self.log, self._shared.guardian)
        except StartProblem as problem:
            self._warn("Failed", f"Error: {problem}")
            return self._over(Terminated(128, began, now(), "StartError", str(problem)))
        self._tell("Started", "Container started")
        self.status.state, self.status.started = RunningState(began), "startupProbe" not in self.spec
        self._changed()
        probes = asyncio.create_task(self._attend())
        try:
            code = await self._running.wait()
        finally:
            probes.cancel()
            await asyncio.gather(probes, return_exceptions=True)
            self._running = None
        return self._over(Terminated(code, began, now()))

    def _over(self, end: Terminated) -> int:
        self.log.close()
        self.status.state, self.status.ready, self.status.started = end, False, False
        self._changed()
        return end.code

    async def _prepare(self, image: Image) -> Launch:
        while True:
            try:
                return await self._launch(image)
            except ConfigProblem as problem:
                self._warn("Failed", f"Error: {problem}")
                self._wait("CreateContainerConfigError", str(problem))
            except NETWORK as error:
                self._wait("ContainerCreating", f"the API server does not answer: {error}")
            await asyncio.sleep(RETRY_SECONDS)

    async def _launch(self, image: Image) -> Launch:
        shared = self._shared
        self.folder.mkdir(parents=True, exist_ok=True)
        found = await variables(self.spec, shared.pod, shared.sources, shared.place, shared.given)
        # What the node gives are paths of this machine already; only the spec's own values speak of the container's files.
        own = {name: value for name, value in found.items() if shared.given.get(name) != value}
        self.environment = {**found, **dict(zip(own, moved(own.values(), self.spec, shared.volumes), strict=True))}
        command, arguments = (
            [bound(word, shared.place) for word in self.moved([expand(each, found) for each in self.spec.get(part) or ()])]
            for part in ("command", "args")
        )
        hostname = shared.pod["spec"].get("hostname") or shared.pod["metadata"]["name"]
        return Launch(image, command, arguments, self.environment, self.folder, shared.place, hostname)

    @property
    def _hooks(self) -> Doc:
        return self.spec.get("lifecycle") or {}

    def _prober(self) -> Prober:
        return Prober(self.spec, self._shared.place, self.execute, self._shared.pace.eager, self._complain)

    def _complain(self, probe: str, trouble: str) -> None:
        self._warn("Unhealthy", f"{probe.removesuffix('Probe').capitalize()} probe failed: {trouble}")

    async def _attend(self) -> None:
        """The postStart hook, whose failure ends the container, and then its probes: startup first, readiness and liveness side by side."""
        prober = self._prober()
        if "postStart" in self._hooks and not await prober.once(self._hooks["postStart"], HOOK_SECONDS):
            self._warn("FailedPostStartHook", "PostStartHook failed")
            self._kill("FailedPostStartHook")
            return
        if "startupProbe" in self.spec:
            started = asyncio.Event()
            first = asyncio.create_task(prober.follow("startupProbe", lambda passes: started.set() if passes else self._restart("startup")))
            await started.wait()
            first.cancel()
            self.status.started = True
        await asyncio.gather(prober.follow("readinessProbe", self._set_ready), prober.follow("livenessProbe", self._set_alive))

    def _set_ready(self, ready: bool) -> None:
        if self.status.ready != ready:
            self.status.ready = ready
            self._changed()

    def _set_alive(self, alive: bool) -> None:
        if not alive:
            self._restart("liveness")

    def _restart(self, probe: str) -> None:
        self._kill(f"Container {self.status.name} failed {probe} probe, will be restarted")

    def _kill(self, why: str) -> None:
        """A failed probe or hook ends this run; the restart policy does the rest."""
        if self._running:
            self._tell("Killing", why)
            self._stopping = asyncio.create_task(self._running.stop(1.0))

    async def _rest(self) -> None:
        """Between two runs: the first restart is at once, later ones back off."""
        assert isinstance(self.status.state, Terminated)
        self.status.last = self.status.state
        self._failures += 1
        if self._failures > 1:
            pause = self._shared.pace.wait(self._failures - 1)
            pod = self._shared.pod["metadata"]
            where = f"{pod['name']}_{pod['namespace']}({pod['uid']})"
            self._warn("BackOff", f"Back-off restarting failed container {self.status.name} in pod {where}")
            self._wait(CRASH_LOOP, f"back-off {pause:g}s restarting failed container={self.status.name} pod={where}")
            await asyncio.sleep(pause)
        self.status.restarts += 1

    def _wait(self, reason: str, message: str) -> None:
        self.status.state = Waiting(reason, message)
        self._changed()


def now() -> str:
    return stamp(datetime.now(UTC))


async def stop_all(containers: Sequence[Container], grace: float) -> None:
    await asyncio.gather(*(container.stop(grace) for container in containers))


async def ended(task: "asyncio.Task[NoReturn] | asyncio.Task[None] | asyncio.Task[int]") -> None:
    """Cancels it and waits until it is gone."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
