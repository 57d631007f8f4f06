"""The kinds the server knows: the built-in table, and those that CustomResourceDefinitions add; objects live elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Kind:
    """One kind in one version. `storage` names the resource whose objects it shows: versions of one kind share it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    status: bool = False
    scale: Mapping[str, Any] | None = field(default=None, hash=False)
    """Paths of spec and status replicas and the selector, when it has /scale."""
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    """The structural schema of a custom kind."""
    columns: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage(self) -> tuple[str, str]:
        return (self.group, self.plural)

    @property
    def counts_generations(self) -> bool:
        """Whether a change of the spec shows in metadata.generation."""
        return self.custom or self.group in ("apps", "batch", "networking.k8s.io", "policy", "apiextensions.k8s.io") or self.kind == "Pod"

    @property
    def needs_version(self) -> bool:
        """Whether a PUT must say which version it replaces."""
        return self.custom or self.kind in ("Lease", "CustomResourceDefinition", "PodDisruptionBudget")

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


_SCALE = {"spec": ("spec", "replicas"), "status": ("status", "replicas"), "selector": ("spec", "selector")}


def _core() -> Iterator[Kind]:
    rows = (
        ("Namespace", "namespaces", False, ("ns",), True),
        ("Node", "nodes", False, ("no",), True),
        ("Pod", "pods", True, ("po",), True),
        ("Service", "services", True, ("svc",), True),
        ("ConfigMap", "configmaps", True, ("cm",), False),
        ("Secret", "secrets", True, (), False),
        ("ServiceAccount", "serviceaccounts", True, ("sa",), False),
        ("Event", "events", True, ("ev",), False),
        ("Endpoints", "endpoints", True, ("ep",), False),
        ("PersistentVolume", "persistentvolumes", False, ("pv",), True),
        ("PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",), True),
        ("ResourceQuota", "resourcequotas", True, ("quota",), True),
        ("LimitRange", "limitranges", True, ("limits",), False),
    )
    for kind, plural, namespaced, short, status in rows:
        everything = ("all",) if kind in ("Pod", "Service") else ()
        yield Kind("", "v1", kind, plural, namespaced, short, everything, kind.lower(), status)


def _others() -> Iterator[Kind]:
    rows: tuple[tuple[str, str, str, str, bool, tuple[str, ...], bool, bool], ...] = (
        ("apps", "v1", "Deployment", "deployments", True, ("deploy",), True, True),
        ("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), True, True),
        ("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",), True, True),
        ("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), True, False),
        ("apps", "v1", "ControllerRevision", "controllerrevisions", True, (), False, False),
        ("batch", "v1", "Job", "jobs", True, (), True, False),
        ("batch", "v1", "CronJob", "cronjobs", True, ("cj",), True, False),
        ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, ("hpa",), True, False),
        ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False, (), False, False),
        ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False, (), False, False),
        ("rbac.authorization.k8s.io", "v1", "Role", "roles", True, (), False, False),
        ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True, (), False, False),
        ("coordination.k8s.io", "v1", "Lease", "leases", True, (), False, False),
        ("networking.k8s.io", "v1", "Ingress", "ingresses", True, ("ing",), True, False),
        ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", True, ("netpol",), False, False),
        ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True, ("pdb",), True, False),
        ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, ("pc",), False, False),
        ("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",), False, False),
        ("apiregistration.k8s.io", "v1", "APIService", "apiservices", False, (), True, False),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False, ("crd", "crds"), True, False),
    )
    for group, version, kind, plural, namespaced, short, status, scale in rows:
        everything = ("all",) if group in ("apps", "batch", "autoscaling") and kind != "ControllerRevision" else ()
        yield Kind(group, version, kind, plural, namespaced, short, everything, kind.lower(), status, _SCALE if scale else None)


BUILT_IN = (*_core(), *_others())
CREATED_BY_UPDATE = frozenset({"Lease", "Service", "Event", "Endpoints", "LimitRange", "Role", "RoleBinding"})
"""Kinds that a PUT makes when they are not there, as on a real server."""
TOLD_WHEN_DELETED = frozenset({"Pod", "Service", "ServiceAccount", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota"})
"""Kinds whose deletion answers with the object instead of a Status, as on a real server."""
CREATE_ONLY = {
    ("authorization.k8s.io", "v1"): ("SelfSubjectAccessReview", "SubjectAccessReview", "SelfSubjectRulesReview"),
    ("authentication.k8s.io", "v1"): ("TokenReview", "SelfSubjectReview"),
}
"""Kinds that are questions: posted, answered, never stored."""


class Kinds:
    """Built-in and custom kinds by path and by name."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Kind] = {}
        for kind in BUILT_IN:
            self._add(kind)

    def _add(self, kind: Kind) -> None:
        self._by_path[(kind.group, kind.version, kind.plural)] = kind

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        return self._by_path.get((group, version, plural))

    def named(self, api_version: str, name: str) -> Kind | None:
        return next((kind for kind in self._by_path.values() if kind.api_version == api_version and kind.kind == name), None)

    def of_storage(self, storage: tuple[str, str]) -> Kind:
        return next(kind for kind in self._by_path.values() if kind.storage == storage)

    def all(self) -> Iterable[Kind]:
        return self._by_path.values()

    def groups(self) -> dict[str, list[str]]:
        """Versions of each named group, in the order they came."""
        found: dict[str, list[str]] = {}
        for group, version in [*((kind.group, kind.version) for kind in self._by_path.values()), *CREATE_ONLY]:
            if group and version not in found.setdefault(group, []):
                found[group].append(version)
        return found

    def in_version(self, group: str, version: str) -> list[Kind]:
        return [kind for kind in self._by_path.values() if (kind.group, kind.version) == (group, version)]

    def define(self, definition: Mapping[str, Any]) -> None:
        """Serve what a CustomResourceDefinition says; versions it no longer serves go."""
        spec = definition["spec"]
        names, group = spec["names"], spec["group"]
        self.forget(group, names["plural"])
        for version in spec["versions"]:
            if version.get("served", False):
                self._add(_custom(group, spec, names, version))

    def forget(self, group: str, plural: str) -> None:
        for path in [path for path in self._by_path if (path[0], path[2]) == (group, plural)]:
            del self._by_path[path]


def _custom(group: str, spec: Mapping[str, Any], names: Mapping[str, Any], version: Mapping[str, Any]) -> Kind:
    sub = version.get("subresources") or {}
    scale = sub.get("scale")
    paths = None
    if scale:
        paths = {
            "spec": _dotted(scale["specReplicasPath"]),
            "status": _dotted(scale["statusReplicasPath"]),
            "selector": _dotted(scale.get("labelSelectorPath", "")),
        }
    return Kind(
        group,
        version["name"],
        names["kind"],
        names["plural"],
        spec.get("scope") == "Namespaced",
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        names.get("singular") or names["kind"].lower(),
        "status" in sub,
        paths,
        (version.get("schema") or {}).get("openAPIV3Schema") or {},
        tuple(version.get("additionalPrinterColumns") or ()),
        True,
    )


def _dotted(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(".") if part)
