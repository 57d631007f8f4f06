"""Where the control plane's programs are: KUBEBUILDER_ASSETS when set, else the user's cache folder; builds and starts nothing."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_canary.domain.errors import UserError

KUBERNETES = "v1.36.3"
ETCD = "v3.6.16"
HELM = "v4.2.3"

SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager")
TOOLS = ("kubectl", "helm")
HINT = "run `make control-plane` (about 12 minutes the first time on two cores), or set KUBEBUILDER_ASSETS to a folder that has them"


@dataclass(frozen=True)
class Binaries:
    """Paths of the three servers, and of the two tools where there are any."""

    etcd: Path
    apiserver: Path
    controller_manager: Path
    kubectl: Path | None
    helm: Path | None


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the pinned versions below XDG_CACHE_HOME (default ~/.cache); it need not exist."""
    caches = environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    base = Path(caches) if caches.startswith("/") else Path.home() / ".cache"
    return base / "gitops-canary" / "control-plane" / f"kubernetes-{KUBERNETES}-etcd-{ETCD}-helm-{HELM}"


def find(environ: Mapping[str, str] = os.environ) -> Binaries:
    """The programs to run; UserError names the missing ones, where they were looked for, and the command that makes them."""
    assets = environ.get("KUBEBUILDER_ASSETS", "")
    folder = Path(assets) if assets else cache_folder(environ)
    missing = [name for name in SERVERS if not runnable(folder / name)]
    if missing:
        source = " (KUBEBUILDER_ASSETS)" if assets else ""
        raise UserError(f"cannot start a control plane: {', '.join(missing)} not found in {folder}{source}", hint=HINT)
    kubectl, helm = (_tool(name, folder, environ) for name in TOOLS)
    return Binaries(folder / SERVERS[0], folder / SERVERS[1], folder / SERVERS[2], kubectl, helm)


def runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _tool(name: str, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """setup-envtest's folder has no helm: take the one built here, then whatever stands on PATH."""
    for candidate in (folder / name, cache_folder(environ) / name):
        if runnable(candidate):
            return candidate
    found = shutil.which(name, path=environ.get("PATH"))
    return Path(found) if found else None
