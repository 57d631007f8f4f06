"""Create, replace, patch, apply and delete with a real server's rules: versions, generations, ownership, status, finalizers; no HTTP."""

import copy
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace as with_changes
from datetime import datetime
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.apiserver import ownership, pod_security, problems, schemas
from gitops_canary.sandbox.apiserver.deleting import check_preconditions, finalizers_of, grace_of, may_go, terminating
from gitops_canary.sandbox.apiserver.finishing import SERVERS_OWN, Finisher
from gitops_canary.sandbox.apiserver.kinds import Kind, Kinds
from gitops_canary.sandbox.apiserver.managing import Options, differs, entry_of, in_order, is_ours, kept_of, managed
from gitops_canary.sandbox.apiserver.patches import check_type, patched
from gitops_canary.sandbox.apiserver.receiving import check_version, config_of, received
from gitops_canary.sandbox.apiserver.store import Doc, Store, name_of
from gitops_canary.sandbox.apiserver.structure import Structure


class Objects:
    """`changed` is called after every stored write, with the kind, the state before and the state after."""

    def __init__(self, store: Store, kinds: Kinds, clock: Callable[[], datetime]) -> None:
        self.store, self.kinds, self._clock = store, kinds, clock
        self.listeners: list[Callable[[Kind, Doc | None, Doc | None], None]] = []
        self.finisher = Finisher(self.now)

    def now(self) -> str:
        return stamp(self._clock())

    # ------------------------------------------------------------ reads

    def get(self, kind: Kind, namespace: str, name: str) -> Doc:
        found = self.store.get(kind.storage, (namespace if kind.namespaced else "", name))
        if found is None:
            raise problems.not_found(kind.group, kind.plural, name)
        return self.shown(kind, found)

    def shown(self, kind: Kind, doc: Doc) -> Doc:
        """The stored object as its version shows it: without what that version does not know; it adds no defaults, as a real server."""
        if doc["apiVersion"] == kind.api_version:
            return doc
        renamed = {**doc, "apiVersion": kind.api_version}
        return dict(schemas.pruned(renamed, kind.schema)) if kind.schema else renamed

    # ------------------------------------------------------------ writes

    def create(self, kind: Kind, namespace: str, sent: Doc, options: Options) -> Doc:
        doc = received(kind, namespace, sent)
        meta = doc["metadata"]
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise problems.invalid(kind.group, kind.kind, "", [("metadata.name", "Required value: name or generateName is required")])
            meta["name"] = f"{meta['generateName']}{secrets.token_hex(3)[:5]}"
        if meta.get("resourceVersion"):
            raise problems.Problem(500, "", "resourceVersion should not be set on objects to be created")
        self._check_namespace(kind, doc)
        self._born(kind, doc)
        if kind.status and kind.kind not in ("Namespace", "Pod", "Node", "Service"):
            doc.pop("status", None)
        made = self.finisher.finished(kind, doc, None, options)
        # What is wrong with the object is told before that its name is taken.
        if self.store.get(kind.storage, name_of(doc)) is not None:
            raise problems.exists(kind.group, kind.plural, meta["name"])
        self._own(made, managed(kind, made, None, options, self.now()))
        return self._save(kind, made, None, options)

    def replace(self, kind: Kind, namespace: str, name: str, sent: Doc, options: Options) -> Doc:
        old = self.get(kind, namespace, name)
        doc = received(kind, namespace, sent)
        if doc["metadata"].get("name") != name:
            raise problems.bad_request(
                f"the name of the object ({doc['metadata'].get('name')}) does not match the name on the URL ({name})"
            )
        if kind.needs_version and not doc["metadata"].get("resourceVersion"):
            told = [("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")]
            raise problems.invalid(kind.group, kind.plural, name, told)
        check_version(kind, old, doc)
        return self._update(kind, old, doc, options)

    def patch(self, kind: Kind, namespace: str, name: str, content: str, patch: Any, options: Options) -> Doc:
        check_type(content, kind.custom)
        old = self.get(kind, namespace, name)
        new = patched(content, copy.deepcopy(old), patch, Structure(None, kind.kind))
        doc = received(kind, namespace, new)
        if doc["metadata"].get("name") != name:
            raise problems.bad_request("the name of the object must not be changed by a patch")
        check_version(kind, old, doc)
        return self._update(kind, old, doc, with_changes(options, patched=True))

    def apply(self, kind: Kind, namespace: str, name: str, sent: Doc, options: Options) -> tuple[Doc, bool]:
        """Server-side apply; the object and whether it was created."""
        config = config_of(kind, namespace, name, sent, options.manager)
        structure = Structure(kind.schema if kind.custom else None, kind.kind)
        self.finisher.check_typed(kind, config, f"{(sent.get('metadata') or {}).get('namespace', '')}/{name}")
        mine = ownership.owned_paths(config, structure)
        old = self.store.get(kind.storage, (namespace if kind.namespaced else "", name))
        if old is None:
            return self._apply_new(kind, config, mine, options), True
        check_version(kind, old, config)
        return self._apply_on(kind, self.shown(kind, old), config, mine, structure, options), False

    def _apply_new(self, kind: Kind, config: Doc, mine: set[ownership.Path], options: Options) -> Doc:
        doc = copy.deepcopy(config)
        self._check_namespace(kind, doc)
        self._born(kind, doc)
        if kind.status and kind.kind not in ("Namespace", "Pod", "Node", "Service") and options.subresource != "status":
            doc.pop("status", None)
        made = self.finisher.finished(kind, doc, None, options)
        self._own(made, [entry_of(kind, options, "Apply", self.now(), mine)] if mine else [])
        return self._save(kind, made, None, options)

    def _apply_on(self, kind: Kind, old: Doc, config: Doc, mine: set[ownership.Path], structure: Structure, options: Options) -> Doc:
        entries = [(entry, ownership.paths_of(entry.get("fieldsV1") or {})) for entry in old["metadata"].get("managedFields") or ()]
        others = [(entry, paths) for entry, paths in entries if not is_ours(entry, options, "Apply")]
        before = next((paths for entry, paths in entries if is_ours(entry, options, "Apply")), set())
        disputed = ownership.conflicts(old, config, mine, others)
        if disputed and not options.force:
            raise ownership.conflict_problem(disputed)
        contents = dict(config)
        contents["metadata"] = {key: value for key, value in config["metadata"].items() if key not in ("resourceVersion", "uid")}
        new = ownership.applied(old, contents, structure)
        taken = set().union(*(paths for _, paths in others)) if others else set()
        new = ownership.pruned(new, before - mine, taken | mine)
        new = ownership.dropped_empty(new, before - mine)
        if not kind.status or options.subresource == "status":
            new.setdefault("status", old.get("status")) if old.get("status") is not None else None
        else:
            new["status"] = old.get("status")
            if new["status"] is None:
                new.pop("status")
        doc = self.finisher.finished(kind, received(kind, old["metadata"].get("namespace", ""), new), old, options)
        # A forced field belongs to the one who forced it alone.
        stolen = {path for path in mine - ownership.containers(mine) if isinstance(path[-1], str) and differs(old, config, path)}
        # What went with an item that its applier left out belongs to nobody.
        gone = {path for path in taken if ownership.has(old, path) and not ownership.has(doc, path)}
        kept = [kept_of(entry, paths - stolen - gone, paths) for entry, paths in others]
        own = entry_of(kind, options, "Apply", self.now(), mine, before == mine, entries) if mine else None
        self._own(doc, in_order([*kept, own]))
        return self._save(kind, doc, old, options)

    def delete(self, kind: Kind, namespace: str, name: str, options: Mapping[str, Any], dry_run: bool = False) -> Doc:
        """The object as it went, or as it waits for finalizers."""
        doc = self.get(kind, namespace, name)
        check_preconditions(kind, doc, options)
        if dry_run:
            return doc
        finalizers = finalizers_of(kind, doc, options)
        grace = grace_of(kind, doc, options)
        if kind.kind == "Namespace" or finalizers or grace:
            return self._terminate(kind, doc, finalizers, grace)
        return self._remove(kind, doc)

    def _terminate(self, kind: Kind, doc: Doc, finalizers: list[str], grace: int) -> Doc:
        new = terminating(kind, doc, finalizers, grace, self.now())
        return doc if new is None else self._save(kind, new, doc, Options())

    def _remove(self, kind: Kind, doc: Doc) -> Doc:
        last = self.store.remove(kind.storage, name_of(doc))
        for listener in self.listeners:
            listener(kind, doc, None)
        return last

    # ------------------------------------------------------------ the middle of every write

    def _born(self, kind: Kind, doc: Doc) -> None:
        meta = doc["metadata"]
        for key in SERVERS_OWN:
            meta.pop(key, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = self.now()
        if kind.counts_generations:
            meta["generation"] = 1

    def _check_namespace(self, kind: Kind, doc: Doc) -> None:
        namespace = doc["metadata"].get("namespace")
        if not kind.namespaced:
            return
        found = self.store.get(("", "namespaces"), ("", str(namespace)))
        if found is None:
            raise problems.not_found("", "namespaces", str(namespace))
        if found["metadata"].get("deletionTimestamp"):
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            name = doc["metadata"].get("name", "")
            causes = [
                {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated", "field": "metadata.namespace"}
            ]
            details = {"name": name, "group": kind.group, "kind": kind.plural, "causes": causes}
            raise problems.Problem(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {message}', details)

    def _update(self, kind: Kind, old: Doc, doc: Doc, options: Options) -> Doc:
        if options.subresource == "status":
            doc = {**copy.deepcopy(old), "status": doc.get("status"), "metadata": {**doc["metadata"]}}
            doc["metadata"] = {**old["metadata"], "managedFields": old["metadata"].get("managedFields")}
            if doc["status"] is None:
                doc.pop("status")
        elif kind.status:
            doc.pop("status", None)
            if "status" in old:
                doc["status"] = old["status"]
        made = self.finisher.finished(kind, doc, old, options)
        self._own(made, managed(kind, made, old, options, self.now()))
        return self._save(kind, made, old, options)

    def _own(self, doc: Doc, entries: list[Doc]) -> None:
        doc["metadata"].pop("managedFields", None)
        if entries:
            doc["metadata"]["managedFields"] = entries

    def _save(self, kind: Kind, doc: Doc, old: Doc | None, options: Options) -> Doc:
        if old is not None and _equal(doc, old):
            return old
        if old is None and kind.resource == "pods":
            pod_security.admit(self.store.get(("", "namespaces"), ("", doc["metadata"]["namespace"])) or {}, doc)
        if options.dry_run:
            version = old["metadata"]["resourceVersion"] if old else ""
            return {**doc, "metadata": {**doc["metadata"], "resourceVersion": version}}
        if old is not None and doc["metadata"].get("deletionTimestamp") and may_go(kind, doc):
            self.store.put(kind.storage, doc)
            return self._remove(kind, doc)
        stored = self.store.put(kind.storage, doc)
        for listener in self.listeners:
            listener(kind, old, stored)
        return stored


def _equal(doc: Doc, old: Doc) -> bool:
    def plain(one: Doc) -> Doc:
        meta = {key: value for key, value in one["metadata"].items() if key not in ("resourceVersion", "managedFields")}
        return {**one, "metadata": meta}

    if plain(doc) != plain(old):
        return False
    owners = [[{k: v for k, v in e.items() if k != "time"} for e in one["metadata"].get("managedFields") or ()] for one in (doc, old)]
    return owners[0] == owners[1]
