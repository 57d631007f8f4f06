"""A real OpenSSH server with restricted keys, on a free port and in a temporary folder; what is left out where there is none."""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"
"""Set to 1 in CI: there a missing sshd fails, so that nothing is left out silently."""

SSHD = next((path for path in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if os.access(path, os.X_OK)), shutil.which("sshd") or "")
READ_ONLY = "ERROR: The key you are authenticating with has been marked as read only."

GATE = f"""#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
  git-upload-pack*) ;;
  git-receive-pack*) test "$1" = write || {{ echo '{READ_ONLY}' >&2; exit 1; }} ;;
  *) echo 'this host gives no shell' >&2; exit 1 ;;
esac
exec git-shell -c "$SSH_ORIGINAL_COMMAND"
"""


def absence() -> str:
    """Why no OpenSSH server can be started; empty when one can."""
    return "" if SSHD and shutil.which("git-shell") else "there is no sshd or git-shell (Debian: apt-get install openssh-server)"


def require_sshd() -> str:
    """The reason to leave sshd out; fails instead where it is required."""
    reason = absence()
    if reason and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but {reason}", pytrace=False)
    return reason


def pytest_report_header() -> str:
    return f"left out: Git over OpenSSH, {absence()}" if absence() else f"Git over OpenSSH: {SSHD}"


class Sshd:
    """`start` and `stop` may follow each other; the host key, the port and the keys that are let in stay."""

    def __init__(self, root: Path) -> None:
        self.root, self.user = root, getpass.getuser()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
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
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start as root without it
        lines = [
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
        (self.root / "config").write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.root / "config"], stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"listening on" in line:
                return
        raise RuntimeError(f"sshd ended with status {self._process.wait()}")

    def stop(self) -> None:
        """Ends the server; connections end with the clients that hold them."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def _write_keys(self) -> None:
        gate = shlex.quote(str(self.root / "gate"))
        lines = [f'restrict,command="/bin/sh {gate} {"write" if write else "read"}" {key}' for key, write in self._keys.items()]
        fresh = self.root / "authorized_keys.new"
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self.root / "authorized_keys")


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """A running OpenSSH server; no key is let in yet."""
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder:
        server = Sshd(Path(folder))
        server.start()
        yield server
        server.stop()
