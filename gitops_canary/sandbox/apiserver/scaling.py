"""The /scale subresource: an object seen as replicas, and written through them."""

import copy
from collections.abc import Mapping
from typing import Any

from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.patches import check_type, patched
from gitops_canary.sandbox.apiserver.problems import bad_request, invalid, stale
from gitops_canary.sandbox.apiserver.selectors import selector_text
from gitops_canary.sandbox.apiserver.structure import Structure

Doc = dict[str, Any]


def scale_of(kind: Kind, doc: Doc) -> Doc:
    """autoscaling/v1 Scale."""
    paths: Mapping[str, Any] = kind.scale or {}
    meta = {
        key: doc["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if key in doc["metadata"]
    }
    status: Doc = {"replicas": _at(doc, paths["status"]) or 0}
    selector = selector_text(_at(doc, paths["selector"]))
    if selector:
        status["selector"] = selector
    replicas = _at(doc, paths["spec"]) or 0
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status}


def scaled(kind: Kind, doc: Doc, body: Any, content: str) -> Doc:
    """The object with the replicas that the body (a Scale, or a patch of one when `content` is given) says."""
    if content:
        check_type(content, kind.custom)
    wanted = patched(content, scale_of(kind, doc), body, Structure()) if content else body
    if not isinstance(wanted, Mapping):
        raise bad_request("the body is no Scale")
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version and version != doc["metadata"]["resourceVersion"]:
        raise stale(kind.group, kind.plural, doc["metadata"]["name"])
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        causes = [("spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0")]
        raise invalid("autoscaling", "Scale", doc["metadata"]["name"], causes)
    new = copy.deepcopy(doc)
    parent = new
    path = (kind.scale or {})["spec"]
    for step in path[:-1]:
        parent = parent.setdefault(step, {})
    parent[path[-1]] = replicas
    return new


def _at(doc: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        doc = doc.get(step) if isinstance(doc, Mapping) else None
    return doc
