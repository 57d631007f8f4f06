"""The Cluster port in memory, for virtual time: versions, conflicts, ownership, finalizers, garbage collection and watches; no HTTP.

What `get` and `list` show is what the real adapter's cache would: ConfigMaps and Secrets come without their data. `requests` logs what
the real adapter would have asked the server for (writes that change nothing are skipped there as here).
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gitops_canary.domain.errors import Conflict, UserError
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.ports import Clock, Sentence
from tests.memory.clock import VirtualClock
from tests.memory.faults import Faults
from tests.memory.fields import Path, leaves, merged, removed, value_at

Identity = tuple[str, str, str, str]
CLUSTER_SCOPED = frozenset({"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "PriorityClass", "StorageClass"})
METADATA_ONLY = frozenset({"ConfigMap", "Secret", "CustomResourceDefinition"})
OURS = "gitops-canary"


class MemoryCluster:
    def __init__(self, faults: Faults | None = None, unknown: Iterable[tuple[str, str]] = (), clock: Clock | None = None) -> None:
        self.faults = faults or Faults()
        self.objects: dict[Identity, Doc] = {}
        self.owned: dict[Identity, dict[str, set[Path]]] = {}
        self.kept: dict[str, frozenset[str]] = {}
        """By kind: the only status fields that its definition keeps."""
        self.refused: set[str] = set()
        """Objects (`str(ref)`) whose apply the server refuses."""
        self.requests: list[str] = []
        self.told: dict[tuple[str, str], tuple[Ref, Sentence]] = {}
        self._unknown = set(unknown)
        self._listeners: list[Callable[[str, str, str], None]] = []
        self._version = 1
        self._clock = clock or VirtualClock()

    # ------------------------------------------------------------ for tests

    def subscribe(self, listener: Callable[[str, str, str], None]) -> None:
        """`listener(kind, namespace, name)` at every change, as the real cache does."""
        self._listeners.append(listener)

    def put(self, *docs: Mapping[str, Any], manager: str = "test") -> None:
        """Create or replace as somebody else would (kubectl, Helm): no fault, no request; the status of an existing object stays."""
        for doc in docs:
            ref, new = ref_of(doc), copy.deepcopy(dict(doc))
            old = self.objects.get(ref.identity)
            if old is not None:
                new["metadata"] = {**old["metadata"], **new["metadata"]}
                new.setdefault("status", old.get("status", {}))
            self._store(ref, old, new)
            self.owned.setdefault(ref.identity, {})[manager] = set(leaves(doc))

    def change(self, ref: Ref, patch: Doc) -> None:
        """A merge patch by somebody else, status included."""
        old = self.objects[ref.identity]
        self._store(ref, old, merged(old, patch))

    def whole(self, ref: Ref) -> Doc:
        """The stored object itself; KeyError when there is none."""
        return self.objects[ref.identity]

    def story(self) -> list[str]:
        """The sentences of all Events in the order they were told first."""
        return [sentence.text for _, sentence in self.told.values()]

    # ------------------------------------------------------------ reads

    def get(self, ref: Ref) -> Doc | None:
        found = self.objects.get(ref.identity)
        return _cached(found) if found is not None else None

    def list(self, api_version: str, kind: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Doc]:
        group = api_version.rpartition("/")[0]
        wanted = (labels or {}).items()
        return [
            _cached(doc)
            for (its_group, its_kind, its_namespace, _), doc in sorted(self.objects.items())
            if (its_group, its_kind) == (group, kind)
            and namespace in ("", its_namespace)
            and wanted <= (doc["metadata"].get("labels") or {}).items()
        ]

    def live(self, ref: Ref) -> Doc | None:
        ref = self._placed(ref)
        self.faults.reach(f"cluster: read {ref}")
        self.requests.append(f"GET {ref}")
        found = self.objects.get(ref.identity)
        if found is None or self.serves(ref.api_version, ref.kind) is None:
            return None
        managers = sorted(self.owned.get(ref.identity, {}))
        fields = [{"manager": manager, "operation": "Apply"} for manager in managers]
        return copy.deepcopy({**found, "metadata": {**found["metadata"], "managedFields": fields}})

    def serves(self, api_version: str, kind: str) -> bool | None:
        return None if (api_version, kind) in self._unknown else kind not in CLUSTER_SCOPED

    def _placed(self, ref: Ref) -> Ref:
        """A path of a cluster-scoped kind has no namespace, whatever the reference says."""
        return replace(ref, namespace="") if self.serves(ref.api_version, ref.kind) is False else ref

    def learn(self, api_version: str, kind: str) -> None:
        """The server serves a kind that it did not know."""
        self._unknown.discard((api_version, kind))

    def forget(self, api_version: str, kind: str) -> None:
        """The server does not serve a kind for a while."""
        self._unknown.add((api_version, kind))

    def read_anew(self, api_version: str, kind: str) -> None:
        """There is no watch that could be behind."""

    def observe(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Everything is watched here."""

    def cluster_id(self) -> str:
        return "memory-cluster"

    # ------------------------------------------------------------ writes

    def apply(
        self,
        doc: Doc,
        *,
        manager: str = OURS,
        force: bool = True,
        dry_run: bool = False,
        as_user: str = "",
        create_only: bool = False,
    ) -> Doc:
        ref = self._placed(ref_of(doc))
        if self.serves(ref.api_version, ref.kind) is None:
            raise UserError(f"cannot apply {ref}: the server does not know the kind {ref.api_version} {ref.kind}")
        if str(ref) in self.refused:
            raise UserError(f"cannot apply {ref}: the server refuses it")
        old = self.objects.get(ref.identity)
        self._check(ref, old, str(doc["metadata"].get("resourceVersion") or ""))
        if create_only and old is not None:
            raise Conflict(f"cannot create {ref}: it is there already")
        sent = _applied(doc)
        new = self._applied_onto(ref, old, sent, manager, force)
        mine = set(leaves(sent))
        same = old is not None and new == old and self.owned.get(ref.identity, {}).get(manager) == mine
        if dry_run or same:
            return copy.deepcopy(new)
        with self._writing(f"apply {ref}"):
            stored = self._store(ref, old, new)
            owned = self.owned.setdefault(ref.identity, {})
            for other in owned.values():
                other -= {path for path in mine & other if old is None or value_at(old, path) != value_at(new, path)}
            owned[manager] = mine
        return copy.deepcopy(stored)

    def patch(
        self, ref: Ref, patch: Doc, *, subresource: str = "", resource_version: str = "", as_user: str = "", dry_run: bool = False
    ) -> Doc:
        old = self.objects.get(ref.identity)
        if old is None:
            raise Conflict(f"cannot patch {ref}: it is gone")
        self._check(ref, old, resource_version)
        part = {"status": patch.get("status")} if subresource == "status" else {k: v for k, v in patch.items() if k != "status"}
        new = self._pruned(ref, merged(old, part))
        if dry_run:
            return new
        if new == old:
            return copy.deepcopy(old)
        with self._writing(f"patch {ref}{' ' + subresource if subresource else ''}"):
            changed = {path for path in leaves(part) if value_at(old, path) != value_at(new, path)}
            for other in self.owned.get(ref.identity, {}).values():
                other -= changed
            stored = self._store(ref, old, new)
        return copy.deepcopy(stored)

    def _pruned(self, ref: Ref, doc: Doc) -> Doc:
        """What another tool's definition of the kind keeps of a status: only the fields in `kept`."""
        kept = self.kept.get(ref.kind)
        if kept is None or not isinstance(doc.get("status"), dict):
            return doc
        return {**doc, "status": {key: value for key, value in doc["status"].items() if key in kept}}

    def scale(self, ref: Ref, replicas: int) -> None:
        old = self.objects.get(ref.identity)
        if old is None:
            raise Conflict(f"cannot scale {ref}: it is gone")
        if old["spec"].get("replicas") == replicas:
            return
        with self._writing(f"scale {ref} to {replicas}"):
            self._store(ref, old, merged(old, {"spec": {"replicas": replicas}}))

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", as_user: str = "") -> None:
        ref = self._placed(ref)
        old = self.objects.get(ref.identity)
        if old is None or self.serves(ref.api_version, ref.kind) is None:
            return
        if uid and uid != old["metadata"]["uid"]:
            raise Conflict(f"cannot delete {ref}: it is another object by now")
        self._check(ref, old, resource_version)
        with self._writing(f"delete {ref}"):
            self.remove(ref)

    def remove(self, ref: Ref) -> None:
        """A deletion by anybody: finalizers hold it, owned objects go with it."""
        old = self.objects[ref.identity]
        if old["metadata"].get("finalizers"):
            self._store(ref, old, merged(old, {"metadata": {"deletionTimestamp": self._clock.now().wall.strftime("%Y-%m-%dT%H:%M:%SZ")}}))
            return
        self._drop(ref)

    def tell(self, about: Doc, sentence: Sentence, *, key: str, now: datetime) -> None:
        name = (str(about["metadata"].get("uid") or about["metadata"]["name"]), key)
        if name in self.told:
            return
        last = max((told.order for (uid, _), (_, told) in self.told.items() if uid == name[0]), default="")
        # The names of Events sort by it, and `kubectl describe` shows them so.
        assert self.faults.struck or not sentence.order or sentence.order >= last, f"{sentence} is told after {last}"
        with self._writing(f"tell {sentence.text}"):
            self.told[name] = (ref_of(about), sentence)

    # ------------------------------------------------------------ inside

    def _writing(self, name: str) -> Any:
        self.requests.append(name)
        return self.faults.effect(f"cluster: {name}")

    def _check(self, ref: Ref, old: Doc | None, version: str) -> None:
        if version and (old is None or old["metadata"]["resourceVersion"] != version):
            now = "gone" if old is None else old["metadata"]["resourceVersion"]
            raise Conflict(f"cannot write {ref}: it has changed since version {version} (now {now})")

    def _applied_onto(self, ref: Ref, old: Doc | None, sent: Doc, manager: str, force: bool) -> Doc:
        if old is None:
            return sent
        owned = self.owned.get(ref.identity, {})
        others: set[Path] = set().union(*(paths for name, paths in owned.items() if name != manager))
        if not force:
            for path in set(leaves(sent)) & others:
                if value_at(old, path) != value_at(sent, path):
                    raise Conflict(f"cannot apply {ref}: another manager owns {'.'.join(path)}")
        dropped = owned.get(manager, set()) - set(leaves(sent)) - others
        return dict(merged(removed(old, dropped), sent))

    def _store(self, ref: Ref, old: Doc | None, new: Doc) -> Doc:
        self._version += 1
        new = copy.deepcopy(new)
        meta = new["metadata"]
        meta["resourceVersion"] = str(self._version)
        if old is None:
            meta.update(uid=meta.get("uid") or f"uid-{self._version}", generation=1, creationTimestamp="2026-01-01T00:00:00Z")
        elif new.get("spec") != old.get("spec"):
            meta["generation"] = old["metadata"].get("generation", 0) + 1
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            self._drop(ref)
            return new
        self.objects[ref.identity] = new
        self._changed(ref)
        return new

    def _drop(self, ref: Ref) -> None:
        gone = self.objects.pop(ref.identity)
        self.owned.pop(ref.identity, None)
        self._changed(ref)
        for doc in list(self.objects.values()):
            owners = doc["metadata"].get("ownerReferences") or ()
            if any(owner.get("uid") == gone["metadata"]["uid"] for owner in owners) and ref_of(doc).identity in self.objects:
                self.remove(ref_of(doc))

    def _changed(self, ref: Ref) -> None:
        for listener in self._listeners:
            listener(ref.kind, ref.namespace, ref.name)


def _applied(doc: Mapping[str, Any]) -> Doc:
    sent = {key: copy.deepcopy(value) for key, value in doc.items() if key != "status"}
    sent["metadata"] = {key: value for key, value in sent["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return sent


def _cached(doc: Doc) -> Doc:
    if doc["kind"] in METADATA_ONLY:
        doc = {key: doc[key] for key in ("apiVersion", "kind", "metadata")}
    return copy.deepcopy(doc)
