"""What the images and results managers read alike: the tree's manifests and result files, and the canaries with their locations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gitops_canary.domain.automation import ImageKey
from gitops_canary.domain.lookups import Nowhere, Workload, find_key, placed
from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.resources import Ref, Resource
from gitops_canary.manifests.ledgers import Ledger, LedgerCache, read_ledgers
from gitops_canary.manifests.splice import set_scalar
from gitops_canary.manifests.tree import Loaded, Problem
from gitops_canary.ports import Cluster, Tree

Ledgers = tuple[tuple[Ledger, ...], tuple[Problem, ...]]
REMEMBERED = 4
"""Revisions whose manifests and result files are kept: the head, and those an edit goes through on its way to the next."""
Value = TypeVar("Value")
CANARY = ("flagger.app/v1beta1", "Canary")


@dataclass
class Reader:
    """`load` reads a tree's manifests (cached by content); objects without a namespace get `default_namespace`."""

    load: Callable[[Tree], Loaded]
    cluster_name: str = "default"
    default_namespace: str = "default"
    _cache: LedgerCache = field(default_factory=LedgerCache)
    _resources: dict[str, tuple[Resource, ...]] = field(default_factory=dict)
    _ledgers: dict[str, Ledgers] = field(default_factory=dict)

    def resources(self, tree: Tree) -> tuple[Resource, ...]:
        """From memory while the revision is one of the last few."""
        return _remembered(self._resources, tree.revision, lambda: placed(self.load(tree).resources, self.default_namespace))

    def ledgers(self, tree: Tree) -> Ledgers:
        """From memory while the revision is one of the last few: each tick of each canary asks."""
        return _remembered(self._ledgers, tree.revision, lambda: read_ledgers(tree, self._cache))

    def ledger(self, tree: Tree, namespace: str, canary: str) -> Ledger:
        """This cluster's file of one canary; an empty one when there is none yet."""
        known = self.ledgers(tree)[0]
        mine = (self.cluster_name, namespace, canary)
        return next((one for one in known if (one.cluster, one.namespace, one.canary) == mine), Ledger(*mine))

    def unreadable(self, tree: Tree, ledger: Ledger) -> Problem | None:
        """What keeps this canary's file from being read."""
        return next((problem for problem in self.ledgers(tree)[1] if problem.file == ledger.path), None)

    def quarantine(self, tree: Tree) -> tuple[Quarantined, ...]:
        """Of all clusters (rule G9)."""
        return tuple(entry for ledger in self.ledgers(tree)[0] for entry in ledger.quarantine)

    def foreign(self, tree: Tree, cluster_id: str) -> str:
        """The sentence that says that this cluster's folder belongs to another cluster (rule G9); "" when it does not."""
        for ledger in self.ledgers(tree)[0]:
            if ledger.cluster == self.cluster_name and ledger.cluster_id and ledger.cluster_id != cluster_id:
                return (
                    f"cannot record results or bump: {ledger.path} was written by another cluster ({ledger.cluster_id}); give this one "
                    "another --cluster-name, or take the files over with --adopt-results if it was rebuilt"
                )
        return ""


def _remembered(known: dict[str, Value], revision: str, read: Callable[[], Value]) -> Value:
    found = known.get(revision)
    if found is None:
        found = read()
        for old in list(known)[: max(0, len(known) - REMEMBERED + 1)]:
            known.pop(old, None)  # another lane may have been quicker
        known[revision] = found
    return found


def workload_of(canary: Mapping[str, Any], cluster: Cluster) -> Workload:
    """What the canary targets, as the cluster shows it."""
    target, namespace = canary["spec"]["targetRef"], str(canary["metadata"]["namespace"])
    ref = Ref(str(target.get("apiVersion") or "apps/v1"), str(target.get("kind") or "Deployment"), namespace, str(target["name"]))
    return Workload(ref.kind, namespace, ref.name, cluster.get(ref))


def images_of(workload: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """(container, image) of a workload's pods."""
    spec = ((workload or {}).get("spec") or {}).get("template", {}).get("spec") or {}
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return [(str(one.get("name", "")), str(one.get("image", ""))) for one in listed]


def primary_of(canary: Mapping[str, Any], cluster: Cluster) -> Mapping[str, Any] | None:
    target = canary["spec"]["targetRef"]
    namespace = str(canary["metadata"]["namespace"])
    return cluster.get(Ref("apps/v1", str(target.get("kind") or "Deployment"), namespace, f"{target['name']}-primary"))


def keys_behind(canary: Mapping[str, Any], cluster: Cluster, resources: Sequence[Resource]) -> dict[str, tuple[ImageKey, str]]:
    """The locations behind a canary's containers by key id, each with the container it was found for."""
    workload = workload_of(canary, cluster)
    found: dict[str, tuple[ImageKey, str]] = {}
    for container, image in images_of(workload.doc):
        key = find_key(workload, image, container, resources)
        if not isinstance(key, Nowhere):
            found[key.id] = (key, container)
    return found


def edited(tree: Tree, files: Mapping[str, bytes | None], key: ImageKey, text: str) -> dict[str, bytes | None]:
    """`files` with the key's scalar replaced in its file. UserError when it has no single text to replace."""
    path = key.resource.file
    content = files.get(path) or tree.read(path) or b""
    place = f"{key.container} of {key.resource.ref} ({key.resource.place})"
    return {**files, path: set_scalar(content, key.resource.document, key.path, text, place=place)}
