"""A request's path and query as what is meant: kind, namespace, name, subresource, verb; odd ones are refused by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_canary.sandbox.apiserver.access import Attributes
from gitops_canary.sandbox.apiserver.kinds import Kind, Kinds
from gitops_canary.sandbox.apiserver.problems import bad_request, method_not_allowed, no_such_path

WRITE = {"dryRun", "fieldManager", "fieldValidation", "force", "pretty", "timeout"}
LIST = {
    "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "watch", "timeoutSeconds", "timeout",
    "allowWatchBookmarks", "sendInitialEvents", "pretty", "includeObject", "shardSelector",
}  # fmt: skip
DELETE = {"gracePeriodSeconds", "orphanDependents", "propagationPolicy", *WRITE}
POD_STREAMS = {"log", "exec", "attach"}
SUBRESOURCES = {"Pod": {"log", "exec", "binding", "eviction"}, "ServiceAccount": {"token"}, "Namespace": {"finalize"}}


@dataclass(frozen=True)
class Meant:
    """What a request is about."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    verb: str

    @property
    def attributes(self) -> Attributes:
        resource = f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural
        verb = "create" if self.subresource == "exec" else self.verb
        return Attributes(verb, self.kind.group, resource, self.namespace if self.kind.namespaced else "", self.name)


def meant_by(kinds: Kinds, method: str, path: str, query: Mapping[str, str]) -> Meant:
    """404 for a path that leads nowhere, 405 for a verb that is not served there, 400 for a query nobody reads."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise no_such_path(path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and not (group == "" and rest[2] in ("status", "finalize") and len(rest) == 3):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.at(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise no_such_path(path)
    name, subresource = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
    _check_subresource(kind, subresource, path)
    if kind.namespaced and not namespace and name:
        raise no_such_path(path)
    if kind.namespaced and not namespace and method == "POST":
        raise method_not_allowed(method, path)
    meant = Meant(kind, namespace, name, subresource, _verb(method, name, subresource, query, path))
    _check_query(meant, query)
    return meant


def _check_subresource(kind: Kind, subresource: str, path: str) -> None:
    known = SUBRESOURCES.get(kind.kind, set()) | ({"status"} if kind.status else set()) | ({"scale"} if kind.scale else set())
    if subresource and subresource not in known:
        raise no_such_path(path)


def _verb(method: str, name: str, subresource: str, query: Mapping[str, str], path: str) -> str:
    watching = query.get("watch", "false").lower() in ("true", "1", "")
    if method == "GET":
        if name:
            return "get"
        return "watch" if "watch" in query and watching else "list"
    if method == "POST" and (not name or subresource):
        return "create"
    verbs = {"PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    if name and method in verbs:
        return verbs[method]
    if method == "DELETE":
        return "deletecollection"
    raise method_not_allowed(method, path)


def _check_query(meant: Meant, query: Mapping[str, str]) -> None:
    if meant.subresource in POD_STREAMS:
        return
    known = {"list": LIST, "watch": LIST, "get": {"resourceVersion", "pretty", "includeObject"}, "delete": DELETE}.get(meant.verb, WRITE)
    known = LIST | DELETE if meant.verb == "deletecollection" else known
    odd = sorted(set(query) - known)
    if odd:
        raise bad_request(f"query parameter {odd[0]!r} is not supported for {meant.verb} of {meant.kind.plural}")
    for name in ("limit", "timeoutSeconds"):
        if meant.verb in ("list", "watch") and query.get(name) and not query[name].isdigit():
            raise bad_request(f"{name} {query[name]!r} is no number")
