"""`metrics.k8s.io/v1beta1` as a metrics server answers it, for the node's own pods, and the objects that announce it to an API server."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.selectors import label_test
from gitops_canary.sandbox.kube import Doc
from gitops_canary.sandbox.node.usage import Rate

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API = f"{GROUP}/{VERSION}"
ROOT = f"/apis/{API}"
KUBE_SYSTEM, SERVICE = "kube-system", "gitops-canary-metrics"
READS = ["get", "list"]
QUERY = frozenset({"labelSelector", "limit", "pretty", "resourceVersion", "timeoutSeconds", "timeout"})

Measured = Mapping[str, Rate]
"""Rates by container name."""
Pods = Callable[[], Iterable[tuple[Doc, Measured]]]
"""The node's pods with the rates of their containers; only those that have some."""


class MetricsApi:
    """Routes for the kubelet's application; `node` is the node's name."""

    def __init__(self, node: str, pods: Pods) -> None:
        self._node, self._pods = node, pods

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(f"/apis/{GROUP}", self._group)
        app.router.add_get(ROOT, self._resources)
        app.router.add_get(f"{ROOT}/pods", self._list)
        app.router.add_get(f"{ROOT}/namespaces/{{namespace}}/pods", self._list)
        app.router.add_get(f"{ROOT}/namespaces/{{namespace}}/pods/{{name}}", self._pod)
        app.router.add_get(f"{ROOT}/nodes", self._nodes)
        app.router.add_get(f"{ROOT}/nodes/{{name}}", self._one_node)

    async def _group(self, request: web.Request) -> web.Response:
        version = {"groupVersion": API, "version": VERSION}
        return web.json_response(
            {"kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version}
        )

    async def _resources(self, request: web.Request) -> web.Response:
        rows = (("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True))
        found = [{"name": name, "singularName": "", "namespaced": within, "kind": kind, "verbs": READS} for name, kind, within in rows]
        return web.json_response({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API, "resources": found})

    async def _list(self, request: web.Request) -> web.Response:
        if strange := sorted(request.query.keys() - QUERY):
            return _failure(Problem(400, "BadRequest", f"query parameter {strange[0]!r} is not supported for {API} by the sandbox's node"))
        try:
            chosen = label_test(request.query.get("labelSelector", ""))
        except Problem as problem:
            return _failure(problem)
        namespace = request.match_info.get("namespace")
        items = [_pod(pod, rates) for pod, rates in self._pods() if namespace in (None, pod["metadata"]["namespace"]) and chosen(pod)]
        return web.json_response({"kind": "PodMetricsList", "apiVersion": API, "metadata": {}, "items": items})

    async def _pod(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        for pod, rates in self._pods():
            if (pod["metadata"]["namespace"], pod["metadata"]["name"]) == key:
                return web.json_response(_pod(pod, rates))
        return _failure(Problem(404, "NotFound", f'podmetrics.{GROUP} "{key[0]}/{key[1]}" not found'))

    async def _nodes(self, request: web.Request) -> web.Response:
        return web.json_response({"kind": "NodeMetricsList", "apiVersion": API, "metadata": {}, "items": [self._whole()]})

    async def _one_node(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != self._node:
            return _failure(Problem(404, "NotFound", f'nodemetrics.{GROUP} "{request.match_info["name"]}" not found'))
        return web.json_response(self._whole())

    def _whole(self) -> Doc:
        """What the node's pods use together."""
        rates = [rate for _, measured in self._pods() for rate in measured.values()]
        usage = _usage(sum(rate.cores for rate in rates), sum(rate.memory for rate in rates))
        return {"kind": "NodeMetrics", "apiVersion": API, "metadata": {"name": self._node}, **_when(rates), "usage": usage}


def _pod(pod: Doc, rates: Measured) -> Doc:
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace", "labels") if key in pod["metadata"]}
    containers = [{"name": name, "usage": _usage(rate.cores, rate.memory)} for name, rate in rates.items()]
    return {"kind": "PodMetrics", "apiVersion": API, "metadata": metadata, **_when(list(rates.values())), "containers": containers}


def _usage(cores: float, memory: int) -> Doc:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{memory // 1024}Ki"}


def _when(rates: list[Rate]) -> Doc:
    at = min((rate.at for rate in rates), default=0.0)
    window = max((rate.window for rate in rates), default=0.0)
    return {"timestamp": stamp(datetime.fromtimestamp(at, UTC)), "window": f"{round(window * 1000)}ms"}


def _failure(problem: Problem) -> web.Response:
    return web.json_response(problem.status(), status=problem.code)


def announcement(address: str, port: int) -> dict[str, Any]:
    """Path of each object to apply, and the object: an API server then passes this API's requests on to that address."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE, "namespace": KUBE_SYSTEM}}
    service["spec"] = {"type": "ExternalName", "externalName": address, "ports": [{"port": port, "protocol": "TCP"}]}
    at = {"name": SERVICE, "namespace": KUBE_SYSTEM, "port": port}
    spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100, "service": at}
    registered = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": f"{VERSION}.{GROUP}"}}
    registered["spec"] = {**spec, "insecureSkipTLSVerify": True}
    return {
        f"/api/v1/namespaces/{KUBE_SYSTEM}/services/{SERVICE}": service,
        f"/apis/apiregistration.k8s.io/v1/apiservices/{VERSION}.{GROUP}": registered,
    }
