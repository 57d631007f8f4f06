"""Other programs: shells where they are allowed, and Helm's tests; never through a fork of this process's threads."""

import asyncio
import importlib.util
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_canary.adapters.helm.child import Child, Crashed, TimedOut
from gitops_canary.adapters.helm.messages import Work
from gitops_canary.domain.errors import UserError
from gitops_canary.setting_values import seconds

OUTPUT_AT_MOST = 256 * 1024
TEST_TIMEOUT = 300.0
"""Seconds for each test pod, Helm's default."""


@dataclass(frozen=True)
class Ended:
    ok: bool
    output: str


async def run_program(argv: Sequence[str], limit: float) -> Ended:
    """Output and error stream together, cut at OUTPUT_AT_MOST. Ended by force after `limit` seconds or when the caller is cancelled."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(False, f"cannot run {argv[0]}: {error.strerror}")
    try:
        async with asyncio.timeout(limit):
            output = await _output(process)
            status = await process.wait()
        return Ended(status == 0, output)
    except TimeoutError:
        return Ended(False, f"cannot finish {argv[0]}: it did not end within {limit:g} s")
    finally:
        await _end(process)


async def _output(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    held = bytearray()
    while piece := await process.stdout.read(64 * 1024):
        held += piece[: max(0, OUTPUT_AT_MOST - len(held))]
    return held.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """The whole group: a shell's children would outlive it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        await process.wait()


@dataclass(frozen=True)
class HelmTest:
    """`helm test RELEASE -n NAMESPACE --timeout 3m`; `timeout` in seconds, for each test pod."""

    release: str
    namespace: str
    timeout: float = TEST_TIMEOUT


def read_helm_test(command: str, namespace: str) -> HelmTest | None:
    """None when it is another helm command. `namespace` is the canary's, for commands that name none (Helm 2's did not)."""
    words = command.split()
    if words[:1] != ["test"]:
        return None
    release, timeout, rest = "", TEST_TIMEOUT, words[1:]
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if flag in ("-n", "--namespace", "--timeout"):
            value = value if equals else rest.pop(0) if rest else ""
            try:
                namespace, timeout = (namespace, seconds(value)) if flag == "--timeout" else (value, timeout)
            except ValueError as error:
                raise UserError(f"cannot run helm {command[:80]!r}: --timeout {error}") from error
        elif flag.startswith("-") and flag not in ("--logs", "--cleanup", "--parallel", "--hide-notes", "--debug", "--tls"):
            raise UserError(f"cannot run helm {command[:80]!r}: {flag[:30]} is not supported", hint="test RELEASE -n NAMESPACE")
        elif not flag.startswith("-"):
            if release:
                raise UserError(f"cannot run helm {command[:80]!r}: it names two releases")
            release = flag
    if not release or not namespace:
        raise UserError(f"cannot run helm {command[:80]!r}: release and namespace are needed")
    return HelmTest(release, namespace, timeout)


async def run_helm_test(test: HelmTest, limit: float) -> Ended:
    """Helm itself, in a process of its own: the SDK where it is installed, the helm binary otherwise."""
    backend = "sdk" if importlib.util.find_spec("helm_python") else shutil.which("helm") or ""
    if not backend:
        return Ended(False, "cannot run helm test: neither helm-python-sdk nor a helm binary is installed")
    with tempfile.TemporaryDirectory(prefix="helmtester-") as home:
        child = await asyncio.to_thread(Child, Path(home), kubeconfig=os.environ.get("KUBECONFIG", ""), backend=backend)
        try:
            work = Work("test", test.release, test.namespace, timeout=test.timeout)
            reply = await asyncio.to_thread(child.ask, work, limit)
            return Ended(reply.ok, reply.message or f"helm test {test.release}: {'passed' if reply.ok else 'failed'}")
        except (Crashed, TimedOut) as error:
            return Ended(False, f"cannot finish helm test {test.release}: {error or f'it did not end within {limit:g} s'}")
        finally:
            child.kill()


def arguments_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"cannot read {command[:80]!r}: {error}") from error
