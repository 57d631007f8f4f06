"""One SSH session: what a command may do, refusals in a hosting service's words, and the bytes between client and git."""

import asyncio
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_canary.sandbox.gitd.bare import BareRepository, environment

if TYPE_CHECKING:
    from gitops_canary.sandbox.gitd.server import GitServer

_NAME = re.compile(r"/?(~/)?(?P<name>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*)")
_READ_ONLY = "ERROR: The key you are authenticating with has been marked as read only."
_NO_SHELL = "Hi! Your key is accepted, but this host gives no shell."
_CHUNK = 65536


@dataclass(frozen=True)
class Push:
    """A ref that a push moved; an id is None where the ref does not exist."""

    repository: str
    ref: str
    old: str | None
    new: str | None


async def serve_command(server: "GitServer", process: Any, words: list[str]) -> None:
    """Runs git for the session and ends it with git's status."""
    try:
        status = await _answer(server, process, words)
        process.exit(status)
    except (BrokenPipeError, ConnectionError, asyncio.CancelledError):
        process.close()


async def _answer(server: "GitServer", process: Any, words: list[str]) -> int:
    if server.faults.delay:
        await asyncio.sleep(server.faults.delay)
    if server.faults.take("break_connections"):
        process.get_extra_info("connection").abort()
        return 255
    if server.faults.refusals:
        return _refuse(process, server.faults.refusals.pop(0))
    if len(words) != 2 or words[0] not in ("git-upload-pack", "git-receive-pack"):
        return _refuse(process, _NO_SHELL)
    key = server.key(process.get_extra_info("connection").get_extra_info("gitd_key") or "")
    folder = _folder(server.root, words[1])
    if folder is None or key is None:
        return _refuse(process, "ERROR: Repository not found.")
    if words[0] == "git-receive-pack" and not key.write:
        return _refuse(process, _READ_ONLY)
    return await _run(server, process, words[0].removeprefix("git-"), folder)


def _refuse(process: Any, sentence: str) -> int:
    process.stderr.write(sentence.encode() + b"\n")
    return 1


def _folder(root: Path, asked: str) -> Path | None:
    match = _NAME.fullmatch(asked)
    if not match or ".." in asked:
        return None
    folder = root / (match["name"].removesuffix(".git") + ".git")
    return folder if (folder / "HEAD").is_file() else None


async def _run(server: "GitServer", process: Any, program: str, folder: Path) -> int:
    if program == "receive-pack" and server.faults.outruns:
        await asyncio.to_thread(server.faults.outruns.pop(0), BareRepository(folder))
    lost = program == "receive-pack" and server.faults.take("lose_push_replies")
    watched = program == "receive-pack" and server.listens_to_pushes
    before = BareRepository(folder).refs() if watched else {}
    env = environment(server.root / "home")
    if protocol := process.env.get("GIT_PROTOCOL"):
        env["GIT_PROTOCOL"] = str(protocol)
    git = await asyncio.create_subprocess_exec("git", program, str(folder), stdin=-1, stdout=-1, stderr=-1, env=env, start_new_session=True)
    try:
        await _pump(process, git, lost)
        status = await git.wait()
    finally:
        if git.returncode is None:
            os.killpg(git.pid, signal.SIGKILL)
            await git.wait()
    if watched:
        _tell(server, folder, before)
    if lost:
        process.get_extra_info("connection").abort()
    return status


async def _pump(process: Any, git: Any, lost: bool) -> None:
    given = asyncio.create_task(_copy(process.stdin, git.stdin, close=True))
    said = asyncio.create_task(_copy(git.stderr, None if lost else process.stderr))
    await (_copy_advertisement(git.stdout, process.stdout) if lost else _copy(git.stdout, process.stdout))
    await said
    given.cancel()
    await asyncio.gather(given, return_exceptions=True)


async def _copy(source: Any, sink: Any, *, close: bool = False) -> None:
    """Until the source ends. A client that went away does not stop git: what it has been given in full it carries out."""
    open_ = sink is not None
    while data := await source.read(_CHUNK):
        if not open_:
            continue
        try:
            sink.write(data)
            await sink.drain()
        except (BrokenPipeError, ConnectionError):
            open_ = False
    if close and open_:
        sink.close()


async def _copy_advertisement(source: Any, sink: Any) -> None:
    """The refs at the start of a push, up to their flush packet; the report that follows is swallowed."""
    while (size := int(await source.readexactly(4), 16)) != 0:
        sink.write(b"%04x" % size + await source.readexactly(size - 4))
    sink.write(b"0000")
    await _copy(source, None)


def _tell(server: "GitServer", folder: Path, before: dict[str, str]) -> None:
    after = BareRepository(folder).refs()
    name = str(folder.relative_to(server.root)).removesuffix(".git")
    for ref in sorted(before.keys() | after.keys()):
        if before.get(ref) != after.get(ref):
            server.pushed(Push(name, ref, before.get(ref), after.get(ref)))
