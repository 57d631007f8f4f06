"""A cluster repository, a registry and a cluster in memory, with the images and results managers on them, in virtual time."""

from dataclasses import dataclass, field
from typing import Any

from gitops_canary.managers.images import ImageRules, ImagesManager
from gitops_canary.manifests.tree import ParseCache, read_tree
from gitops_canary.ports import Turn
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster
from tests.memory.faults import Faults
from tests.memory.registry import MemoryRegistry
from tests.memory.repository import MemoryRepository

PODINFO = "stefanprodan/podinfo"
FRONTEND = "releases/frontend.yaml"


def release(name: str = "frontend", tag: str = "3.1.0", filter_text: str = "semver:~3.1", extra: str = "", image: str = PODINFO) -> str:
    return f"""apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: {name}
  namespace: test
  annotations:
    fluxcd.io/automated: "true"  # automation
    filter.fluxcd.io/chart-image: {filter_text}{extra}
spec:
  releaseName: {name}
  chart: {{path: charts/podinfo}}
  values:
    image:
      repository: {image}
      tag: {tag}
"""


class Lines:
    """A log that keeps its sentences."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def info(self, event: str, **keys: object) -> None:
        self.sentences.append(event)

    warning = error = info


@dataclass
class World:
    files: dict[str, str] = field(default_factory=lambda: {FRONTEND: release()})
    rules: ImageRules = field(default_factory=ImageRules)

    def __post_init__(self) -> None:
        self.faults, self.clock, self.log = Faults(), VirtualClock(), Lines()
        self.repository = MemoryRepository(self.files, self.faults, lambda: self.clock.now().wall)
        self.registry = MemoryRegistry(self.faults)
        self.cluster = MemoryCluster(self.faults)
        self.registry.push(PODINFO, "3.1.0")
        self.restart()

    def restart(self) -> None:
        """A new process: everything in memory is gone."""
        cache = ParseCache()
        self.load = lambda tree: read_tree(tree, (), cache)
        self.images = ImagesManager(self.repository, self.registry, self.cluster, self.load, self.rules, self.log)

    def poll(self, *keys: str, after: float = 0.0) -> Turn:
        """Fetch as sync does and run the images manager once."""
        self.clock.advance(after)
        self.repository.fetch()
        return self.images.ensure(self.clock.now(), frozenset(keys))

    def scan(self, after: float = 301.0) -> Turn:
        return self.poll(after=after)

    def canary(
        self, name: str = "frontend", status: dict[str, Any] | None = None, image: str = f"{PODINFO}:3.1.0", primary: str = ""
    ) -> None:
        """A canary of a chart's Deployment, with its primary."""
        annotations = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": "test"}
        self.cluster.put(
            deployment(name, image, annotations),
            deployment(f"{name}-primary", primary or image),
            {
                "apiVersion": "flagger.app/v1beta1",
                "kind": "Canary",
                "metadata": {"name": name, "namespace": "test"},
                "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}},
                "status": status or {},
            },
        )


def deployment(name: str, image: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "test", "annotations": annotations or {}},
        "spec": {"template": {"spec": {"containers": [{"name": "podinfo", "image": image}]}}},
    }
