"""A cluster with a node, a registry and the mesh, as the node's tests use it; its fixture stands in conftest.py."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_canary.sandbox.apiserver.server import ApiServer
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from gitops_canary.sandbox.controllers.manager import Controllers
from gitops_canary.sandbox.mesh.mesh import Mesh
from gitops_canary.sandbox.node.containers import Pace
from gitops_canary.sandbox.node.images import RegistryImages
from gitops_canary.sandbox.node.node import Node
from gitops_canary.sandbox.registryd.images import BEHAVIOUR, PROGRAM, Target
from gitops_canary.sandbox.registryd.server import RegistryServer

NAMESPACE = "node-test"
Doc = dict[str, Any]


@dataclass
class World:
    plane: Any
    mesh: Mesh
    node: Node
    kubeconfig: str

    def kubectl(self, *arguments: str, input: str | bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = [str(self.plane.kubectl or shutil.which("kubectl")), "--kubeconfig", self.kubeconfig, "-n", NAMESPACE, *arguments]
        sent = input.encode() if isinstance(input, str) else input
        ran = subprocess.run(command, input=sent, capture_output=True, timeout=60, check=False)
        assert not check or ran.returncode == 0, ran.stderr.decode()
        return ran

    def apply(self, doc: Doc) -> None:
        self.kubectl("apply", "-f", "-", input=json.dumps(doc))

    def pod(self, name: str) -> Doc:
        found: Doc = json.loads(self.kubectl("get", "pod", name, "-o", "json").stdout)
        return found

    def wait(self, what: str, condition: str) -> None:
        self.kubectl("wait", what, f"--for={condition}", "--timeout=30s")

    def run(self, name: str, *command: str, restart: str = "Never", **more: Any) -> None:
        """A pod of the chart-test image."""
        container = {"name": "main", "image": "curlimages/curl:8.10.1", "command": list(command), **more.pop("container", {})}
        self.apply(pod(name, {"restartPolicy": restart, "containers": [container], **more}))


def pod(name: str, spec: Doc, **metadata: Any) -> Doc:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE, **metadata}, "spec": spec}


def podinfo(tag: str, **more: Any) -> Doc:
    probe = {"httpGet": {"path": "/readyz", "port": "http"}}
    ports = [{"name": "http", "containerPort": 9898}]
    return {"name": "podinfo", "image": f"stefanprodan/podinfo:{tag}", "ports": ports, "readinessProbe": probe, **more}


def deployment(name: str, tag: str, replicas: int) -> Doc:
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": "9898"}
    template = {
        "metadata": {"labels": {"app": name}, "annotations": scraped},
        "spec": {"containers": [podinfo(tag, command=["./podinfo", "--port=9898"])]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str) -> Doc:
    spec = {"selector": {"app": name}, "ports": [{"port": 9898, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


class Sandbox:
    """The sandbox's API server and controllers, asked as the real plane is."""

    kubectl = None

    def __init__(self, folder: Path) -> None:
        self._folder, self._server = folder, ApiServer()

    @property
    def url(self) -> str:
        return self._server.url

    def kubeconfig(self, user: str) -> Path:
        path = self._folder / f"{user}.json"
        path.write_text(json.dumps(self._server.kubeconfig()))
        return path

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._server:
            controllers = Controllers(self.kubeconfig("controllers"))
            controllers.start()
            yield
            controllers.stop()


def worlds(control_plane: ControlPlane | Sandbox) -> Iterator[World]:
    with RegistryServer() as registry:
        for tag, behaviour in (("3.1.0", "good"), ("3.1.2", "crash"), ("3.1.3", "errors=lots"), ("3.1.4", "errors=0.4,slow=30ms")):
            registry.push_image("stefanprodan/podinfo", tag, labels={PROGRAM: "podinfo", BEHAVIOUR: behaviour})
        registry.push_image("curlimages/curl", "8.10.1", labels={PROGRAM: "chart-test"})
        registry.push_image("library/nginx", "1", labels={})
        registry.push_image("gitops-canary/gitops-canary", "1", labels={PROGRAM: "loadtester"})
        mesh = Mesh(control_plane.kubeconfig("mesh"), data_plane="python")
        mesh.start()
        images = RegistryImages({"docker.io": Target(registry.url)})
        pace = Pace(backoff=0.1, longest=0.5, eager=0.05)
        node = Node(control_plane.kubeconfig("node"), images, proxy=mesh.proxy_for, name="node-test", pace=pace)
        node.start()
        node.wait_ready()
        mesh.wait_ready()
        made = World(control_plane, mesh, node, str(control_plane.kubeconfig("kubectl")))
        made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield made
        node.stop()
        mesh.stop()
