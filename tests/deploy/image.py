"""The Dockerfile built by buildah without a daemon, on Debian as mmdebstrap makes it, and what is in it run as the Deployment says."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.deploy.manifests import DEPLOY

ROOT = DEPLOY.parent
BASE = "docker.io/library/debian:trixie-slim"
TAG = "localhost/gitops-canary:built"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LEFT_OUT_OF_SLIM = ("doc", "man", "groff", "info", "locale", "lintian", "linda")
CONFIGURED = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""How this machine reaches packages; an image has no other way to know."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--")


def able() -> bool:
    """Whether this machine can build and run images at all: the programs, Debian's keys, and the rights to mount."""
    if os.geteuid() or not KEYRING.exists() or not all(map(shutil.which, ("buildah", "mmdebstrap", "unshare", "setpriv"))):
        return False
    return subprocess.run([*NAMESPACES, "mount", "-t", "tmpfs", "probe", "/mnt"], capture_output=True, check=False).returncode == 0


def told(command: Sequence[str], **given: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env={**os.environ, **given})
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout.strip()


class NoDebian(Exception):
    """The mirror of this machine has no such Debian, or cannot be reached: nothing that the product could mend."""


class Builder:
    """Images and containers below one folder; `remove` takes them off again, mounts and all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._policy = folder / "policy.json"
        self._policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def _buildah(self, *words: str) -> str:
        command = ["buildah", "--root", f"{self._folder}/images", "--runroot", f"{self._folder}/run", *words]
        return told(command, BUILDAH_ISOLATION="chroot")

    def base(self) -> None:
        """Debian under the name that the Dockerfile begins with, as slim as that image is. NoDebian where its mirror gives none."""
        archive = str(self._folder / "base.tar")
        slim = [f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in LEFT_OUT_OF_SLIM]
        try:
            told(
                ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", *slim, BASE.rpartition(":")[2].partition("-")[0], archive]
            )
        except (AssertionError, subprocess.TimeoutExpired) as error:
            raise NoDebian(str(error)[-500:]) from error
        made = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", made, archive, "/")
        self._buildah("add", "--quiet", made, str(CERTIFICATES), str(CERTIFICATES))
        own = [f"--env={name}={os.environ[name]}" for name in CONFIGURED if name in os.environ]
        self._buildah("config", "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *own, made)
        self._buildah("commit", "--quiet", "--rm", f"--signature-policy={self._policy}", made, BASE)

    def build(self) -> Path:
        """The image's root filesystem, mounted."""
        file = str(DEPLOY / "docker" / "Dockerfile")
        ignored = f"--ignorefile={ROOT / '.dockerignore'}"
        self._buildah(
            "bud", "--pull-never", f"--signature-policy={self._policy}", "--format=docker", ignored, "-f", file, "-t", TAG, str(ROOT)
        )
        return Path(self._buildah("mount", self._buildah("from", "--pull-never", TAG)))

    def configuration(self) -> dict[str, Any]:
        """What the image says of itself: Env, User, Entrypoint."""
        configuration: dict[str, Any] = json.loads(self._buildah("inspect", "--type=image", TAG))["Docker"]["config"]
        return configuration

    def remove(self) -> None:
        self._buildah("rm", "--all")
        self._buildah("rmi", "--all", "--force")


INSIDE = """
root=$1 settings=$2; shift 2
mount --bind "$root" "$root" && mount --make-private "$root"
mount -t proc proc "$root/proc" && mount -t tmpfs -o mode=755 dev "$root/dev"
for one in null zero random urandom; do touch "$root/dev/$one"; mount --bind "/dev/$one" "$root/dev/$one"; done
mkdir -p "$root/var/lib/gitops-canary" "$root/etc/gitops-canary"
mount -t tmpfs -o size=64m,mode=1777 tmp "$root/tmp" && mount -t tmpfs -o mode=2770,gid=65532 state "$root/var/lib/gitops-canary"
mount --bind "$settings" "$root/etc/gitops-canary" && mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid=65532 --regid=65532 --groups=65532 --inh-caps=-all --bounding-set=-all --no-new-privs env -i "$@"
"""
"""The Deployment's securityContext and volumes, by hand: what a container runtime does with them."""


class Container:
    """The image's program with the Deployment's security settings: its own processes and mounts, the machine's network."""

    def __init__(self, root: Path, environment: Mapping[str, str], entry: Sequence[str]) -> None:
        self._root, self._environment, self._entry = root, environment, entry

    def command(self, words: Sequence[str], settings: Path, entry: Sequence[str] | None = None) -> list[str]:
        environment = [f"{name}={value}" for name, value in {"HOME": "/tmp", **self._environment}.items()]
        started = self._entry if entry is None else entry
        return [*NAMESPACES, "sh", "-ec", INSIDE, "sh", str(self._root), str(settings), *environment, *started, *words]

    def __call__(self, *words: str, settings: Path, entry: Sequence[str] | None = None) -> str:
        return told(self.command(words, settings, entry))

    @contextlib.contextmanager
    def running(self, *words: str, settings: Path, log: Path) -> Iterator["Started"]:
        with log.open("wb") as out, subprocess.Popen(self.command(words, settings), stdout=out, stderr=out) as process:
            try:
                yield Started(process)
            finally:
                process.kill()


class Started:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def stop(self) -> int:
        """SIGTERM to the container's first process, as a kubelet sends it; the exit status."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        return self._process.wait(timeout=30)
