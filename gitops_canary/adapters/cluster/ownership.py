"""Whether a server-side apply would change anything, told from the live object and the fields its manager owns; pure."""

from collections.abc import Mapping
from typing import Any

import orjson

UNMANAGED = frozenset({"apiVersion", "kind"})
UNMANAGED_METADATA = frozenset(
    {"name", "namespace", "resourceVersion", "uid", "generateName", "managedFields", "creationTimestamp", "generation"}
)
"""Server-side apply tracks no owner for these; `creationTimestamp: null` is what Go programs print for an unset one."""


def stands(wanted: Mapping[str, Any], live: Mapping[str, Any], owned: Mapping[str, Any]) -> bool:
    """True when the manager owns exactly the fields that `wanted` has, with these values.

    False may also mean that the server wrote a value in another form (a quantity, a default inside an atomic list): then one apply
    more is made, and its answer remembered.
    """
    return _covered(applied(wanted), live, owned)


def applied(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a manifest that an apply owns."""
    fields = {key: value for key, value in wanted.items() if key not in UNMANAGED and key != "metadata"}
    meta = {key: value for key, value in (wanted.get("metadata") or {}).items() if key not in UNMANAGED_METADATA}
    return {**fields, "metadata": meta} if meta else fields


def held(live: Any, owned: Mapping[str, Any]) -> Any:
    """The live values of the owned fields, in a form that compares: what others set beside them is left out."""
    if not owned or live is None:
        return live
    members = {key: part for key, part in owned.items() if key != "."}
    if not members:
        return None
    return {key: held(_member(live, key), part) for key, part in members.items()}


def _covered(wanted: Any, live: Any, owned: Mapping[str, Any]) -> bool:
    members = {key: part for key, part in owned.items() if key != "."}
    if not members:
        # A leaf, or an atomic list or map: owned as one. "." alone is an owned but empty struct or item.
        return bool(wanted == live) if not owned else wanted in ({}, [], None) or bool(wanted == live)
    if isinstance(wanted, Mapping):
        return {f"f:{key}" for key in wanted} == set(members) and _each(wanted, live, members)
    return isinstance(wanted, list) and len(wanted) == len(members) and _each(wanted, live, members)


def _each(wanted: Any, live: Any, members: Mapping[str, Any]) -> bool:
    missing = object()
    for key, part in members.items():
        mine, theirs = _member(wanted, key, missing), _member(live, key, missing)
        if mine is missing or theirs is missing or not _covered(mine, theirs, part):
            return False
    return True


def _member(value: Any, key: str, missing: Any = None) -> Any:
    """The part that a fieldsV1 key names: `f:` a field, `k:` the list item with these keys, `v:` the set member, `i:` an index."""
    kind, _, rest = key.partition(":")
    if kind == "f" and isinstance(value, Mapping):
        return value.get(rest, missing)
    if kind == "k" and isinstance(value, list):
        keys = orjson.loads(rest)
        return next((one for one in value if isinstance(one, Mapping) and _has_keys(one, keys)), missing)
    if kind == "v" and isinstance(value, list):
        member = orjson.loads(rest)
        return member if member in value else missing
    return missing


def _has_keys(item: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    """A port without protocol is keyed as TCP: the server fills key defaults in before it computes the field set."""
    return all(item.get(name, "TCP" if name == "protocol" else None) == value for name, value in keys.items())
