"""Fields of raw objects as paths: what an apply owns and what a merge patch makes; lists count as one value."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
BOOKKEEPING = frozenset({"apiVersion", "kind", "status"})
IDENTITY = frozenset({"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"})


def leaves(doc: Mapping[str, Any], at: Path = ()) -> Iterator[Path]:
    """Paths of all values below mappings, without identity and status."""
    for key, value in doc.items():
        if (not at and key in BOOKKEEPING) or (at == ("metadata",) and key in IDENTITY):
            continue
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key)


def value_at(doc: Any, path: Path) -> Any:
    """None where there is nothing."""
    for key in path:
        if not isinstance(doc, Mapping):
            return None
        doc = doc.get(key)
    return doc


def removed(doc: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    result = copy.deepcopy(doc)
    for path in paths:
        parent = value_at(result, path[:-1])
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
    return result


def merged(doc: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(doc) if isinstance(doc, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
