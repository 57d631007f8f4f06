"""Strategic merge patch: lists of named things merged by name, with the directives and the order of a real server; no HTTP."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gitops_canary.sandbox.apiserver.problems import bad_request
from gitops_canary.sandbox.apiserver.structure import SET, Structure

DIRECTIVES = ("$patch", "$retainKeys")
ORDER, DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
KeyOf = Callable[[Any], Any]


def strategic(doc: Any, patch: Any, structure: Structure, path: tuple[str, ...]) -> Any:
    """The patched copy; a patch item without its list's key is a bad request."""
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
        if key.startswith(DELETE):
            name = key.removeprefix(DELETE)
            made[name] = [item for item in made.get(name) or [] if item not in value]
    for key, value in patch.items():
        if key in DIRECTIVES or key.startswith((ORDER, DELETE)):
            continue
        if value is None:
            made.pop(key, None)
        elif isinstance(value, list):
            made[key] = _list(made.get(key), value, structure, (*path, key))
        else:
            made[key] = strategic(made.get(key), value, structure, (*path, key))
    for key, value in patch.items():
        if key.startswith(ORDER) and isinstance(made.get(key.removeprefix(ORDER)), list):
            name = key.removeprefix(ORDER)
            of = _key_of(structure.merge_key((*path, name)))
            made[name] = _ordered(made[name], value, (doc or {}).get(name) or [], of)
    return made


def _list(old: Any, patch: list[Any], structure: Structure, path: tuple[str, ...]) -> list[Any]:
    key = structure.merge_key(path)
    if key is None or any(isinstance(item, Mapping) and item.get("$patch") == "replace" for item in patch):
        return [_clean(item) for item in patch if not (isinstance(item, Mapping) and set(item) == {"$patch"})]
    before = list(old or [])
    if key == SET[0]:
        return _ordered(before + [item for item in patch if item not in before], patch, before, _key_of(key))
    items = before
    for item in patch:
        if not isinstance(item, Mapping) or key not in item:
            raise bad_request(f"map: {item!r} does not contain declared merge key: {key} (at {'.'.join(path)})")
        items = _with(items, item, key, structure, path)
    return _ordered(items, patch, before, _key_of(key))


def _with(items: list[Any], item: Mapping[str, Any], key: str, structure: Structure, path: tuple[str, ...]) -> list[Any]:
    at = next((number for number, one in enumerate(items) if one.get(key) == item[key]), None)
    if item.get("$patch") == "delete":
        return [one for one in items if one.get(key) != item[key]]
    if at is None:
        return [*items, _clean(item)]
    return [*items[:at], strategic(items[at], item, structure, path), *items[at + 1 :]]


def _key_of(key: str | None) -> KeyOf:
    return lambda item: item.get(key) if key and isinstance(item, Mapping) else item


def _ordered(items: Sequence[Any], patch: Sequence[Any], before: Sequence[Any], of: KeyOf) -> list[Any]:
    """Items of the patch in its order; the others keep their old place before those that once followed them, else they come last."""
    wanted, was = [of(item) for item in patch], [of(item) for item in before]
    mine = sorted((item for item in items if of(item) in wanted), key=lambda item: wanted.index(of(item)))
    others = [item for item in items if of(item) not in wanted]
    made = []
    while mine and others:
        first = of(others[0]) in was and of(mine[0]) in was and was.index(of(others[0])) < was.index(of(mine[0]))
        made.append((others if first else mine).pop(0))
    return made + mine + others


def _clean(value: Any) -> Any:
    """A copy without directives."""
    if isinstance(value, Mapping):
        return {key: _clean(inner) for key, inner in value.items() if not key.startswith("$")}
    return [_clean(item) for item in value] if isinstance(value, list) else value
