"""Field ownership: sets of paths, their `fieldsV1` form, and server-side apply over them; storing the result is the handlers'.

A path is a tuple of steps: a field name, or a (keys, values) step for an item of a keyed list, or a ("", (value,)) step for a member of a
set. A manager owns leaves: scalars, atomic lists and maps, and the items of lists themselves.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.structure import SET, Structure, item_key

Step = str | tuple[tuple[str, ...], tuple[Any, ...]]
Path = tuple[Step, ...]
SERVERS = frozenset({"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp"})
IDENTITY = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "generateName")})


def owned_paths(doc: Mapping[str, Any], structure: Structure) -> set[Path]:
    """The leaves (and list items) that a manager who sends this object owns; identity and the server's own fields left out."""
    found: set[Path] = set()
    for key, value in doc.items():
        if key == "metadata" and isinstance(value, Mapping):
            value = {name: inner for name, inner in value.items() if name not in SERVERS}
        _collect(value, (key,), (key,), structure, found)
    return found - IDENTITY - {("metadata",)}


MAPS = frozenset({"labels", "annotations", "data", "binaryData", "limits", "requests", "rollingUpdate"})
"""Fields of built-in kinds that are absent when empty; other structures are always there and have no owner of their own."""


def maps_of(doc: Mapping[str, Any], structure: Structure, *, custom: bool, path: Path = ()) -> set[Path]:
    """The maps themselves, which belong to the plain writer who brought them, whoever owns what is in them by now."""
    found: set[Path] = set()
    for key, value in doc.items():
        at = (*path, key)
        names = tuple(step for step in at if isinstance(step, str))
        if not isinstance(value, Mapping) or not value or structure.atomic_map(names):
            continue
        if key in MAPS or (custom and at[0] != "metadata"):
            found.add(at)
        found |= maps_of(value, structure, custom=custom, path=at)
    return found


def _collect(value: Any, path: Path, names: tuple[str, ...], structure: Structure, found: set[Path]) -> None:
    if isinstance(value, Mapping) and value and not structure.atomic_map(names):
        if structure.undeclared(names):
            # What the schema does not name belongs to who brought it, beside what is in it.
            found.add(path)
        for key, inner in value.items():
            _collect(inner, (*path, key), (*names, key), structure, found)
        return
    if isinstance(value, list):
        keys = structure.keys(names)
        if keys is not None and value:
            for item in value:
                _collect_item(item, keys, path, names, structure, found)
            return
    found.add(path)


def _collect_item(item: Any, keys: tuple[str, ...], path: Path, names: tuple[str, ...], structure: Structure, found: set[Path]) -> None:
    at = (*path, (keys, item_key(item, keys)))
    found.add(at)
    if keys != SET and isinstance(item, Mapping):
        for key, inner in item.items():
            _collect(inner, (*at, key), (*names, key), structure, found)


def containers(paths: Iterable[Path]) -> set[Path]:
    """Everything that something of these stands in."""
    return {path[:length] for path in paths for length in range(1, len(path))}


def fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """The nested form of managedFields."""
    root: dict[str, Any] = {}
    leaves = set(paths)
    for path in sorted(leaves, key=str):
        node = root
        for step in path:
            node = node.setdefault(_step_text(step), {})
        if not isinstance(path[-1], str):
            node.setdefault(".", {})
    for path in leaves:
        node = _node(root, path)
        if node:
            node["."] = {}
    return root


def _node(root: dict[str, Any], path: Path) -> dict[str, Any]:
    for step in path:
        root = root[_step_text(step)]
    return root


def _step_text(step: Step) -> str:
    if isinstance(step, str):
        return f"f:{step}"
    keys, values = step
    if keys == SET:
        return "v:" + orjson.dumps(values[0]).decode()
    return "k:" + orjson.dumps(dict(zip(keys, values, strict=True)), option=orjson.OPT_SORT_KEYS).decode()


def paths_of(fields: Mapping[str, Any]) -> set[Path]:
    """The inverse of `fields_v1`."""
    found: set[Path] = set()
    _read(fields, (), found)
    return found


def _read(node: Mapping[str, Any], path: Path, found: set[Path]) -> None:
    inner = {key: value for key, value in node.items() if key != "."}
    if path and (not inner or "." in node):
        found.add(path)
    for key, value in inner.items():
        _read(value, (*path, _step(key)), found)


def _step(text: str) -> Step:
    if text.startswith("f:"):
        return text[2:]
    if text.startswith("v:"):
        return (SET, (orjson.loads(text[2:]),))
    keys = orjson.loads(text[2:])
    return (tuple(keys), tuple(keys.values()))


def value_at(doc: Any, path: Path) -> Any:
    """The value there, KeyError when there is none."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(doc, Mapping) or step not in doc:
                raise KeyError(step)
            doc = doc[step]
        else:
            keys, values = step
            doc = next(item for item in _items(doc) if item_key(item, keys) == values)
    return doc


def _items(doc: Any) -> list[Any]:
    if not isinstance(doc, list):
        raise KeyError("no list")
    return [*doc, *()] if doc else _none()


def _none() -> list[Any]:
    raise KeyError("empty list")


def has(doc: Any, path: Path) -> bool:
    try:
        value_at(doc, path)
    except (KeyError, StopIteration):
        return False
    return True


def without(doc: Any, path: Path) -> Any:
    """The object (a copy that belongs to the caller) without what stands at the path; containers that became empty stay."""
    try:
        parent = value_at(doc, path[:-1]) if len(path) > 1 else doc
    except (KeyError, StopIteration):
        return doc
    step = path[-1]
    if isinstance(step, str):
        if isinstance(parent, dict):
            parent.pop(step, None)
    elif isinstance(parent, list):
        keys, values = step
        parent[:] = [item for item in parent if item_key(item, keys) != values]
    return doc


def pruned(doc: Any, gone: set[Path], kept: set[Path]) -> Any:
    """The object without what its applier no longer says. Fields in which others own something stay, items only when others own the item:
    then with their keys."""
    holding = {path for path in containers(kept) if isinstance(path[-1], str)} | kept
    for path in sorted(gone - holding, key=len):
        is_key = len(path) > 1 and not isinstance(path[-2], str) and path[-1] in path[-2][0] and path[:-1] in kept
        if not is_key:
            doc = without(doc, path)
    return doc


def applied(live: Any, config: Mapping[str, Any], structure: Structure) -> Any:
    """The live object with everything the applied configuration says."""
    return _apply(copy.deepcopy(live), config, structure, ())


def _apply(live: Any, config: Any, structure: Structure, names: tuple[str, ...]) -> Any:
    if isinstance(config, Mapping) and not structure.atomic_map(names):
        made = live if isinstance(live, dict) else {}
        for key, value in config.items():
            if value is None and not structure.keeps_null(names):
                made.pop(key, None)
            else:
                made[key] = _apply(made.get(key), value, structure, (*names, key))
        return made
    if isinstance(config, list):
        keys = structure.keys(names)
        if keys is not None:
            return _apply_list(live, config, keys, structure, names)
    return copy.deepcopy(config)


def _apply_list(live: Any, config: list[Any], keys: tuple[str, ...], structure: Structure, names: tuple[str, ...]) -> list[Any]:
    """Live and applied items interleaved as a real server does: applied order wins, what only lives stays where it was."""
    old, new = ({item_key(item, keys): item for item in side} for side in (live or [], config))
    order = [item_key(item, keys) for item in live or []]
    merged = {key: item if keys == SET else _apply(old.get(key), item, structure, names) for key, item in new.items()}
    shared = [key for key in new if key in old]
    made, done, wanted = [], set(), list(new)
    while order or wanted:
        if order and wanted and order[0] != wanted[0] and order[0] in new and shared and shared[0] != order[0]:
            order.pop(0)
            continue
        if order and order[0] not in new:
            made.append(old[order.pop(0)])
            continue
        if order and (order[0] in done or (wanted and order[0] == wanted[0])):
            order.pop(0)
        if wanted:
            key = wanted.pop(0)
            made.append(merged[key])
            done.add(key)
            shared = shared[1:] if shared[:1] == [key] else shared
    return made


def conflicts(
    live: Mapping[str, Any], config: Mapping[str, Any], mine: set[Path], others: Iterable[tuple[Mapping[str, Any], set[Path]]]
) -> list[tuple[str, str]]:
    """(manager, field) for each field that another manager owns and this configuration would change."""
    found = []
    leaves = mine - containers(mine)
    for entry, paths in others:
        for path in sorted(paths & leaves, key=str):
            if not isinstance(path[-1], str) and path[-1][0] != SET:
                continue
            if has(live, path) and has(config, path) and value_at(live, path) != value_at(config, path):
                found.append((_manager(entry), shown(path)))
    return found


def _manager(entry: Mapping[str, Any]) -> str:
    """Appliers are known by name; of others one wants to know through what they wrote."""
    part = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
    version = f" using {entry['apiVersion']}" if entry.get("operation") != "Apply" else ""
    return f'"{entry["manager"]}"{part}{version}'


def conflict_problem(found: list[tuple[str, str]]) -> Problem:
    managers = sorted({manager for manager, _ in found})
    if len(found) == 1:
        told = f"1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        parts = ["\n- ".join([f"conflicts with {manager}:", *(field for one, field in found if one == manager)]) for manager in managers]
        told = f"{len(found)} conflicts: " + "\n".join(parts)
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field} for manager, field in found]
    return Problem(409, "Conflict", f"Apply failed with {told}", {"causes": causes})


def shown(path: Path) -> str:
    text = ""
    for step in path:
        if isinstance(step, str):
            text += f".{step}"
        elif step[0] == SET:
            text += f"[={orjson.dumps(step[1][0]).decode()}]"
        else:
            text += "[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in zip(*step, strict=True)) + "]"
    return text


def dropped_empty(doc: dict[str, Any], paths: set[Path]) -> dict[str, Any]:
    """Parents that only held what was taken away go too."""
    for path in sorted({path[:-1] for path in paths if len(path) > 1}, key=len, reverse=True):
        for length in range(len(path), 1, -1):
            if has(doc, path[:length]) and value_at(doc, path[:length]) in ({}, []) and isinstance(path[length - 1], str):
                doc = without(doc, path[:length])
    return doc
