"""Merge patch, JSON patch and strategic merge patch on raw objects; what may be patched is the handlers' business."""

import copy
from collections.abc import Mapping
from typing import Any

import jsonpatch

from gitops_canary.sandbox.apiserver.problems import Problem, bad_request, unsupported
from gitops_canary.sandbox.apiserver.structure import SET, Structure

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")
DIRECTIVES = ("$patch", "$retainKeys")


def patched(kind: str, content: str, doc: Any, patch: Any, structure: Structure, custom: bool) -> Any:
    """The patched copy. 400 for a patch that does not fit its type, 415 for a type that is not served, 422 for one that does not apply."""
    if content == MERGE:
        if not isinstance(patch, Mapping):
            raise bad_request("a merge patch must be an object")
        return merge(doc, patch)
    if content == JSON_PATCH:
        return _json_patched(doc, patch)
    if content == STRATEGIC:
        if custom:
            raise unsupported(f"strategic merge patch is not supported for custom resources ({kind}); use a merge patch")
        if not isinstance(patch, Mapping):
            raise bad_request("a strategic merge patch must be an object")
        return strategic(doc, patch, structure, ())
    known = ", ".join((JSON_PATCH, MERGE, STRATEGIC, *APPLY))
    raise unsupported(f"the body of the request was in an unknown format: {content!r} is none of the accepted patch types {known}")


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
        return jsonpatch.JsonPatch(patch).apply(doc)
    except jsonpatch.JsonPatchTestFailed as error:
        raise Problem(422, "Invalid", f"the server rejected our request: the test operation failed: {error}") from error
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"the JSON patch is not valid: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise Problem(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from error


def strategic(doc: Any, patch: Any, structure: Structure, path: tuple[str, ...]) -> Any:
    """Kubernetes' own patch: lists of named things are merged by name, with `$patch`, `$deleteFromPrimitiveList` and `$retainKeys`."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return _clean({key: value for key, value in patch.items() if key != "$patch"})
    if patch.get("$patch") == "delete":
        return {}
    made = dict(doc) if isinstance(doc, Mapping) else {}
    if "$retainKeys" in patch:
        made = {key: value for key, value in made.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key in DIRECTIVES or key.startswith("$setElementOrder/"):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            made[name] = [item for item in made.get(name) or [] if item not in value]
        elif value is None:
            made.pop(key, None)
        elif isinstance(value, list):
            made[key] = _list(made.get(key), value, structure, (*path, key))
        else:
            made[key] = strategic(made.get(key), value, structure, (*path, key))
    return made


def _list(old: Any, patch: list[Any], structure: Structure, path: tuple[str, ...]) -> list[Any]:
    key = structure.merge_key(path)
    if key is None or any(isinstance(item, Mapping) and item.get("$patch") == "replace" for item in patch):
        return [_clean(item) for item in patch if not (isinstance(item, Mapping) and set(item) == {"$patch"})]
    items = list(old or [])
    if key == SET[0]:
        return items + [item for item in patch if item not in items]
    for item in patch:
        if not isinstance(item, Mapping) or key not in item:
            raise bad_request(f"map: {item!r} does not contain declared merge key: {key} (at {'.'.join(path)})")
        at = next((number for number, one in enumerate(items) if one.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            items = [one for one in items if one.get(key) != item[key]]
        elif at is None:
            items.append(_clean(item))
        else:
            items[at] = strategic(items[at], item, structure, path)
    return items


def _clean(value: Any) -> Any:
    """A copy without directives."""
    if isinstance(value, Mapping):
        return {key: _clean(inner) for key, inner in value.items() if not key.startswith("$")}
    return [_clean(item) for item in value] if isinstance(value, list) else value
