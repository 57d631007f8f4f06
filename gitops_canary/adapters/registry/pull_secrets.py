"""The cluster's pull Secrets for an image: those its workloads name, and those of the ServiceAccounts they run under."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitops_canary.adapters.secrets import secret_data
from gitops_canary.domain.automation import image_keys
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef, parse_image
from gitops_canary.domain.resources import Ref, Resource
from gitops_canary.ports import Cluster

KEPT, FRESH = 3600.0, 60.0
"""Seconds that a Secret's data is remembered, so that an idle operator's scans read nothing; and seconds that it is too new to `forget`."""


@dataclass(frozen=True)
class Use:
    """Where an image is used: the workload's namespace, its service account and the `imagePullSecrets` it names."""

    namespace: str
    account: str = "default"
    secrets: tuple[str, ...] = ()


def used_by(resources: Iterable[Resource], name: str) -> list[Use]:
    """Where these manifests use an image: a workload names account and secrets in its pod template; a release's pods run under its
    namespace's default account."""
    wanted = parse_image(name).canonical
    return [_use(one) for one in resources if any(key.image.canonical == wanted for key in image_keys(one))]


def _use(resource: Resource) -> Use:
    template = ((resource.doc.get("spec") or {}).get("template") or {}).get("spec") or {}
    secrets = tuple(str(one.get("name")) for one in template.get("imagePullSecrets") or ())
    return Use(resource.ref.namespace, str(template.get("serviceAccountName") or "default"), secrets)


class ClusterPullSecrets:
    """`uses` says where an image is used; a HelmRelease whose pods are not known yet is a Use of its namespace's default account."""

    def __init__(self, cluster: Cluster, uses: Callable[[str], Iterable[Use]], clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._uses, self._clock = cluster, uses, clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], tuple[float, object]] = {}

    def of(self, image: ImageRef) -> Sequence[tuple[str, Mapping[str, bytes]]]:
        names: dict[tuple[str, str], None] = {}
        for use in self._uses(image.name):
            for name in (*use.secrets, *self._account(use)):
                names[use.namespace, name] = None
        found = ((namespace, name, self._secret(namespace, name)) for namespace, name in names)
        return [(f"Secret {namespace}/{name}", data) for namespace, name, data in found if data]

    def forget(self) -> bool:
        with self._lock:
            before = len(self._known)
            self._known = {key: found for key, found in self._known.items() if self._clock() - found[0] < FRESH}
            return len(self._known) < before

    def _account(self, use: Use) -> tuple[str, ...]:
        doc = self._remembered("ServiceAccount", use.namespace, use.account)
        rows = doc.get("imagePullSecrets") if isinstance(doc, Mapping) else None
        return tuple(str(row.get("name")) for row in rows or () if isinstance(row, Mapping) and row.get("name"))

    def _secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        doc = self._remembered("Secret", namespace, name)
        return secret_data(doc) if isinstance(doc, Mapping) else {}

    def _remembered(self, kind: str, namespace: str, name: str) -> object:
        """One GET past the cache; what may not be read counts as not there: the registry's own refusal says more."""
        with self._lock:
            read, doc = self._known.get((kind, namespace, name), (float("-inf"), None))
            if self._clock() - read < KEPT:
                return doc
        try:
            doc = self._cluster.live(Ref("v1", kind, namespace, name))
        except UserError:
            doc = None
        with self._lock:
            self._known[kind, namespace, name] = (self._clock(), doc)
        return doc
