"""Merge patch, JSON patch and strategic merge patch on raw objects; what may be patched is the handlers' business."""

import copy
from collections.abc import Mapping
from typing import Any

import jsonpatch

from gitops_canary.sandbox.apiserver.problems import Problem, bad_request, unsupported
from gitops_canary.sandbox.apiserver.strategic import strategic
from gitops_canary.sandbox.apiserver.structure import Structure

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")


def check_type(content: str, custom: bool) -> None:
    """415 for a patch type that the kind does not take, whether or not the object is there."""
    known = (JSON_PATCH, MERGE) if custom else (JSON_PATCH, MERGE, STRATEGIC)
    if content not in known:
        listed = ", ".join((*known, APPLY[0]))
        raise unsupported(f"the body of the request was in an unknown format - accepted media types include: {listed}")


def patched(content: str, doc: Any, patch: Any, structure: Structure) -> Any:
    """The patched copy. 400 for a patch that does not fit its type, 422 for one that does not apply; the type was checked before."""
    if content == MERGE:
        if not isinstance(patch, Mapping):
            raise bad_request("a merge patch must be an object")
        return merge(doc, patch)
    if content == JSON_PATCH:
        return _json_patched(doc, patch)
    if not isinstance(patch, Mapping):
        raise bad_request("a strategic merge patch must be an object")
    return strategic(doc, patch, structure, ())


def merge(doc: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    made = dict(doc) if isinstance(doc, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merge(made.get(key), value)
    return made


def _json_patched(doc: Any, patch: Any) -> Any:
    if not isinstance(patch, list):
        raise bad_request("a JSON patch must be an array of operations")
    try:
        for operation in patch:
            doc = jsonpatch.JsonPatch([_lenient(doc, operation)]).apply(doc)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise Problem(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from error
    return doc


def _lenient(doc: Any, operation: Any) -> Any:
    """A real server's library takes `replace` of a key that an object has not as `add`."""
    if not isinstance(operation, Mapping) or operation.get("op") != "replace":
        return operation
    parent, key = jsonpatch.JsonPointer(str(operation.get("path", ""))).to_last(doc)
    return {**operation, "op": "add"} if isinstance(parent, Mapping) and key not in parent else operation
