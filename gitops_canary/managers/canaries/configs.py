"""Hashes of tracked ConfigMaps and Secrets: their data is read once per change, hashed and dropped."""

from collections.abc import Iterable
from dataclasses import dataclass

from gitops_canary.domain.canary.workloads import SUFFIX, ConfigRef, config_hash
from gitops_canary.domain.errors import Conflict
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Cluster

OPT_OUT = "flagger.app/config-tracking"
TRACKED_TYPES = frozenset({"", "Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"})
"""Secrets of other types (registry credentials, tokens) are used as they are, as in Flagger."""
KINDS = {"configmap": "ConfigMap", "secret": "Secret"}


@dataclass(frozen=True)
class Looked:
    """Hashes by key (`configmap/backend`), and the required configs that are missing."""

    hashes: dict[str, str]
    missing: tuple[str, ...]


class Configs:
    """Remembers one hash per object and resourceVersion."""

    def __init__(self, cluster: Cluster, *, tracking: bool = True) -> None:
        self._cluster = cluster
        self._tracking = tracking
        self._known: dict[Ref, tuple[str, str]] = {}

    def look(self, namespace: str, refs: Iterable[ConfigRef]) -> Looked:
        """Tracked configs of a pod template; opted-out ones are left out, optional missing ones too."""
        hashes: dict[str, str] = {}
        missing: list[str] = []
        for config in refs:
            ref = Ref("v1", config.kind, namespace, config.name)
            found = self._cluster.get(ref)
            if found is None:
                missing += [] if config.optional else [str(ref)]
            elif self._tracking and (known := self._hash(ref, found)):
                hashes[config.key] = known
        return Looked(hashes, tuple(missing))

    def same(self, namespace: str, wanted: dict[str, str]) -> bool:
        """Whether these configs still have these hashes."""
        return all(self.of(config_ref(namespace, key)) == value for key, value in wanted.items())

    def copies(self, namespace: str, keys: Iterable[str]) -> dict[str, str]:
        """Hashes of the primary's copies, under their originals' keys; what has no copy is left out."""
        found = {key: self.of(primary_ref(namespace, key)) for key in keys}
        return {key: value for key, value in found.items() if value}

    def of(self, ref: Ref) -> str:
        """ "" when it is missing or not tracked."""
        found = self._cluster.get(ref)
        return self._hash(ref, found) if found is not None else ""

    def read(self, ref: Ref, wanted: str) -> Doc:
        """The whole object for the copy; Conflict when it is not the one that was analysed any more."""
        doc = self._cluster.live(ref)
        if doc is None or config_hash(doc) != wanted:
            raise Conflict(f"cannot copy {ref}: it has changed since it was analysed")
        return doc

    def _hash(self, ref: Ref, seen: Doc) -> str:
        version = str(seen["metadata"].get("resourceVersion"))
        known = self._known.get(ref)
        if known is not None and known[0] == version:
            return known[1]
        doc = self._cluster.live(ref)
        if doc is None:
            raise Conflict(f"cannot read {ref}: it went away")
        value = config_hash(doc) if _tracked(doc) else ""
        self._known[ref] = (str(doc["metadata"].get("resourceVersion")), value)
        return value


def _tracked(doc: Doc) -> bool:
    annotations = doc["metadata"].get("annotations") or {}
    return not str(annotations.get(OPT_OUT) or "").startswith("disable") and str(doc.get("type") or "") in TRACKED_TYPES


def config_ref(namespace: str, key: str) -> Ref:
    kind, _, name = key.partition("/")
    return Ref("v1", KINDS[kind], namespace, name)


def primary_ref(namespace: str, key: str) -> Ref:
    ref = config_ref(namespace, key)
    return Ref("v1", ref.kind, namespace, ref.name + SUFFIX)
