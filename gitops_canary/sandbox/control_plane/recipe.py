"""The Go side of the build: wrapper modules that pin the versions and the commands that compile them; knows no cache and no lock."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_canary.sandbox.control_plane.binaries import ETCD, HELM, KUBERNETES

Go = Callable[[Sequence[str], Path, Mapping[str, str]], str]
"""Runs `go` with these arguments in that folder with these extra variables; returns stdout."""

KUBERNETES_MODULE = "gitops-canary.local/kubernetes"
ETCD_MODULE = "gitops-canary.local/etcd"
# `go install …/etcd@version` refuses a module with replace directives, so a main of our own calls etcd's.
ETCD_MAIN = """package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""
KUBERNETES_COMMANDS = ("kube-apiserver", "kube-controller-manager", "kubectl")


@dataclass(frozen=True)
class Step:
    """One program to build: `make(go, modules, output)`; `minutes` is what it took on two cores with empty caches."""

    name: str
    version: str
    minutes: float
    make: Callable[[Go, Path, Path], None]


def steps() -> tuple[Step, ...]:
    """In this order, the cheap one first, so that a machine without network fails in seconds."""
    return (
        Step("etcd", ETCD, 1, _etcd),
        Step("kube-apiserver", KUBERNETES, 7, _kubernetes("kube-apiserver")),
        Step("kube-controller-manager", KUBERNETES, 2, _kubernetes("kube-controller-manager")),
        Step("kubectl", KUBERNETES, 1, _kubernetes("kubectl")),
        Step("helm", HELM, 1, _helm),
    )


def _etcd(go: Go, modules: Path, output: Path) -> None:
    folder = modules / "etcd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.go").write_text(ETCD_MAIN)
    if not (folder / "go.mod").is_file():
        go(["mod", "init", ETCD_MODULE], folder, {})
    go(["mod", "edit", f"-require=go.etcd.io/etcd/server/v3@{ETCD}"], folder, {})
    go(["mod", "tidy"], folder, {})
    go(["build", "-trimpath", "-ldflags", "-s -w", "-o", str(output), "."], folder, {})


def _kubernetes(command: str) -> Callable[[Go, Path, Path], None]:
    def make(go: Go, modules: Path, output: Path) -> None:
        folder = modules / "kubernetes"
        if not (folder / "go.sum").is_file():
            _kubernetes_module(go, folder)
        go(["build", "-trimpath", "-ldflags", _version_stamp(), "-o", str(output), f"k8s.io/kubernetes/cmd/{command}"], folder, {})

    return make


def _kubernetes_module(go: Go, folder: Path) -> None:
    """k8s.io/kubernetes requires its staging modules as v0.0.0 and replaces them by folders; here they become the released ones."""
    folder.mkdir(parents=True, exist_ok=True)
    answer = json.loads(go(["mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"], folder, {}))
    (folder / "go.mod").write_text(kubernetes_go_mod(Path(answer["GoMod"]).read_text()))
    go(["mod", "tidy"], folder, {})


def kubernetes_go_mod(upstream: str) -> str:
    """The wrapper's go.mod, made from the go.mod of k8s.io/kubernetes itself."""
    words = [line.split() for line in upstream.splitlines()]
    language = next(line[1] for line in words if len(line) == 2 and line[0] == "go")
    staging = [line[0] for line in words if len(line) >= 2 and line[0].startswith("k8s.io/") and line[1] == "v0.0.0"]
    released = "v0." + KUBERNETES.removeprefix("v1.")
    replaces = "".join(f"replace {name} => {name} {released}\n" for name in staging)
    tools = "".join(f"tool k8s.io/kubernetes/cmd/{name}\n" for name in KUBERNETES_COMMANDS)
    return f"module {KUBERNETES_MODULE}\n\ngo {language}\n\nrequire k8s.io/kubernetes {KUBERNETES}\n\n{replaces}\n{tools}"


def _version_stamp() -> str:
    """Without it the servers call themselves v0.0.0-master+…, and clients that parse the version (Helm, Flagger) stop."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamps = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    # The second package is what the programs call themselves in their User-Agent.
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return "-s -w " + " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in stamps.items())


def _helm(go: Go, modules: Path, output: Path) -> None:
    folder = modules / "helm"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"-s -w -X helm.sh/helm/v4/internal/version.version={HELM}"
    go(["install", "-trimpath", "-ldflags", stamp, f"helm.sh/helm/v4/cmd/helm@{HELM}"], folder, {"GOBIN": str(folder)})
    (folder / "helm").replace(output)
