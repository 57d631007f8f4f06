"""metadata.managedFields: who owns what after a plain write, and the entries' form; what apply does is ownership's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_canary.sandbox.apiserver import ownership
from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.store import Doc
from gitops_canary.sandbox.apiserver.structure import Structure

ALLOCATED = frozenset({"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})
"""What a Service gets after its writer's part is done."""


@dataclass(frozen=True)
class Options:
    """How a write was asked for."""

    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    strict: bool = False
    quiet: bool = False
    """No warnings of unknown fields."""
    subresource: str = ""
    patched: bool = False
    """A patch's result that cannot be decoded is invalid, not a bad request."""


def managed(kind: Kind, new: Doc, old: Doc | None, options: Options, now: str) -> list[Doc]:
    """What an update changed belongs to the one who updated; what it removed belongs to nobody."""
    structure = Structure(kind.schema if kind.custom else None, kind.kind)
    owned = ownership.owned_paths(new, structure)
    maps = ownership.maps_of(new, structure, custom=kind.custom)
    paths = {path for path in owned | maps if not _nobodys(path, kind, new, options)}
    maps |= ownership.containers(owned)
    if old is None:
        return [entry_of(kind, options, "Update", now, paths)] if paths else []
    entries = [(entry, ownership.paths_of(entry.get("fieldsV1") or {})) for entry in old["metadata"].get("managedFields") or ()]
    touched = {path for path in paths if (not ownership.has(old, path) if path in maps else differs(old, new, path))}
    # What this write cannot change (the status, mostly) stays with whoever wrote it.
    aside = {path for _, known in entries for path in known - paths if _nobodys(path, kind, new, options) and ownership.has(new, path)}
    paths |= aside
    if not touched and all(known <= paths for _, known in entries):
        return list(old["metadata"].get("managedFields") or ())
    mine = next((known for entry, known in entries if is_ours(entry, options, "Update")), set())
    kept = [
        kept_of(entry, {path for path in known & paths if path not in touched}, known)
        for entry, known in entries
        if not is_ours(entry, options, "Update")
    ]
    if options.subresource == "scale":
        # A Scale leaves out zero replicas, so a real server sees no field there that anybody could own.
        touched = {path for path in touched if ownership.value_at(new, path)}
        mine = {path for path in mine if ownership.has(new, path) and ownership.value_at(new, path)}
    fresh = (mine & paths) | touched
    return in_order([*kept, entry_of(kind, options, "Update", now, fresh) if fresh else None])


def _nobodys(path: ownership.Path, kind: Kind, doc: Doc, options: Options) -> bool:
    """What the server itself fills in, and empty structures, have no owner."""
    if kind.custom:
        return path[0] == "status" and options.subresource != "status" and kind.status
    if path[0] == "status" and options.subresource != "status":
        return True
    if kind.kind == "Service" and path[:1] == ("spec",) and path[1] in ALLOCATED:
        return True
    return path[-1] in ("metadata", "spec") and not ownership.value_at(doc, path)


def entry_of(
    kind: Kind,
    options: Options,
    operation: str,
    now: str,
    paths: set[ownership.Path],
    same: bool = False,
    entries: list[tuple[Doc, set[ownership.Path]]] | None = None,
) -> Doc:
    """One element of managedFields; its time stands still while nothing changes."""
    time = now
    if same:
        time = next((str(entry["time"]) for entry, _ in entries or () if is_ours(entry, options, operation)), time)
    entry = {
        "manager": options.manager,
        "operation": operation,
        "apiVersion": kind.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": ownership.fields_v1(paths),
    }
    return {**entry, "subresource": options.subresource} if options.subresource else entry


def in_order(entries: Iterable[Doc | None]) -> list[Doc]:
    """As a real server shows them: appliers first, then by time and name."""
    return sorted((one for one in entries if one), key=lambda one: (one["operation"], one["time"], one["manager"]))


def kept_of(entry: Doc, paths: set[ownership.Path], before: set[ownership.Path]) -> Doc | None:
    """Another manager's entry after a write took some of its paths; None when nothing is left."""
    if not paths:
        return None
    return entry if paths == before else {**entry, "fieldsV1": ownership.fields_v1(paths)}


def is_ours(entry: Mapping[str, Any], options: Options, operation: str) -> bool:
    same = entry.get("manager") == options.manager and entry.get("operation") == operation
    return same and entry.get("subresource", "") == options.subresource


def differs(old: Mapping[str, Any], new: Mapping[str, Any], path: ownership.Path) -> bool:
    if not ownership.has(new, path):
        return False
    if not ownership.has(old, path):
        return True
    if not isinstance(path[-1], str):
        return False
    return bool(ownership.value_at(old, path) != ownership.value_at(new, path))
