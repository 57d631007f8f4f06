"""`GITOPS_CANARY_FLAGGER=<flagger 1.36.1> python -m tests.migration.recording`: what a real Flagger leaves, written beside this file.

Flagger runs on a real control plane with the sandbox's node and mesh: one canary promoted, one failed, one in mid-run when it is stopped.
Run it again when the chart's pod template changes: `go install github.com/fluxcd/flagger/cmd/flagger@v1.36.1` builds the program."""

import contextlib
import functools
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import urllib3

from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.world import PODINFO, Shape, World
from tests.migration.left import CANARIES, GENERATED, RECORDING, install, values_of

PATIENCE = 400.0
SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences")


def main() -> None:
    program = os.environ["GITOPS_CANARY_FLAGGER"]
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), Shape(control_plane="real", tags=("3.1.0", "3.1.1"))) as world:
        world.push(PODINFO, "3.1.9", behaviour="errors=0.5")
        world.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}, manager="person")
        for name in CANARIES:
            install(world, name, values_of(name, "3.1.0", "10s"))
        with _flagger(program, world), _traffic(world):
            _until(lambda: all(_status(world, name).get("phase") == "Initialized" for name in CANARIES))
            for name, (tag, phase) in CANARIES.items():
                _set(world, name, tag)
                _until(functools.partial(_is, world, name, phase))
            _until(lambda: int(_status(world, "backend").get("canaryWeight", 0)) > 0)
        RECORDING.write_text(json.dumps(_left(world), indent=1, sort_keys=True) + "\n")


@contextlib.contextmanager
def _flagger(program: str, world: World) -> Iterator[None]:
    flags = [f"-kubeconfig={world.kubeconfig}", "-mesh-provider=istio", f"-metrics-server={world.metrics.url}", "-port=18080"]
    process = subprocess.Popen([program, *flags, "-enable-leader-election=false"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _traffic(world: World) -> Iterator[None]:
    ended = threading.Event()

    def call() -> None:
        http = urllib3.ProxyManager(world.mesh.proxy_for("test", "visitor"))
        while not ended.wait(0.02):
            for name in CANARIES:
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    http.request("GET", f"http://{name}.test:9898/", retries=False, timeout=5)

    thread = threading.Thread(target=call)
    thread.start()
    yield
    ended.set()
    thread.join()


def _set(world: World, name: str, tag: str) -> None:
    container = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{PODINFO}:{tag}"}]
    command = ["kubectl", f"--kubeconfig={world.kubeconfig}", "-n", "test", "patch", f"deployment/{name}", "--type=json"]
    subprocess.run([*command, f"--patch={json.dumps(container)}"], check=True)


def _is(world: World, name: str, phase: str) -> bool:
    return bool(_status(world, name).get("phase") == phase)


def _status(world: World, name: str) -> dict[str, Any]:
    return (world.canary(name) or {}).get("status") or {}


def _until(reached: Callable[[], bool]) -> None:
    looks = threading.Event()
    for _ in range(int(PATIENCE)):
        if reached():
            return
        looks.wait(1)
    raise TimeoutError("Flagger does not get there")


def _left(world: World) -> dict[str, Any]:
    generated = [doc for kind in GENERATED for doc in world.cluster.list(*kind, "test") if doc["metadata"].get("ownerReferences")]
    targets = {name: world.cluster.live(Ref("apps/v1", "Deployment", "test", name)) or {} for name in CANARIES}
    return {
        "generated": [_plain(doc) for doc in generated],
        "statuses": {name: _status(world, name) for name in CANARIES},
        "templates": {name: doc["spec"]["template"] for name, doc in targets.items()},
        "replicas": {name: doc["spec"]["replicas"] for name, doc in targets.items()},
    }


def _plain(doc: dict[str, Any]) -> dict[str, Any]:
    """Without what a server says of itself; the owner stays by name."""
    meta = {key: value for key, value in doc["metadata"].items() if key not in SERVER_FIELDS}
    spec = {key: value for key, value in (doc.get("spec") or {}).items() if key not in ("clusterIP", "clusterIPs")}
    owner = doc["metadata"]["ownerReferences"][0]["name"]
    return {
        "owner": owner,
        "object": {**{k: v for k, v in doc.items() if k != "status"}, "metadata": meta, **({"spec": spec} if spec else {})},
    }


if __name__ == "__main__":
    main()
