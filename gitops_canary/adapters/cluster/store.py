"""The cache of one watched kind: what the watch said and what our own writes answered, whichever is newer; asks nobody."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gitops_canary.adapters.cluster.projections import Projection, trimmed
from gitops_canary.domain.resources import Doc

OURS = "gitops-canary"
"""Field managers of this prefix are ours: their field sets are kept, so that an apply which changes nothing is known as such."""

Name = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""


@dataclass(frozen=True)
class Entry:
    """`doc` as managers see it; `owned` = our managers' `fieldsV1`; `whole` = nothing of it was left out but bookkeeping; `heard` = the
    watch has told this version, not only the answer to our own write."""

    doc: Doc
    version: int
    owned: Mapping[str, Mapping[str, Any]]
    whole: bool
    heard: bool


class Store:
    """Thread-safe. Versions are compared as numbers, as Kubernetes promises for one kind (KEP-5504)."""

    def __init__(self, api_version: str, kind: str, projection: Projection, *, metadata_only: bool) -> None:
        self._type = {"apiVersion": api_version, "kind": kind}
        self._projection = projection
        self._metadata_only = metadata_only
        self._lock = threading.Lock()
        self._entries: dict[Name, Entry] = {}
        self._removed: set[Name] = set()
        self._seen = 0

    def get(self, name: Name) -> Entry | None:
        with self._lock:
            return self._entries.get(name)

    def find(self, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Doc]:
        """In order of namespace and name."""
        with self._lock:
            found = [(name, entry.doc) for name, entry in self._entries.items() if namespace in ("", name[0])]
        return [doc for _, doc in sorted(found, key=lambda pair: pair[0]) if _matches(doc, labels)]

    def names(self) -> set[Name]:
        with self._lock:
            return set(self._entries)

    def watched(self, doc: Doc) -> Name | None:
        """Takes an ADDED or MODIFIED object; its name the first time the watch tells this version or a newer one, else None.

        A write of our own is news too: the lane that wrote is not the only one that wants to know."""
        entry = self._entry(doc, whole=not self._metadata_only, heard=True)
        name = name_of(doc)
        with self._lock:
            self._seen = max(self._seen, entry.version)
            old = self._entries.get(name)
            if old is not None and (old.version > entry.version or (old.version == entry.version and old.heard)):
                return None
            known = old is not None and old.version == entry.version and old.whole and not entry.whole
            self._entries[name] = replace(old, heard=True) if known and old is not None else entry
            return name

    def doubt(self) -> None:
        """What is told next is believed even if its version is known: the server has learned to show more of it."""
        with self._lock:
            self._entries = {name: replace(entry, heard=False) for name, entry in self._entries.items()}

    def deleted(self, doc: Doc) -> Name | None:
        """Its name when it is gone now, or when a delete of ours had removed it already."""
        name, version = name_of(doc), version_of(doc)
        with self._lock:
            self._seen = max(self._seen, version)
            old = self._entries.get(name)
            was_ours = name in self._removed
            self._removed.discard(name)
            # Deleted and made again by us before this was heard: what stands there is another, newer object.
            if old is not None and old.version <= version:
                del self._entries[name]
                return name
            return name if was_ours else None

    def wrote(self, doc: Doc) -> None:
        """Takes the answer to a write of ours, if the watch has not told anything newer; an object that the watch has seen deleted since
        stays deleted."""
        entry = self._entry(doc, whole=True, heard=False)
        name = name_of(doc)
        with self._lock:
            old = self._entries.get(name)
            if entry.version > (old.version if old is not None else self._seen):
                self._entries[name] = entry

    def removed(self, name: Name, uid: str) -> None:
        """A delete of ours was answered with success."""
        with self._lock:
            old = self._entries.get(name)
            if old is not None and uid in ("", old.doc["metadata"].get("uid")):
                del self._entries[name]
                self._removed.add(name)

    def keep_only(self, listed: set[Name], version: int) -> list[Name]:
        """After a new list made at `version`: forgets what was not in it (and is not newer than it); returns the forgotten names."""
        with self._lock:
            self._seen = max(self._seen, version)
            gone = [name for name, entry in self._entries.items() if name not in listed and entry.version <= version]
            for name in gone:
                del self._entries[name]
            ours, self._removed = self._removed - listed, set()
            return sorted({*gone, *ours})

    def _entry(self, doc: Doc, *, whole: bool, heard: bool) -> Entry:
        projection = trimmed if self._metadata_only else self._projection
        # A projected kind is never whole: fields that an apply is compared with are missing.
        complete = whole and projection is trimmed
        return Entry({**projection(doc), **self._type}, version_of(doc), _owned(doc), complete, heard)


def name_of(doc: Doc) -> Name:
    return (str(doc["metadata"].get("namespace") or ""), str(doc["metadata"]["name"]))


def version_of(doc: Doc) -> int:
    return int(doc["metadata"].get("resourceVersion") or 0)


def _owned(doc: Doc) -> dict[str, Mapping[str, Any]]:
    entries = doc["metadata"].get("managedFields") or ()
    ours = (one for one in entries if str(one.get("manager", "")).startswith(OURS) and one.get("operation") == "Apply")
    return {one["manager"]: one.get("fieldsV1") or {} for one in ours if not one.get("subresource")}


def _matches(doc: Doc, labels: Mapping[str, str] | None) -> bool:
    held = doc["metadata"].get("labels") or {}
    return all(held.get(key) == value for key, value in (labels or {}).items())
