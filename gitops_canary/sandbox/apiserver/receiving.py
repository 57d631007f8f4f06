"""What the body of a write must be before anything is decided about it; nothing is read or stored here."""

import copy
from collections.abc import Mapping
from typing import Any

from gitops_canary.sandbox.apiserver import problems
from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.store import Doc


def received(kind: Kind, namespace: str, sent: Any) -> Doc:
    """A copy that says of itself what the URL says. Problem when it is no object, or about something else."""
    if not isinstance(sent, dict) or not isinstance(sent.get("metadata", {}), dict | type(None)):
        raise problems.bad_request("the body is no Kubernetes object")
    doc = copy.deepcopy(sent)
    if doc.get("kind", kind.kind) != kind.kind or doc.get("apiVersion", kind.api_version) != kind.api_version:
        shown = f"{doc.get('apiVersion')} {doc.get('kind')}"
        raise problems.bad_request(f"the object in the body is a {shown}, and the URL is about {kind.api_version} {kind.kind}")
    doc["kind"], doc["apiVersion"] = kind.kind, kind.api_version
    meta = doc["metadata"] = dict(doc.get("metadata") or {})
    if kind.namespaced:
        if meta.get("namespace") and namespace and meta["namespace"] != namespace:
            raise problems.bad_request(
                f"the namespace of the object ({meta['namespace']}) does not match the namespace on the URL ({namespace})"
            )
        meta["namespace"] = meta.get("namespace") or namespace
    else:
        meta.pop("namespace", None)
    return doc


def config_of(kind: Kind, namespace: str, name: str, sent: Doc, manager: str) -> Doc:
    """What an applier wants, without what it left empty. Problem when it is not this object's, or nobody's."""
    if not isinstance(sent, Mapping) or sent.get("apiVersion") != kind.api_version or sent.get("kind") != kind.kind:
        raise problems.bad_request(f"the applied object must be a {kind.api_version} {kind.kind}")
    config = received(kind, namespace, {**sent, "metadata": {"name": name, **(sent.get("metadata") or {})}})
    if config["metadata"]["name"] != name:
        raise problems.bad_request(f"the name of the object ({config['metadata']['name']}) does not match the name on the URL ({name})")
    if config["metadata"].get("managedFields"):
        raise problems.bad_request("metadata.managedFields must be nil")
    if manager == "unknown":
        raise problems.invalid("meta.k8s.io", "PatchOptions", "", [("fieldManager", "Required value: is required for apply patch")])
    # A custom object keeps its nulls; a built-in one is read into fields, which cannot tell them from nothing.
    return {**_only_set(config), "metadata": _without_nulls(config["metadata"])} if kind.custom else dict(_without_nulls(config))


def check_version(kind: Kind, old: Doc, new: Doc) -> None:
    """A write that names a version or a UID is of that object alone (409)."""
    meta = new["metadata"]
    if meta.get("resourceVersion") and meta["resourceVersion"] != old["metadata"]["resourceVersion"]:
        raise problems.stale(kind.group, kind.plural, old["metadata"]["name"])
    if meta.get("uid") and meta["uid"] != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
        raise problems.conflict(kind.group, kind.plural, old["metadata"]["name"], why)


def _without_nulls(doc: Any) -> Any:
    if isinstance(doc, dict):
        return {key: _without_nulls(value) for key, value in _only_set(doc).items()}
    return [_without_nulls(item) for item in doc] if isinstance(doc, list) else doc


def _only_set(doc: Doc) -> Doc:
    return {key: value for key, value in doc.items() if value is not None}
