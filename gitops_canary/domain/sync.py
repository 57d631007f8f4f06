"""Planning a sync: what to apply in which order and what to prune by the inventory; nothing here talks to the cluster.

Theory: the inventory is what sync itself applied, with the file each object came from. Pruning goes by it and never by listing the
cluster (rule O2), so an object that somebody else made is never deleted. A file that cannot be read hides objects, therefore nothing
is pruned until every file can be read. A branch that was rewritten may have lost files by accident: it is adopted without pruning and
what is missing stays, marked orphaned.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gitops_canary.domain.counting import counted
from gitops_canary.domain.resources import Ref, Resource

Identity = tuple[str, str, str, str]

# Flux v1's ranks: what others need comes first; deletions go the other way round.
RANKS: Mapping[str, int] = {
    **dict.fromkeys(("Namespace",), 0),
    **dict.fromkeys(("CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Role", "PersistentVolume", "Service"), 1),
    **dict.fromkeys(
        ("ResourceQuota", "LimitRange", "Secret", "ConfigMap", "RoleBinding", "ClusterRoleBinding", "PersistentVolumeClaim", "Ingress"), 2
    ),
    **dict.fromkeys(("DaemonSet", "Deployment", "ReplicationController", "ReplicaSet", "CronJob", "StatefulSet", "Job"), 3),
}
IGNORE_ANNOTATIONS = ("fluxcd.io/ignore", "flux.weave.works/ignore")
SCALED_KINDS = frozenset({"Deployment", "StatefulSet", "ReplicaSet"})


def rank(ref: Ref) -> tuple[int, str, str]:
    return (RANKS.get(ref.kind, 4), ref.namespace, ref.name)


def digest(doc: Mapping[str, Any]) -> str:
    """Sixteen hex digits that name a manifest's content, whatever its layout or comments."""
    return hashlib.sha256(json.dumps(doc, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()[:16]


def ignored(doc: Mapping[str, Any] | None) -> str:
    """ "true" (neither applied nor pruned), "sync_only" (applied, never pruned) or "", as Flux v1 reads the annotation."""
    annotations = ((doc or {}).get("metadata") or {}).get("annotations") or {}
    for name in IGNORE_ANNOTATIONS:
        if annotations.get(name) in ("true", "sync_only"):
            return str(annotations[name])
    return ""


@dataclass(frozen=True)
class Entry:
    """One object that sync applied: from which file, with which content."""

    ref: Ref
    file: str
    digest: str
    orphaned: bool = False


@dataclass(frozen=True)
class Inventory:
    """What sync applied, and the newest revision at which nothing was skipped ("" = never)."""

    revision: str = ""
    entries: Mapping[Identity, Entry] = field(default_factory=dict, hash=False)

    def with_entries(self, entries: Iterable[Entry]) -> "Inventory":
        return replace(self, entries={**self.entries, **{entry.ref.identity: entry for entry in entries}})

    def without(self, identities: Iterable[Identity]) -> "Inventory":
        gone = set(identities)
        return replace(self, entries={key: entry for key, entry in self.entries.items() if key not in gone})


@dataclass(frozen=True)
class Skipped:
    """A manifest that was not applied and the sentence that says why, with its place."""

    place: str
    sentence: str
    identity: Identity | None = None


@dataclass(frozen=True)
class Plan:
    """Objects in the order to apply, objects to prune in the order to delete, those that stay as orphans, and what was left out."""

    applies: tuple[Resource, ...] = ()
    unchanged: tuple[Resource, ...] = ()
    prunes: tuple[Entry, ...] = ()
    orphans: tuple[Entry, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    held: str = ""
    """Why nothing is pruned, although something is missing from Git."""


def duplicates(resources: Iterable[Resource]) -> dict[Identity, tuple[Resource, ...]]:
    """Objects that are defined more than once, by group, kind, namespace and name."""
    grouped: dict[Identity, list[Resource]] = {}
    for resource in resources:
        grouped.setdefault(resource.ref.identity, []).append(resource)
    return {key: tuple(found) for key, found in grouped.items() if len(found) > 1}


def plan_sync(
    resources: tuple[Resource, ...], unreadable: tuple[Skipped, ...], inventory: Inventory, *, rewritten: bool = False, prune: bool = True
) -> Plan:
    """Compare what the files say with what was applied. `resources` have their namespaces resolved; `unreadable` are broken files;
    `rewritten` = the synced revision is not on the branch any more (rule O2)."""
    double = duplicates(resources)
    skipped = [*unreadable, *(_duplicate(found) for found in double.values())]
    wanted = [r for r in resources if r.ref.identity not in double and ignored(r.doc) != "true"]
    known = inventory.entries
    applies = sorted((r for r in wanted if not _same(known.get(r.ref.identity), r)), key=lambda r: rank(r.ref))
    unchanged = tuple(r for r in wanted if _same(known.get(r.ref.identity), r))
    present = {r.ref.identity for r in resources}
    missing = sorted((e for key, e in known.items() if key not in present), key=lambda e: rank(e.ref), reverse=True)
    prunes, orphans, held = _missing(missing, bool(unreadable), rewritten, prune)
    return Plan(tuple(applies), unchanged, prunes, orphans, tuple(skipped), held)


def _missing(missing: list[Entry], unreadable: bool, rewritten: bool, prune: bool) -> tuple[tuple[Entry, ...], tuple[Entry, ...], str]:
    fresh = [entry for entry in missing if not entry.orphaned]
    if rewritten:
        return (
            (),
            tuple(replace(entry, orphaned=True) for entry in missing),
            "the branch was rewritten: what it lost stays, marked orphaned",
        )
    if not fresh:
        return (), (), ""
    if unreadable:
        return (
            (),
            (),
            f"{counted(len(fresh), 'object is', 'objects are')} missing from Git, but nothing is pruned until every file can be read",
        )
    if not prune:
        return (
            (),
            (),
            f"{counted(len(fresh), 'object is', 'objects are')} missing from Git and stay, because --sync-garbage-collection is off",
        )
    return tuple(fresh), (), ""


def _same(entry: Entry | None, resource: Resource) -> bool:
    return entry is not None and entry.digest == digest(resource.doc) and entry.ref == resource.ref and not entry.orphaned


def _duplicate(found: tuple[Resource, ...]) -> Skipped:
    places = " and ".join(resource.place for resource in found)
    return Skipped(found[0].place, f"duplicate definition of {found[0].ref} in {places}: none of them is applied", found[0].ref.identity)


def scaled_targets(docs: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str, str]]:
    """(kind, namespace, name) of the workloads whose replicas a Canary or an HPA owns (rule O1)."""
    found = set()
    for doc in docs:
        kind, meta, spec = doc.get("kind"), doc.get("metadata") or {}, doc.get("spec") or {}
        target = spec.get("targetRef") if kind == "Canary" else spec.get("scaleTargetRef") if kind == "HorizontalPodAutoscaler" else None
        if isinstance(target, Mapping) and target.get("name"):
            found.add((str(target.get("kind", "Deployment")), str(meta.get("namespace") or ""), str(target["name"])))
    return frozenset(found)


def projection(live: Any, wanted: Any) -> Any:
    """The part of a live object that a manifest speaks about; lists of named things are matched by name, others by place.

    Comparing two projections taken by the same manifest finds a change made by others without knowing the server's defaults and
    normal forms."""
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return live
        return {key: projection(live.get(key), value) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(live, list):
        return _list_projection(live, wanted)
    return live


def _list_projection(live: list[Any], wanted: list[Any]) -> list[Any]:
    if all(isinstance(item, Mapping) and "name" in item for item in wanted):
        named = {item.get("name"): item for item in live if isinstance(item, Mapping)}
        return [projection(named.get(item["name"]), item) for item in wanted]
    if len(live) != len(wanted):
        return live
    return [projection(one, other) for one, other in zip(live, wanted, strict=True)]


def by_kind(skipped: Iterable[Skipped]) -> str:
    """One sentence for the status page: how many manifests were left out, with the first one's reason."""
    left = list(skipped)
    if not left:
        return ""
    more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
    return f"{left[0].sentence}{more}"


def count_kinds(resources: Iterable[Resource]) -> str:
    """`2 HelmRelease, 1 Namespace` for log lines."""
    counts = Counter(resource.ref.kind for resource in resources)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
