"""Objects in memory with one version counter, the history that watches read, and an index of owners; no HTTP and no rules.

Everything runs on the server's loop: a stored object is never changed in place.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Doc = dict[str, Any]
Storage = tuple[str, str]
Name = tuple[str, str]
HISTORY = 5000
"""Changes that a watch may start from; an older version is 410 Gone."""


@dataclass(frozen=True)
class Change:
    version: int
    kind: str
    storage: Storage
    doc: Doc
    before: Doc | None


class Store:
    def __init__(self, history: int = HISTORY) -> None:
        self.version = 1
        self._objects: dict[Storage, dict[Name, Doc]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._forgotten = 0
        self._begun: dict[Storage, int] = {}
        self._watchers: dict[Storage, set[asyncio.Queue[Change | None]]] = {}
        self._owned: dict[str, set[tuple[Storage, Name]]] = {}

    def get(self, storage: Storage, name: Name) -> Doc | None:
        return self._objects.get(storage, {}).get(name)

    def all(self, storage: Storage, namespace: str = "") -> list[Doc]:
        """In the order of namespace and name."""
        found = self._objects.get(storage, {})
        return [found[name] for name in sorted(found) if namespace in ("", name[0])]

    def at(self, storage: Storage, version: int, namespace: str = "") -> list[Doc] | None:
        """All as it stood at that version, None when the changes since are not all remembered any more."""
        missed = self.since(storage, version)
        if missed is None:
            return None
        found = dict(self._objects.get(storage, {}))
        for change in reversed(missed):
            if change.before is None:
                found.pop(name_of(change.doc), None)
            else:
                found[name_of(change.doc)] = change.before
        return [found[name] for name in sorted(found) if namespace in ("", name[0])]

    def in_namespace(self, namespace: str) -> Iterable[tuple[Storage, Name]]:
        for storage, found in self._objects.items():
            yield from ((storage, name) for name in list(found) if name[0] == namespace)

    def put(self, storage: Storage, doc: Doc) -> Doc:
        """Store a new state under the next version; returns the stored object."""
        name = name_of(doc)
        before = self.get(storage, name)
        self.version += 1
        stored = {**doc, "metadata": {**doc["metadata"], "resourceVersion": str(self.version)}}
        self._objects.setdefault(storage, {})[name] = stored
        self._index(storage, name, before, stored)
        self._tell(Change(self.version, "MODIFIED" if before else "ADDED", storage, stored, before))
        return stored

    def remove(self, storage: Storage, name: Name) -> Doc:
        before = self._objects[storage].pop(name)
        self.version += 1
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version)}}
        self._index(storage, name, before, None)
        self._tell(Change(self.version, "DELETED", storage, last, before))
        return last

    def owned_by(self, uid: str) -> list[tuple[Storage, Name]]:
        return sorted(self._owned.get(uid, ()))

    def has_uid(self, uid: str) -> bool:
        return any(doc["metadata"]["uid"] == uid for found in self._objects.values() for doc in found.values())

    # ------------------------------------------------------------ watches

    def since(self, storage: Storage, version: int) -> list[Change] | None:
        """The changes after `version`, None when they are not all remembered any more."""
        if version < max(self._forgotten, self._begun.get(storage, 0)):
            return None
        return [change for change in self._history if change.storage == storage and change.version > version]

    def begin(self, storage: Storage) -> None:
        """A kind that is defined now has no history from before, as a real server's cache of it."""
        self._begun[storage] = self.version

    def subscribe(self, storage: Storage) -> asyncio.Queue[Change | None]:
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._watchers.setdefault(storage, set()).add(queue)
        return queue

    def unsubscribe(self, storage: Storage, queue: asyncio.Queue[Change | None]) -> None:
        self._watchers.get(storage, set()).discard(queue)

    def end_watches(self, storage: Storage | None = None) -> None:
        """Ends the watches of a kind that is gone, or all of them."""
        for kind, queues in self._watchers.items():
            for queue in queues if storage in (None, kind) else ():
                queue.put_nowait(None)

    def compact(self) -> None:
        """Forget the history: every watch that starts from an older version gets 410."""
        self._history.clear()
        self._forgotten = self.version

    def _tell(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].version
        self._history.append(change)
        for queue in self._watchers.get(change.storage, ()):
            queue.put_nowait(change)

    def _index(self, storage: Storage, name: Name, before: Doc | None, after: Doc | None) -> None:
        for uid in _owners(before) - _owners(after):
            self._owned[uid].discard((storage, name))
        for uid in _owners(after) - _owners(before):
            self._owned.setdefault(uid, set()).add((storage, name))


def name_of(doc: Doc) -> Name:
    return (str(doc["metadata"].get("namespace") or ""), str(doc["metadata"]["name"]))


def _owners(doc: Doc | None) -> set[str]:
    return {str(owner["uid"]) for owner in ((doc or {}).get("metadata") or {}).get("ownerReferences") or ()}
