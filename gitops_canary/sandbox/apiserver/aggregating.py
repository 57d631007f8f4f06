"""APIServices: which requests of the Kubernetes API another server answers, and passing them on to it; objects live elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_canary.sandbox.apiserver.access import Attributes
from gitops_canary.sandbox.apiserver.kinds import Kinds
from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.store import Store

SERVICES = ("apiregistration.k8s.io", "apiservices")
PASSED = ("Accept", "Content-Type")
VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Elsewhere:
    """A request that belongs to another server: whether the user may ask is decided here, the answer is made there."""

    url: str
    attributes: Attributes


class Aggregator:
    """Reads the stored APIServices at each request; the group and version of built-in and custom kinds are never passed on."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store, self._kinds = store, kinds

    def groups(self) -> dict[str, list[str]]:
        """Versions of each group that other servers answer for."""
        found: dict[str, list[str]] = {}
        for spec in self._specs():
            found.setdefault(spec["group"], []).append(spec["version"])
        return found

    def place(self, method: str, path: str) -> Elsewhere | None:
        """None for what this server answers itself; 503 when the service cannot be found."""
        parts = [part for part in path.split("/") if part]
        if parts[:1] != ["apis"] or len(parts) < 3:
            return None
        spec = next((spec for spec in self._specs() if [spec["group"], spec["version"]] == parts[1:3]), None)
        if spec is None:
            return None
        return Elsewhere(self._address(spec) + path, _attributes(method, path, parts[1], parts[3:]))

    def _specs(self) -> list[Mapping[str, Any]]:
        specs = [doc.get("spec") or {} for doc in self._store.all(SERVICES)]
        return [spec for spec in specs if spec.get("service") and not self._kinds.in_version(spec["group"], spec["version"])]

    def _address(self, spec: Mapping[str, Any]) -> str:
        """Only a Service of type ExternalName has an address here: there is no service network."""
        at = spec["service"]
        service = self._store.get(("", "services"), (at["namespace"], at["name"]))
        host = ((service or {}).get("spec") or {}).get("externalName")
        if not host:
            where = f"service {at['namespace']}/{at['name']} of APIService {spec['version']}.{spec['group']}"
            raise Problem(503, "ServiceUnavailable", f"{where} is no Service of type ExternalName, the only one that is reached here")
        return f"https://{host}:{at.get('port', 443)}"


def _attributes(method: str, path: str, group: str, rest: list[str]) -> Attributes:
    if not rest:
        return Attributes(VERBS.get(method, "get"), path=path)
    within = rest[0] == "namespaces" and len(rest) >= 3
    namespace, rest = (rest[1], rest[2:]) if within else ("", rest)
    name = rest[1] if len(rest) > 1 else ""
    verb = "list" if method == "GET" and not name else VERBS.get(method, method.lower())
    return Attributes(verb, group, "/".join([rest[0], *rest[2:]]), namespace, name)
