"""From Services and Pods to destinations and endpoints: whose pod is it, is it ready, on which port; pure, raw objects in."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gitops_canary.sandbox.mesh.table import UNKNOWN, Destination, Endpoint

Doc = dict[str, Any]
PORTS = "sandbox.gitops-canary.dev/ports"
"""Annotation of a node without loopback addresses: `9898=51234,…`, the ports that the pod's ports really are."""


def workload_of(pod: Doc) -> str:
    """As Istio names it: the owner, for a ReplicaSet the Deployment that its hash points to, without an owner the pod itself."""
    metadata = pod["metadata"]
    owner = next((owner for owner in metadata.get("ownerReferences") or () if owner.get("controller")), None)
    if owner is None:
        return str(metadata["name"])
    name, suffix = str(owner["name"]), (metadata.get("labels") or {}).get("pod-template-hash", "")
    return name.removesuffix(f"-{suffix}") if owner["kind"] == "ReplicaSet" and suffix else name


def is_ready(pod: Doc) -> bool:
    """Ready, with an address, and not on its way out."""
    status = pod.get("status") or {}
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions") or ())
    return ready and bool(status.get("podIP")) and not pod["metadata"].get("deletionTimestamp")


class Workloads:
    """Pods found by selector without looking at all of them."""

    def __init__(self, services: Iterable[Doc], pods: Iterable[Doc]) -> None:
        self.services = {(doc["metadata"]["namespace"], doc["metadata"]["name"]): doc for doc in services}
        self._by_label: dict[tuple[str, str, str], list[Doc]] = defaultdict(list)
        for pod in pods:
            for key, value in (pod["metadata"].get("labels") or {}).items():
                self._by_label[pod["metadata"]["namespace"], key, value].append(pod)

    def behind(self, namespace: str, service: str, port: int, subset: Mapping[str, str]) -> dict[Destination, tuple[Endpoint, ...]]:
        """The destinations of one Service port (limited to pods with the subset's labels), with their ready endpoints; a Service that is
        not there or selects nothing is one destination of an unknown workload."""
        found: dict[Destination, list[Endpoint]] = {}
        for pod in self._selected(namespace, service, subset):
            destination = Destination(namespace, workload_of(pod), service, port)
            endpoints = found.setdefault(destination, [])
            target = self._target_port(namespace, service, port, pod)
            if is_ready(pod) and target:
                endpoints.append(Endpoint(pod["status"]["podIP"], real_port(pod, target)))
        if not found:
            return {Destination(namespace, UNKNOWN, service, port): ()}
        return {destination: tuple(sorted(endpoints)) for destination, endpoints in found.items()}

    def ports(self, namespace: str, service: str) -> list[int]:
        doc = self.services.get((namespace, service))
        return [int(port["port"]) for port in (doc or {}).get("spec", {}).get("ports") or ()]

    def _selected(self, namespace: str, service: str, subset: Mapping[str, str]) -> list[Doc]:
        selector = (self.services.get((namespace, service)) or {}).get("spec", {}).get("selector") or {}
        if not selector:
            return []
        wanted = {**selector, **subset}.items()
        first = next(iter(selector.items()))
        return [pod for pod in self._by_label.get((namespace, *first), ()) if wanted <= (pod["metadata"].get("labels") or {}).items()]

    def _target_port(self, namespace: str, service: str, port: int, pod: Doc) -> int | None:
        """A named target port is looked up in the pod's containers; None when no container has it."""
        ports = self.services[namespace, service]["spec"].get("ports") or ()
        target = next((entry.get("targetPort") or port for entry in ports if int(entry["port"]) == port), None)
        if isinstance(target, int) or target is None:
            return target
        if target.isdigit():
            return int(target)
        declared = (entry for container in pod["spec"].get("containers") or () for entry in container.get("ports") or ())
        return next((int(entry["containerPort"]) for entry in declared if entry.get("name") == target), None)


def real_port(pod: Doc, port: int) -> int:
    mapped = (pod["metadata"].get("annotations") or {}).get(PORTS, "")
    return next((int(real) for named, _, real in (pair.partition("=") for pair in mapped.split(",")) if named == str(port)), port)
