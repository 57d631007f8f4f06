"""Discovery and OpenAPI v3 documents, as kubectl and Helm ask for them before they write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_canary.sandbox.apiserver.described import described
from gitops_canary.sandbox.apiserver.kinds import CREATE_ONLY, VERBS, Kind, Kinds
from gitops_canary.sandbox.apiserver.openapi_v2 import GVK, mark_of, name_of, whole

VERSION = "v1.36.0"
QUERY = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")


def version() -> dict[str, str]:
    return {
        "major": "1", "minor": "36", "gitVersion": f"{VERSION}+gitops-canary-sandbox", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "python", "platform": "any",
    }  # fmt: skip


def api_versions(host: str) -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]}


def group(kinds: Kinds, name: str) -> dict[str, Any] | None:
    versions = kinds.groups().get(name)
    if not versions:
        return None
    return _group(name, versions)


def _group(name: str, versions: Sequence[str]) -> dict[str, Any]:
    shown = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": shown, "preferredVersion": shown[0]}


def group_list(kinds: Kinds, elsewhere: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """`elsewhere`: versions of the groups that other servers answer for."""
    own = [group(kinds, name) for name in kinds.groups()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": own + [_group(name, versions) for name, versions in elsewhere.items()]}


def resource_list(kinds: Kinds, group_name: str, version_name: str) -> dict[str, Any] | None:
    found = kinds.in_version(group_name, version_name)
    questions = CREATE_ONLY.get((group_name, version_name), ())
    if not found and not questions:
        return None
    resources = [entry for kind in found for entry in _resources(kind)]
    resources += [
        {"name": f"{name.lower()}s", "singularName": name.lower(), "namespaced": False, "kind": name, "verbs": ["create"]}
        for name in questions
    ]
    api_version = f"{group_name}/{version_name}" if group_name else version_name
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _resources(kind: Kind) -> Iterable[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    yield entry
    if kind.status:
        yield _sub(kind, "status", kind.kind)
    if kind.scale:
        yield {**_sub(kind, "scale", "Scale"), "group": "autoscaling", "version": "v1"}
    if kind.kind == "Pod":
        for name, shown, verbs in (
            ("log", "Pod", ["get"]),
            ("exec", "PodExecOptions", ["create", "get"]),
            ("binding", "Binding", ["create"]),
        ):
            yield {**_sub(kind, name, shown), "verbs": verbs}
    if kind.kind == "ServiceAccount":
        yield {**_sub(kind, "token", "TokenRequest"), "group": "authentication.k8s.io", "version": "v1", "verbs": ["create"]}


def _sub(kind: Kind, name: str, shown: str) -> dict[str, Any]:
    return {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": shown,
        "verbs": ["get", "patch", "update"],
    }


def index(kinds: Kinds) -> dict[str, Any]:
    paths = {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=sandbox"}}
    for name, versions in kinds.groups().items():
        for one in versions:
            paths[f"apis/{name}/{one}"] = {"serverRelativeURL": f"/openapi/v3/apis/{name}/{one}?hash={len(kinds.in_version(name, one))}"}
    return {"paths": paths}


def prepare(kinds: Iterable[Kind]) -> None:
    """Reads the client's models of these kinds, once; that takes a while, so it may be called on any thread."""
    for kind in kinds:
        if not kind.custom:
            described(kind.api_version, kind.kind)


def document(kinds: Kinds, group_name: str, version_name: str) -> dict[str, Any] | None:
    """Schemas and paths of one group version; a built-in kind that the client does not know has a body of any shape."""
    found = kinds.in_version(group_name, version_name)
    if not found and (group_name, version_name) not in CREATE_ONLY:
        return None
    base = f"/apis/{group_name}/{version_name}" if group_name else f"/api/{version_name}"
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for kind in found:
        mark = mark_of(kind)
        known = None if kind.custom else described(kind.api_version, kind.kind)
        name = known[0] if known else name_of(kind)
        schemas |= known[1] if known else {name: _custom(kind) if kind.custom else _any()}
        schemas[name] = {**schemas[name], GVK: [mark]}
        within = f"{base}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"
        paths[within] = {"post": _operation("post", mark, name)}
        paths[f"{within}/{{name}}"] = {verb: _operation(verb, mark, name) for verb in ("get", "put", "patch", "delete")}
    info = {"title": "gitops-canary sandbox", "version": VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _any() -> dict[str, Any]:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _custom(kind: Kind) -> dict[str, Any]:
    schema = whole(kind)
    return {**schema, "properties": {**schema["properties"], "metadata": _any()}}


def _operation(verb: str, mark: dict[str, str], schema: str) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERY]
    answer = {"description": "OK", "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
    return {
        "operationId": f"{verb}{mark['kind']}",
        "parameters": parameters,
        "responses": {"200": answer},
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": mark,
    }
