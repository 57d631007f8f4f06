"""One supervised ssh master a destination, so that a push costs no new connection; git's own ssh commands only join it."""

import contextlib
import hashlib
import os
import shlex
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from gitops_canary.adapters.git.redaction import redact
from gitops_canary.adapters.git.urls import GitUrl
from gitops_canary.domain.errors import UserError

MAX_SESSIONS = 8  # sshd refuses more than 10 on one connection (MaxSessions)
_CHECK_EVERY = 20.0
LONGEST_TEMPORARY = 32
"""Letters; what is added for folder and socket comes near the 90 that ssh takes."""
_STRICT = (
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "GlobalKnownHostsFile=/dev/null",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    "ControlPersist=no",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=2",
)


def control_folder(state: Path) -> Path:
    """A private folder with a short name for the sockets: ssh fails on paths over about 90 characters, and whoever reaches a socket is let
    in. The name follows from the state folder, so that a master which outlived a killed operator is found and ended."""
    folder = _control_path(state)
    _make_private(folder)
    return folder


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise UserError(f"cannot use {folder} for ssh sockets: it is not a private folder of ours", hint="remove it, or set TMPDIR")


def remove_control_folder(state: Path) -> None:
    """Unless something is in it: another process's socket."""
    with contextlib.suppress(OSError):
        _control_path(state).rmdir()


def _control_path(state: Path) -> Path:
    name = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:10]
    return _short_temporary() / f"gitops-canary-{os.getuid()}-{name}"


def _short_temporary() -> Path:
    """TMPDIR, unless its name leaves no room for a socket's: then the system's own."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    usable = [place for place in places if len(str(place)) <= LONGEST_TEMPORARY and os.access(place, os.W_OK | os.X_OK)]
    return usable[0] if usable else places[0]


class SshMaster:
    """The connection to one destination with one key."""

    def __init__(self, url: GitUrl, folder: Path, identity: Path | None, known_hosts: Path) -> None:
        self._url = url
        name = hashlib.sha256(f"{url.destination}:{url.port}".encode()).hexdigest()[:8]
        self._socket = folder / name
        self._said = folder / f"{name}.err"
        self._identity, self._known_hosts = identity, known_hosts
        self._process: subprocess.Popen[bytes] | None = None
        self._checked = 0.0
        self._lock = threading.Lock()
        self.sessions = threading.BoundedSemaphore(MAX_SESSIONS)

    def command(self) -> str:
        """For GIT_SSH_COMMAND: joins the master; without one it is a plain cold connection under the same rules."""
        return shlex.join(["ssh", *self._options(), "-o", "ControlMaster=no"])

    def ensure(self, timeout: float) -> str:
        """Connected within `timeout` seconds, or what ssh said; "" is success."""
        with self._lock:
            if self._works():
                return ""
            self._end()
            return self._start(timeout)

    def stop(self) -> None:
        """End the connection: at shutdown, when the key changes (a master outlives its key on the server), after a push without reply."""
        with self._lock:
            self._end()

    def _options(self) -> list[str]:
        wanted = [*_STRICT, f"UserKnownHostsFile={_quoted(self._known_hosts)}", f"ControlPath={_quoted(self._socket)}"]
        key = ["-o", f"IdentityFile={_quoted(self._identity)}"] if self._identity else ["-o", "IdentityFile=none"]
        return ["-F", os.devnull, "-T", *key, *(part for option in wanted for part in ("-o", option))]

    def _where(self) -> list[str]:
        return [*(["-p", str(self._url.port)] if self._url.port else []), "--", self._url.destination]

    def _works(self) -> bool:
        if self._process is None or self._process.poll() is not None or not self._socket.exists():
            return False
        if time.monotonic() - self._checked > _CHECK_EVERY:
            self._checked = time.monotonic()
            return self._control("check")
        return True

    def _control(self, what: str) -> bool:
        argv = ["ssh", *self._options(), "-O", what, *self._where()]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=3, env=_environment(), check=False)
        except (subprocess.TimeoutExpired, FileNotFoundError):
            return False
        return done.returncode == 0

    def _start(self, timeout: float) -> str:
        argv = ["ssh", *self._options(), "-N", "-o", "ControlMaster=yes", *self._where()]
        _make_private(self._socket.parent)
        with self._said.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=_environment(), start_new_session=True
                )
            except FileNotFoundError:
                return "cannot run ssh"
        give_up = time.monotonic() + timeout
        pause = threading.Event()
        while not self._socket.exists():
            if self._process.poll() is not None:
                words = self._words() or f"ssh ended with status {self._process.returncode}"
                self._end()
                return words
            if time.monotonic() > give_up:
                words = f"{self._words()}\nssh: connection timed out"
                self._end()
                return words
            pause.wait(0.005)
        self._checked = time.monotonic()
        return ""

    def _words(self) -> str:
        return redact(self._said.read_bytes()[-16384:].decode("utf-8", "replace"))

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()  # not SIGTERM: ssh loses it when it comes just before its poll, and then lives on for seconds
            self._process.wait()
            self._process = None
        elif self._socket.exists():
            self._control("exit")  # one that outlived a killed operator
        self._socket.unlink(missing_ok=True)
        self._said.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    # ssh splits option values at spaces and expands per cent signs.
    return '"' + str(path).replace("%", "%%") + '"'


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
