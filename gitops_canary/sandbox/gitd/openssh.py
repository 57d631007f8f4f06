"""Git over a real OpenSSH server: `Sshd` lets restricted keys in, `OpenSshGit` offers it as `GitServer` is offered."""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.control_plane.processes import Processes, last_words
from gitops_canary.sandbox.gitd.bare import BareRepository
from gitops_canary.sandbox.gitd.sessions import Push

START_SECONDS, POLL_SECONDS = 20.0, 0.02
READ_ONLY = "ERROR: The key you are authenticating with has been marked as read only."
GATE = f"""#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
  git-upload-pack*) ;;
  git-receive-pack*) test "$1" = write || {{ echo '{READ_ONLY}' >&2; exit 1; }} ;;
  *) echo 'this host gives no shell' >&2; exit 1 ;;
esac
exec git-shell -c "$SSH_ORIGINAL_COMMAND"
"""
TOLD = """while read -r old new ref; do
  printf '%s %s %s %s\\n' "$(basename "$PWD" .git)" "$old" "$new" "$ref" >> {log}
done
"""
NOTHING = "0" * 40


def program() -> str:
    """Where sshd is, which seldom stands on a user's PATH; "" when it is not installed."""
    usual = ("/usr/sbin/sshd", "/usr/local/sbin/sshd")
    return next((path for path in usual if os.access(path, os.X_OK)), shutil.which("sshd") or "")


def absence() -> str:
    """Why no OpenSSH server can be started; empty when one can."""
    return "" if program() and shutil.which("git-shell") else "there is no sshd or git-shell (Debian: apt-get install openssh-server)"


def version() -> str:
    """`OpenSSH_9.2p1`; the program says it only when it is asked for something it does not know."""
    said = subprocess.run([program(), "-V"], capture_output=True, text=True, check=False).stderr
    return next((word.rstrip(",") for word in said.split() if word.startswith("OpenSSH_")), "of unknown version")


class Sshd:
    """`start` and `stop` may follow each other; the host key, the port and the keys that are let in stay."""

    def __init__(self, root: Path) -> None:
        if absence():
            raise UserError(f"cannot start an OpenSSH server: {absence()}")
        self.root, self.user = root, getpass.getuser()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._processes: Processes | None = None
        self._keys: dict[str, bool] = {}
        self.new_host_key()
        (root / "gate").write_text(GATE)
        self._write_keys()

    def new_host_key(self) -> None:
        key = self.root / "host_key"
        for file in (key, self.root / "host_key.pub"):
            file.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)

    @property
    def known_hosts(self) -> str:
        return f"[127.0.0.1]:{self.port} {' '.join((self.root / 'host_key.pub').read_text().split()[:2])}"

    def url(self, repository: Path) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}{repository}"

    def add_key(self, public: str, *, write: bool) -> None:
        self._keys[public] = write
        self._write_keys()

    def remove_key(self, public: str) -> None:
        self._keys.pop(public, None)
        self._write_keys()

    def start(self) -> None:
        """Listens when it returns; Unavailable with its last words when it does not."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start as root without it
        (self.root / "config").write_text("\n".join(self._configuration()) + "\n")
        log = self.root / "sshd.log"
        log.unlink(missing_ok=True)
        scratch = self.root / "running"
        scratch.mkdir(exist_ok=True)
        self._processes = Processes(scratch)
        child = self._processes.start([program(), "-D", "-E", str(log), "-f", str(self.root / "config")], log="sshd.out")
        for _ in range(int(START_SECONDS / POLL_SECONDS)):
            if log.is_file() and "listening on" in log.read_text():
                return
            if child.poll() is not None:
                break
            threading.Event().wait(POLL_SECONDS)
        self.stop()
        raise Unavailable(f"cannot start {program()} on port {self.port}: {last_words(log)}")

    def stop(self) -> None:
        """Ends the server; connections end with the clients that hold them."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    def _configuration(self) -> list[str]:
        return [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.root}/host_key",
            f"AuthorizedKeysFile {self.root}/authorized_keys",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "AcceptEnv GIT_PROTOCOL",
            "SetEnv SHLVL=2",  # or Debian's bash reads this person's .bashrc for each command, which can cost 200 ms
            "MaxStartups 100",
            "PrintMotd no",
        ]

    def _write_keys(self) -> None:
        gate = shlex.quote(str(self.root / "gate"))
        lines = [f'restrict,command="/bin/sh {gate} {"write" if write else "read"}" {key}' for key, write in self._keys.items()]
        fresh = self.root / "authorized_keys.new"
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self.root / "authorized_keys")


class OpenSshGit:
    """Bare repositories below `root` behind one OpenSSH server; `on_push` hears of pushes by a post-receive hook of Git's own."""

    kind = "sshd"

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sshd").mkdir(parents=True, exist_ok=True)
        self._sshd = Sshd(root / "sshd")
        self._log = root / "pushes"
        self._listeners: list[Callable[[Push], None]] = []
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._log.write_text("")
        self._stopped.clear()
        self._sshd.start()
        self._thread = threading.Thread(target=self._follow, name="pushes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)
        self._sshd.stop()

    def create(self, name: str, files: Mapping[str, bytes] | None = None, branch: str = "main") -> BareRepository:
        made = BareRepository.create(self.root / f"{name}.git", files, branch=branch)
        made.hook("post-receive", TOLD.format(log=shlex.quote(str(self._log))))
        return made

    def repository(self, name: str) -> BareRepository:
        return BareRepository(self.root / f"{name}.git")

    def url(self, name: str) -> str:
        return self._sshd.url(self.root / f"{name}.git")

    @property
    def known_hosts(self) -> str:
        return self._sshd.known_hosts

    def add_key(self, public: str, *, write: bool) -> None:
        """Let this key in, or change what it may do from its next command on."""
        self._sshd.add_key(public, write=write)

    def remove_key(self, public: str) -> None:
        self._sshd.remove_key(public)

    def on_push(self, listener: Callable[[Push], None]) -> None:
        """Called (in a thread of its own) for each ref that a push moved, after it moved."""
        self._listeners.append(listener)

    def _follow(self) -> None:
        with self._log.open() as log:
            while not self._stopped.wait(POLL_SECONDS):
                for line in log:
                    self._tell(line.split())

    def _tell(self, words: list[str]) -> None:
        repository, old, new, ref = words
        push = Push(repository, ref, *(None if one == NOTHING else one for one in (old, new)))
        for listener in self._listeners:
            listener(push)
