"""What follows from deletions and definitions: owned objects go, namespaces empty themselves, custom kinds come and go with theirs."""

import asyncio
from collections.abc import Callable

from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.store import Doc, Name, Storage

NAMESPACES, EVENTS = ("", "namespaces"), ("", "events")


class Collector:
    """Listens to every write; its own writes happen a moment later on the same loop, so that an answer never waits for them."""

    def __init__(self, objects: Objects, defined: Callable[[Doc | None, Doc | None], None], event_seconds: float) -> None:
        """Events go `event_seconds` after they were last written."""
        self._objects, self._defined, self._event_seconds = objects, defined, event_seconds
        objects.listeners.append(self.heard)

    def heard(self, kind: Kind, before: Doc | None, after: Doc | None) -> None:
        if kind.kind == "CustomResourceDefinition":
            self._defined(before, after)
        loop = asyncio.get_event_loop()
        if after is None and before is not None:
            loop.call_soon(self._collect, before["metadata"]["uid"])
            namespace = before["metadata"].get("namespace")
            if namespace:
                loop.call_soon(self._empty, str(namespace))
        elif after is not None:
            if kind.storage == EVENTS:
                loop.call_later(self._event_seconds, self._expire, _name(after), after["metadata"]["resourceVersion"])
            if after["metadata"].get("ownerReferences") and before is None:
                loop.call_soon(self._check_owners, kind.storage, _name(after))
            if after["metadata"].get("deletionTimestamp"):
                loop.call_soon(self._going, kind.storage, _name(after))

    def _expire(self, name: Name, version: str) -> None:
        doc = self._objects.store.get(EVENTS, name)
        if doc is not None and doc["metadata"]["resourceVersion"] == version:
            self._objects.delete(self._objects.kinds.of_storage(EVENTS), name[0], name[1], {})

    def _collect(self, uid: str) -> None:
        """The owner is gone: what nobody else owns goes too."""
        for storage, name in self._objects.store.owned_by(uid):
            self._check_owners(storage, name)

    def _check_owners(self, storage: Storage, name: Name) -> None:
        store = self._objects.store
        doc = store.get(storage, name)
        owners = (doc or {}).get("metadata", {}).get("ownerReferences") or []
        if doc is None or doc["metadata"].get("deletionTimestamp") or not owners:
            return
        alive = [owner for owner in owners if store.has_uid(str(owner["uid"]))]
        kind = self._objects.kinds.of_storage(storage)
        if not alive:
            self._objects.delete(kind, name[0], name[1], {"propagationPolicy": "Background"})
        elif len(alive) < len(owners):
            self._write(kind, doc, {"ownerReferences": alive})

    def _going(self, storage: Storage, name: Name) -> None:
        """Deletion has begun: namespaces empty themselves, foreground deletion takes the dependents first, orphan lets them go."""
        doc = self._objects.store.get(storage, name)
        if doc is None or not doc["metadata"].get("deletionTimestamp"):
            return
        if storage == NAMESPACES:
            self._empty(name[1])
            return
        kind, finalizers = self._objects.kinds.of_storage(storage), doc["metadata"].get("finalizers") or []
        uid = doc["metadata"]["uid"]
        if "orphan" in finalizers:
            for owned_storage, owned in self._objects.store.owned_by(uid):
                self._release(owned_storage, owned, uid)
            self._write(kind, doc, {"finalizers": [one for one in finalizers if one != "orphan"]})
        elif "foregroundDeletion" in finalizers:
            owned_ones = self._objects.store.owned_by(uid)
            for owned_storage, owned in owned_ones:
                self._objects.delete(self._objects.kinds.of_storage(owned_storage), owned[0], owned[1], {"propagationPolicy": "Foreground"})
            if not self._objects.store.owned_by(uid):
                self._write(kind, doc, {"finalizers": [one for one in finalizers if one != "foregroundDeletion"]})
            else:
                asyncio.get_event_loop().call_later(0.05, self._going, storage, name)

    def _release(self, storage: Storage, name: Name, uid: str) -> None:
        doc = self._objects.store.get(storage, name)
        if doc is not None:
            left = [owner for owner in doc["metadata"].get("ownerReferences") or () if owner["uid"] != uid]
            self._write(self._objects.kinds.of_storage(storage), doc, {"ownerReferences": left})

    def _empty(self, namespace: str) -> None:
        """A terminating namespace deletes what is in it, and goes when nothing is left."""
        store = self._objects.store
        doc = store.get(NAMESPACES, ("", namespace))
        if doc is None or not doc["metadata"].get("deletionTimestamp"):
            return
        for storage, name in list(store.in_namespace(namespace)):
            found = store.get(storage, name)
            if found is not None and not found["metadata"].get("deletionTimestamp"):
                self._objects.delete(self._objects.kinds.of_storage(storage), name[0], name[1], {"propagationPolicy": "Background"})
        if not list(store.in_namespace(namespace)) and (doc := store.get(NAMESPACES, ("", namespace))) is not None:
            kind = self._objects.kinds.of_storage(NAMESPACES)
            self._objects._save(kind, {**doc, "spec": {**doc.get("spec", {}), "finalizers": []}}, doc, Options())

    def _write(self, kind: Kind, doc: Doc, meta: Doc) -> None:
        changed = {key: value for key, value in {**doc["metadata"], **meta}.items() if value != []}
        self._objects._save(kind, {**doc, "metadata": changed}, doc, Options())


def _name(doc: Doc) -> Name:
    return (str(doc["metadata"].get("namespace") or ""), str(doc["metadata"]["name"]))
