"""Merge patches as values: their preconditions and what they make of an object; pure."""

import copy
from collections.abc import Mapping
from typing import Any

from gitops_canary.domain.resources import Doc


def with_version(patch: Doc, version: str) -> Doc:
    """The precondition goes into the patch itself: an object of another version refuses it."""
    return {**patch, "metadata": {**(patch.get("metadata") or {}), "resourceVersion": version}} if version else patch


def merged(doc: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(doc) if isinstance(doc, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def scaled(doc: Doc, replicas: int, version: str) -> Doc:
    """What /scale made of this very object: the Scale it answers with says no more."""
    made = copy.deepcopy(doc)
    made["spec"]["replicas"] = replicas
    made["metadata"]["resourceVersion"] = version
    made["metadata"]["generation"] = made["metadata"].get("generation", 0) + 1
    return made
