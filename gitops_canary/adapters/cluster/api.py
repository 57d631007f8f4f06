"""The `Cluster` port on a Kubernetes API: reads from the watched cache, writes with preconditions that skip what would change nothing."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from gitops_canary.adapters.cluster import connection as http
from gitops_canary.adapters.cluster.applies import Applies
from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.cluster.discovery import Discovery, Kind
from gitops_canary.adapters.cluster.patches import merged, scaled, with_version
from gitops_canary.adapters.cluster.reflector import PAGE, Changed
from gitops_canary.adapters.cluster.store import Entry, Store
from gitops_canary.adapters.cluster.stories import event
from gitops_canary.adapters.cluster.watches import Watches
from gitops_canary.domain.errors import Conflict, UserError
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.ports import Log, Sentence

MANAGER = "gitops-canary"
SERVED_SECONDS = 5.0
"""The longest that an apply of a CustomResourceDefinition waits for its kind; afterwards it is merely unknown for a while longer."""
TOLD = 4096
"""Events remembered as told; beyond it a repetition costs one request that changes nothing."""

Docs = list[Doc]


class KubernetesCluster:
    """Thread-safe; see `ports.Cluster` for what each method promises.

    `guard` is called right before every write and raises NotLeader when none may start (rule O3).
    Objects handed out of the cache are shared: never change them.
    """

    def __init__(
        self,
        connection: Connection,
        log: Log,
        *,
        observed: Iterable[tuple[str, str]] = (),
        namespace: str = "",
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._http, self._guard = connection, guard
        self._discovery = Discovery(connection)
        self._watches = Watches(connection, self._discovery, log, namespace)
        self._observed = tuple(observed)
        self._applies = Applies()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._id = ""

    # ------------------------------------------------------------ life

    def subscribe(self, listener: Changed) -> None:
        """Calls `listener(kind, namespace, name)` for every change of a watched object; before `start`, so that none is missed."""
        self._watches.subscribe(listener)

    def start(self, seconds: float = 30.0) -> list[str]:
        """Starts the watches and waits for their first lists; returns the kinds that are still missing (they are tried on)."""
        self.observe(self._observed)
        return self._watches.wait_synced(seconds)

    def close(self) -> None:
        self._watches.close()
        self._http.close()

    def observe(self, kinds: Iterable[tuple[str, str]]) -> None:
        self._watches.add(kinds)

    def read_anew(self, api_version: str, kind: str) -> None:
        self._watches.begin_anew(api_version, kind)

    # ------------------------------------------------------------ reads

    def get(self, ref: Ref) -> Doc | None:
        store = self._store(ref)
        if store is None:
            return self.live(ref)
        entry = store.get((ref.namespace, ref.name))
        return entry.doc if entry is not None else None

    def list(self, api_version: str, kind: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Doc]:
        """Without `namespace` those of every namespace that is served: where that is one, the others are neither watched nor readable."""
        store, served = self._watches.store(api_version, kind), self._watches.namespace
        if store is not None and served in ("", namespace or served):
            return store.find(namespace, labels)
        return self._live_list(api_version, kind, namespace or served, labels or {})

    def live(self, ref: Ref) -> Doc | None:
        kind = self._discovery.find(ref.api_version, ref.kind)
        if kind is None:
            return None
        answer = self._http.request("GET", kind.path(ref.namespace, ref.name), doing=f"read {ref}", missing_ok=True)
        return None if answer.status == 404 else answer.doc()

    def serves(self, api_version: str, kind: str) -> bool | None:
        found = self._discovery.find(api_version, kind)
        return found.namespaced if found is not None else None

    def cluster_id(self) -> str:
        if not self._id:
            found = self.live(Ref("v1", "Namespace", "", "kube-system"))
            if found is None:
                raise UserError("cannot tell which cluster this is: it has no namespace kube-system")
            self._id = str(found["metadata"]["uid"])
        return self._id

    # ------------------------------------------------------------ writes

    def apply(
        self,
        doc: Doc,
        *,
        manager: str = MANAGER,
        force: bool = True,
        dry_run: bool = False,
        as_user: str = "",
        create_only: bool = False,
    ) -> Doc:
        """With `create_only` it is a plain create (Conflict when the object is there): atomic, but owned as an update, not as an apply."""
        ref = ref_of(doc)
        kind = self._discovery.need(ref.api_version, ref.kind)
        entry = self._entry(ref)
        if entry is not None and not (dry_run or create_only) and self._applies.stands(ref, doc, manager, entry):
            return entry.doc
        query = {"fieldManager": manager} | ({"dryRun": "All"} if dry_run else {})
        if create_only:
            answer = self._write("POST", kind.path(ref.namespace), f"create {ref}", doc, query, http.JSON, as_user)
        else:
            query["force"] = str(force).lower()
            answer = self._write("PATCH", kind.path(ref.namespace, ref.name), f"apply {ref}", doc, query, http.APPLY, as_user)
        if not dry_run:
            self._remember(ref, doc, manager, answer)
        return answer

    def patch(
        self, ref: Ref, patch: Doc, *, subresource: str = "", resource_version: str = "", as_user: str = "", dry_run: bool = False
    ) -> Doc:
        entry = self._entry(ref)
        self._check_version(ref, entry, resource_version)
        if not dry_run and entry is not None and entry.whole and merged(entry.doc, patch) == entry.doc:
            return entry.doc
        kind = self._discovery.need(ref.api_version, ref.kind)
        body, query = with_version(patch, resource_version), {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        path = kind.path(ref.namespace, ref.name, subresource)
        answer = self._write("PATCH", path, f"patch {ref}", body, query, http.MERGE_PATCH, as_user)
        if not dry_run:
            self._wrote(ref, answer)
        return answer

    def scale(self, ref: Ref, replicas: int, *, resource_version: str = "") -> None:
        """The precondition is `resource_version`, else the cached version: what the decision came from (rule O3)."""
        entry = self._entry(ref)
        self._check_version(ref, entry, resource_version)
        if entry is not None and (entry.doc.get("spec") or {}).get("replicas") == replicas:
            return
        version = resource_version or (str(entry.version) if entry is not None else "")
        kind = self._discovery.need(ref.api_version, ref.kind)
        body = with_version({"spec": {"replicas": replicas}}, version)
        path = kind.path(ref.namespace, ref.name, "scale")
        answer = self._write("PATCH", path, f"scale {ref} to {replicas}", body, {"fieldManager": MANAGER}, http.MERGE_PATCH)
        if entry is not None and version == str(entry.version):
            self._wrote(ref, scaled(entry.doc, replicas, answer["metadata"]["resourceVersion"]))

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", as_user: str = "") -> None:
        kind = self._discovery.find(ref.api_version, ref.kind)
        if kind is None:
            return
        given = {"uid": uid, "resourceVersion": resource_version}
        conditions = {key: value for key, value in given.items() if value}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": conditions}
        self._guard()
        path = kind.path(ref.namespace, ref.name)
        answer = self._http.request("DELETE", path, doing=f"delete {ref}", body=body, as_user=as_user, missing_ok=True)
        self._forget(ref, uid, answer.doc() if answer.status != 404 else {})

    def tell(self, about: Doc, sentence: Sentence, *, key: str, now: datetime) -> None:
        doc = event(about, sentence, key, now)
        name = doc["metadata"]["name"]
        if name in self._told:
            return
        kind = Kind("v1", "Event", "events", True)
        # Conflict: it stands there already, told before a restart.
        with contextlib.suppress(Conflict):
            self._write("POST", kind.path(doc["metadata"]["namespace"]), f"tell about {ref_of(about)}", doc, {}, http.JSON)
        self._told[name] = None
        if len(self._told) > TOLD:
            self._told.popitem(last=False)

    # ------------------------------------------------------------ inside

    def _write(self, verb: str, path: str, doing: str, body: object, query: Mapping[str, str], content: str, as_user: str = "") -> Doc:
        self._guard()
        answer: Doc = self._http.request(verb, path, doing=doing, body=body, query=query, content=content, as_user=as_user).doc()
        return answer

    def _live_list(self, api_version: str, kind: str, namespace: str, labels: Mapping[str, str]) -> Sequence[Doc]:
        found = self._discovery.find(api_version, kind)
        if found is None:
            return []
        query = {"limit": str(PAGE)} | ({"labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())} if labels else {})
        items: Docs = []
        path = found.path(namespace if found.namespaced else "")
        while True:
            page = self._http.request("GET", path, doing=f"list {kind}", query=query).doc()
            items += ({**item, "apiVersion": api_version, "kind": kind} for item in page.get("items") or ())
            if not page["metadata"].get("continue"):
                return items
            query["continue"] = page["metadata"]["continue"]

    def _store(self, ref: Ref) -> Store | None:
        inside = self._watches.namespace in ("", ref.namespace)
        return self._watches.store(ref.api_version, ref.kind) if inside else None

    def _entry(self, ref: Ref) -> Entry | None:
        store = self._store(ref)
        return store.get((ref.namespace, ref.name)) if store is not None else None

    def _check_version(self, ref: Ref, entry: Entry | None, version: str) -> None:
        """The cache may know already what the server would say."""
        if entry is not None and version and entry.version > int(version):
            raise Conflict(f"cannot write {ref}: it has changed since version {version} (now {entry.version})")

    def _remember(self, ref: Ref, doc: Doc, manager: str, answer: Doc) -> None:
        self._wrote(ref, answer)
        self._applies.remember(ref, doc, manager, answer)
        if ref.kind == "CustomResourceDefinition":
            self._wait_served(answer["spec"])

    def _wait_served(self, definition: Doc) -> None:
        """A definition is served about a second after it was applied; objects of the kind come next, and watches wait for it."""
        versions = [f"{definition['group']}/{version['name']}" for version in definition["versions"] if version["served"]]
        for api_version in versions:
            self._discovery.wait_for(api_version, definition["names"]["kind"], SERVED_SECONDS)
        self._watches.retry_unknown()

    def _wrote(self, ref: Ref, answer: Doc) -> None:
        store = self._store(ref)
        if store is not None:
            store.wrote(answer)

    def _forget(self, ref: Ref, uid: str, answer: Doc) -> None:
        """A finalizer keeps the object for a while; then the answer is the object, else a Status."""
        store = self._store(ref)
        if store is not None and answer.get("kind") == ref.kind and (answer.get("metadata") or {}).get("deletionTimestamp"):
            store.wrote(answer)
        elif store is not None:
            store.removed((ref.namespace, ref.name), uid)
