"""Brings one object of the cluster repository into the cluster or out of it (owners: rule O1); the order is sync's."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_canary.domain.errors import Conflict
from gitops_canary.domain.resources import Doc, Ref, Resource
from gitops_canary.domain.sync import SCALED_KINDS, Entry, Identity, digest, ignored, projection
from gitops_canary.ports import Cluster

REPLICAS_MANAGER = "gitops-canary-replicas"
TAKEN_KINDS = frozenset({"Service", "VirtualService", "DestinationRule"})
TRIES = 4
"""How often one object is observed again when somebody else writes it at the same time."""


@dataclass(frozen=True)
class _Stand:
    """What stood right after our apply: the manifest's digest, what it speaks about as the server shows it, and the version."""

    digest: str
    seen: Any
    version: str


class Applier:
    """`as_user` is the identity that is impersonated ("" = the operator's own)."""

    def __init__(self, cluster: Cluster, as_user: str = "") -> None:
        self._cluster = cluster
        self._as_user = as_user
        self._stands: dict[Identity, _Stand] = {}

    def in_place(self, resource: Resource, scaled: frozenset[tuple[str, str, str]]) -> bool:
        """Whether the live object still says what the file says; answered from the cache."""
        live = self._cluster.get(resource.ref)
        if live is None:
            return False
        if ignored(live) == "true" or taken_by_canary(live):
            return True
        doc = _wanted(resource, scaled)
        known = self._stands.get(resource.ref.identity)
        if known is not None and (known.digest, known.version) == (digest(doc), live["metadata"].get("resourceVersion")):
            return True  # also where the cache holds no data (ConfigMaps, Secrets): nobody has written since
        seen = projection(live, doc)
        if known is None or known.digest != digest(doc):
            # After a restart nobody remembers how the server normalised the manifest; equal text is proof enough, else apply once more.
            return bool(seen == doc)
        return bool(seen == known.seen)

    def apply(self, resource: Resource, scaled: frozenset[tuple[str, str, str]]) -> bool:
        """Server-side apply of one manifest; False when it is left to its owner. Raises what the Cluster port raises."""
        for left in reversed(range(TRIES)):
            live = self._cluster.live(resource.ref)
            if live is not None and (ignored(live) == "true" or taken_by_canary(live)):
                return False
            try:
                self._apply(resource, live, scaled)
            except Conflict:
                if not left:
                    raise
            else:
                return True
        return False

    def _apply(self, resource: Resource, live: Doc | None, scaled: frozenset[tuple[str, str, str]]) -> None:
        doc = _wanted(resource, scaled)
        if live is not None:
            live = self._hand_over_replicas(resource, live, doc)
        sent = copy.deepcopy(doc)
        if live is not None:
            sent["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        elif "replicas" in (resource.doc.get("spec") or {}):
            # Nobody has decided yet: a new workload begins with what the file says, and its primary with as many.
            sent["spec"]["replicas"] = resource.doc["spec"]["replicas"]
        answer = self._cluster.apply(sent, as_user=self._as_user)
        version = str(answer["metadata"].get("resourceVersion", ""))
        self._stands[resource.ref.identity] = _Stand(digest(doc), projection(answer, doc), version)

    def _hand_over_replicas(self, resource: Resource, live: Doc, doc: Doc) -> Doc:
        """Leaving out a field that only we own resets it, so another manager takes it over first with the live value."""
        replicas = (live.get("spec") or {}).get("replicas")
        if replicas is None or "replicas" not in (resource.doc.get("spec") or {}) or "replicas" in (doc.get("spec") or {}):
            return live
        if any(entry.get("manager") == REPLICAS_MANAGER for entry in live["metadata"].get("managedFields") or ()):
            return live
        ref = resource.ref
        meta = {"name": ref.name, "namespace": ref.namespace, "resourceVersion": live["metadata"]["resourceVersion"]}
        only = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta, "spec": {"replicas": replicas}}
        return self._cluster.apply(only, manager=REPLICAS_MANAGER, as_user=self._as_user)

    def prune(self, entry: Entry) -> bool:
        """Delete what Git does not say any more; False when it stays because an annotation or an owner says so."""
        for left in reversed(range(TRIES)):
            live = self._cluster.live(entry.ref)
            if live is None:
                return True
            if ignored(live) or live["metadata"].get("ownerReferences"):
                return False
            try:
                self._delete(entry.ref, live)
            except Conflict:
                if not left:
                    raise
            else:
                self._stands.pop(entry.ref.identity, None)
                return True
        return False

    def _delete(self, ref: Ref, live: Mapping[str, Any]) -> None:
        meta = live["metadata"]
        self._cluster.delete(
            ref, uid=str(meta.get("uid", "")), resource_version=str(meta.get("resourceVersion", "")), as_user=self._as_user
        )


def taken_by_canary(live: Mapping[str, Any]) -> bool:
    """A Service or route that the canary manager took over is its own from then on (rule O1)."""
    owners = (live.get("metadata") or {}).get("ownerReferences") or ()
    return live.get("kind") in TAKEN_KINDS and any(owner.get("kind") == "Canary" for owner in owners)


def _wanted(resource: Resource, scaled: frozenset[tuple[str, str, str]]) -> Doc:
    doc: Doc = copy.deepcopy(dict(resource.doc))
    doc.setdefault("metadata", {})
    doc["metadata"] = {key: value for key, value in doc["metadata"].items() if key != "namespace"}
    if resource.ref.namespace:  # a cluster-scoped object has none, whatever its manifest says
        doc["metadata"]["namespace"] = resource.ref.namespace
    if resource.ref.kind in SCALED_KINDS and (resource.ref.kind, resource.ref.namespace, resource.ref.name) in scaled:
        doc["spec"] = {key: value for key, value in (doc.get("spec") or {}).items() if key != "replicas"}
    return doc
