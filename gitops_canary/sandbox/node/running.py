"""One run of one container: podinfo as a server on the node's own loop, everything else as a child process with its output in the log."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.node.addresses import Place
from gitops_canary.sandbox.node.guardian import Guardian
from gitops_canary.sandbox.node.images import Image
from gitops_canary.sandbox.node.logs import Log
from gitops_canary.sandbox.node.usage import Used
from gitops_canary.sandbox.programs.behaviour import read_behaviour
from gitops_canary.sandbox.programs.podinfo import Podinfo, read_arguments

PRODUCT: tuple[str, ...] = (sys.executable, "-m", "gitops_canary")


class StartProblem(Exception):
    """The program cannot be started; `str()` goes into the terminated status (StartError)."""


@dataclass(frozen=True)
class Launch:
    """All that a run needs. `command` overrides the image's entrypoint, as in a pod's spec."""

    image: Image
    command: Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    place: Place
    hostname: str


class Running(Protocol):
    """A started program."""

    async def wait(self) -> int:
        """Its exit code, when it ends."""
        ...

    async def stop(self, grace: float) -> None:
        """Asks it to end, insists after `grace` seconds; returns when it is gone."""
        ...

    def used(self, sessions: Mapping[int, Used]) -> Used:
        """CPU so far and memory now. A server in this process has no memory of its own to tell."""
        ...


async def start(launch: Launch, log: Log, guardian: Guardian) -> Running:
    """StartProblem when there is nothing to start."""
    if launch.image.program == "podinfo":
        return _Server(launch, log)
    return await _start_child(argv_of(launch), launch, log, guardian)


def argv_of(launch: Launch) -> list[str]:
    """The command line of a child: the product's own for `loadtester` and `operator` (whatever path the spec gives its binary), the
    spec's for `chart-test`."""
    command = list(launch.command)
    if launch.image.program == "chart-test":
        if not (command or launch.arguments):
            raise StartProblem("no command specified: the image chart-test has none of its own")
        return [*command, *launch.arguments]
    if not command:
        return [*PRODUCT, *launch.arguments]
    name = Path(command[0]).name
    if name in ("gitops-canary", "loadtester"):
        return [*PRODUCT, *(["loadtester"] if name == "loadtester" else []), *command[1:], *launch.arguments]
    return [*command, *launch.arguments]


class _Server:
    """podinfo in this process."""

    def __init__(self, launch: Launch, log: Log) -> None:
        try:
            behaviour = read_behaviour(launch.image.behaviour)
        except UserError as error:
            raise StartProblem(str(error)) from error
        words = [*launch.command[1:], *launch.arguments]
        settings = read_arguments(words, launch.environment, launch.hostname, launch.image.version, behaviour)
        self._stopping = asyncio.Event()
        self._server = Podinfo(settings, launch.place.address, launch.place.port(settings.port), log.write)
        self._task = asyncio.create_task(self._server.run(self._stopping))

    def used(self, sessions: Mapping[int, Used]) -> Used:
        return Used(self._server.meter.cpu)

    async def wait(self) -> int:
        return await asyncio.shield(self._task)

    async def stop(self, grace: float) -> None:
        self._stopping.set()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(self._task, max(grace, 0.1))


async def _start_child(argv: Sequence[str], launch: Launch, log: Log, guardian: Guardian) -> Running:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=launch.folder,
            env=dict(launch.environment),
            start_new_session=True,
        )
    except OSError as error:
        raise StartProblem(f'exec: "{argv[0]}": {error.strerror}') from error
    guardian.add(process.pid)
    return _Child(process, log, guardian)


class _Child:
    def __init__(self, process: asyncio.subprocess.Process, log: Log, guardian: Guardian) -> None:
        self._process, self._log, self._guardian = process, log, guardian
        self._ended = asyncio.create_task(self._attend())

    def used(self, sessions: Mapping[int, Used]) -> Used:
        return sessions.get(self._process.pid, Used())

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def stop(self, grace: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()  # only the first process is asked, as in a container
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), grace)
        except TimeoutError:
            self._kill_session()
            await self._ended

    async def _attend(self) -> int:
        """Logs until the end; what the program left running in its session ends with it."""
        reading = asyncio.create_task(self._read())
        code = await self._process.wait()
        self._kill_session()
        self._guardian.drop(self._process.pid)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reading, 1.0)
        return code if code >= 0 else 128 - code

    async def _read(self) -> None:
        assert self._process.stdout
        rest = b""
        while chunk := await self._process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._log.write(line)
        if rest:
            self._log.write(rest)

    def _kill_session(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
