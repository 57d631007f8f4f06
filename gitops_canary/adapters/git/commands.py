"""Running git: argument lists, a clean environment, a time limit that ends the whole process group. What is asked is the callers'."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from git.cmd import Git

from gitops_canary.adapters.git.redaction import redact
from gitops_canary.domain.errors import UserError

# Nothing of the repository or the machine may run or steer anything; gc is ours (a background gc leaves zombies under PID 1).
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "gc.auto=0",
    "gc.autoDetach=false",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=30",
    "i18n.logOutputEncoding=UTF-8",
    "transfer.credentialsInUrl=die",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "push.gpgSign=false",
    "color.ui=false",
)
_MAX_ERROR = 64 * 1024


@dataclass(frozen=True)
class Result:
    """How a git command ended. `err` is redacted; `timed_out` means we ended it; `reached` is False when there was no
    connection at all."""

    status: int
    out: bytes
    err: str
    timed_out: bool = False
    reached: bool = True

    @property
    def ok(self) -> bool:
        return self.status == 0 and not self.timed_out


class Commands:
    """Starts git for one state folder, which is its HOME and working directory."""

    def __init__(self, state: Path, *, allow_file: bool = False) -> None:
        self._home = state / "home"
        self._home.mkdir(parents=True, exist_ok=True)
        self._protocols = "https:http:ssh" + (":file" if allow_file else "")
        self._git = Git(str(self._home))
        self._program = shutil.which("git") or ""

    def run(
        self, args: Sequence[str], *, git_dir: Path | None, timeout: float, env: Mapping[str, str] | None = None, given: bytes | None = None
    ) -> Result:
        """`given` is standard input. Never raises on a git failure; UserError when git is not installed."""
        wrapper = self.start(args, git_dir=git_dir, env=env, pipe=given is not None)
        process = wrapper.proc
        assert process is not None
        try:
            out, err = process.communicate(given, timeout)
        except subprocess.TimeoutExpired as late:
            end_group(process)
            # Not another communicate(): an ssh master holds the error pipe of its sessions open for as long as the server is at work.
            close_pipes(process)
            return Result(-1, late.stdout or b"", _text(late.stderr), timed_out=True)
        return Result(process.returncode, out, _text(err))

    def start(
        self, args: Sequence[str], *, git_dir: Path | None, env: Mapping[str, str] | None = None, pipe: bool = False
    ) -> "Git.AutoInterrupt":
        """A running git; keep the wrapper that comes back, its collection ends the process."""
        if not self._program:
            raise UserError("cannot run git: it is not installed", hint="install git 2.30 or newer")
        where = [f"--git-dir={git_dir}"] if git_dir else []
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        ours = {**self._environment(), **(env or {})}
        argv = [*_without_git_variables(ours), self._program, *where, *settings, *args]
        return self._git.execute(
            argv,
            as_process=True,
            env=ours,
            istream=subprocess.PIPE if pipe else subprocess.DEVNULL,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": self._protocols,
            "LC_ALL": "C",
            "LANGUAGE": "C",
        }


def _without_git_variables(ours: Mapping[str, str]) -> list[str]:
    # GitPython copies os.environ; a GIT_DIR or GIT_SSH of the surroundings must not reach our commands.
    names = sorted(name for name in os.environ if name.startswith("GIT_") and name not in ours)
    return [shutil.which("env") or "env", *(part for name in names for part in ("-u", name))] if names else []


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End git with its children (ssh, remote helpers): each runs in a session of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(1)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def close_pipes(process: "subprocess.Popen[bytes]") -> None:
    """Whether or not the process still lives."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):  # what was buffered for a process that is gone
            if pipe:
                pipe.close()


def _text(err: bytes | None) -> str:
    return redact((err or b"")[-_MAX_ERROR:].decode("utf-8", "replace"))
