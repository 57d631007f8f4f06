"""A raw HTTP client of any Kubernetes API for the conformance suite: answers as they come, nothing interpreted."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3
from ruamel.yaml import YAML

Doc = dict[str, Any]
JSON, MERGE, JSON_PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
SECONDS = 20.0
"""How long a controller may take until a test gives up; on an idle machine it is milliseconds."""

GROUPS = {
    "deployments": "apis/apps/v1",
    "replicasets": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "daemonsets": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    "cronjobs": "apis/batch/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "horizontalpodautoscalers": "apis/autoscaling/v2",
    "roles": "apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "apis/rbac.authorization.k8s.io/v1",
    "clusterroles": "apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "apis/rbac.authorization.k8s.io/v1",
    "customresourcedefinitions": "apis/apiextensions.k8s.io/v1",
    "ingresses": "apis/networking.k8s.io/v1",
    "networkpolicies": "apis/networking.k8s.io/v1",
    "storageclasses": "apis/storage.k8s.io/v1",
    "priorityclasses": "apis/scheduling.k8s.io/v1",
}

CLUSTER = {
    "namespaces",
    "nodes",
    "clusterroles",
    "clusterrolebindings",
    "customresourcedefinitions",
    "persistentvolumes",
    "storageclasses",
    "priorityclasses",
}
"""Plurals that stand in no namespace."""


@dataclass(frozen=True)
class Answer:
    """The status code, the decoded body and the headers."""

    code: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def meta(self) -> Doc:
        return dict(self.body["metadata"])

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def warnings(self) -> list[str]:
        assert isinstance(self.headers, urllib3.HTTPHeaderDict)
        return self.headers.getlist("Warning")

    @property
    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.body["items"]]


class Api:
    """One user of one server. `ns` is the namespace of the test; `sandbox` is the server itself when it is ours."""

    def __init__(self, kubeconfig: Path, ns: str = "", sandbox: Any = None, token: str = "") -> None:
        self.kubeconfig, self.ns, self.sandbox = kubeconfig, ns, sandbox
        config = YAML(typ="safe", pure=True).load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = str(cluster["server"]).rstrip("/")
        self._token = token or user["token"]
        timeout = urllib3.Timeout(connect=5, read=30)
        self._http = urllib3.PoolManager(**_authority(cluster), timeout=timeout, retries=False, maxsize=32)

    def close(self) -> None:
        self._http.clear()

    def as_user(self, token: str) -> "Api":
        return Api(self.kubeconfig, self.ns, self.sandbox, token)

    # ------------------------------------------------------------ requests

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = JSON,
        *,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        answer = self._http.request(
            method,
            self._url(path, query),
            body=body if isinstance(body, bytes) else None if body is None else orjson.dumps(body),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": content, "Accept": accept, "User-Agent": "conformance/1"}
            | dict(headers or {}),
        )
        return Answer(answer.status, _decoded(answer.data), answer.headers)

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        pairs = urlencode({key: value for key, value in query.items() if value is not None})
        return f"{self.server}/{path.lstrip('/')}" + (f"?{pairs}" if pairs else "")

    def path(self, plural: str, name: str = "", sub: str = "", *, ns: str | None = None) -> str:
        """`configmaps` or `widgets.example.com/v1`; ns="" for all namespaces."""
        if "/" in plural:
            resource, version = plural.split("/")
            plural, _, group = resource.partition(".")
            root = f"apis/{group}/{version}"
        else:
            root = GROUPS.get(plural, "api/v1")
        namespace = ("" if plural in CLUSTER else self.ns) if ns is None else ns
        parts = [root, *(["namespaces", namespace] if namespace else []), plural, name, sub]
        return "/".join(part for part in parts if part)

    def create(self, plural: str, body: Doc, **query: Any) -> Answer:
        return self.request("POST", self.path(plural), body, **query)

    def get(self, plural: str, name: str, sub: str = "", **query: Any) -> Answer:
        return self.request("GET", self.path(plural, name, sub), **query)

    def list(self, plural: str, **query: Any) -> Answer:
        return self.request("GET", self.path(plural), **query)

    def put(self, plural: str, body: Doc, sub: str = "", **query: Any) -> Answer:
        return self.request("PUT", self.path(plural, body["metadata"]["name"], sub), body, **query)

    def patch(self, plural: str, name: str, body: Any, content: str = MERGE, sub: str = "", **query: Any) -> Answer:
        return self.request("PATCH", self.path(plural, name, sub), body, content, **query)

    def apply(self, plural: str, body: Doc, manager: str = "applier", sub: str = "", **query: Any) -> Answer:
        return self.request("PATCH", self.path(plural, body["metadata"]["name"], sub), body, APPLY, fieldManager=manager, **query)

    def delete(self, plural: str, name: str, body: Any = None, **query: Any) -> Answer:
        return self.request("DELETE", self.path(plural, name), body, **query)

    # ------------------------------------------------------------ watches

    def watch(self, plural: str, seconds: int = 5, **query: Any) -> Iterator[Doc]:
        """Events until the server ends the watch; a refusal is yielded as the Status it is."""
        answer = self._http.request(
            "GET",
            self._url(self.path(plural), {"watch": "true", "timeoutSeconds": seconds, **query}),
            headers={"Authorization": f"Bearer {self._token}", "Accept": query.pop("accept", JSON)},
            preload_content=False,
        )
        try:
            rest = b""
            for chunk in answer.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)
            if rest:
                yield orjson.loads(rest)
        finally:
            answer.close()

    def until(self, plural: str, name: str, holds: Callable[[Doc], bool]) -> Doc:
        """The first state of that object that the test holds of; AssertionError with the last one seen."""
        found = self.get(plural, name)
        seen, version = found.body, found.meta.get("resourceVersion") if found.code == 200 else None
        if found.code == 200 and holds(seen):
            return dict(seen)
        events = self.watch(
            plural, int(SECONDS), fieldSelector=f"metadata.name={name}", **({"resourceVersion": version} if version else {})
        )
        for event in events:
            seen = event["object"]
            if holds(seen):
                events.close()  # type: ignore[attr-defined]
                return dict(seen)
        raise AssertionError(f"{plural} {name} never came so far; last seen {orjson.dumps(seen).decode()[:2000]}")

    def until_gone(self, plural: str, name: str) -> None:
        found = self.get(plural, name)
        if found.code == 404:
            return
        query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": found.meta["resourceVersion"]}
        for event in self.watch(plural, int(SECONDS), **query):
            if event["type"] == "DELETED":
                return
        raise AssertionError(f"{plural} {name} is still there: {self.get(plural, name).body}")


def _decoded(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode(errors="replace")


def _authority(cluster: Mapping[str, Any]) -> Doc:
    if cluster.get("certificate-authority"):
        return {"ca_certs": str(cluster["certificate-authority"])}
    return {"ca_cert_data": base64.b64decode(cluster["certificate-authority-data"]).decode()}
