"""The Kubernetes API as managers read and write it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gitops_canary.domain.resources import Doc, Ref


@dataclass(frozen=True)
class Sentence:
    """One line of a story about an object, as it appears in log, Event and notifications. `order` sorts it among its object's Events;
    like the key it is told under it must be the same in a replay."""

    text: str
    warning: bool = False
    order: str = field(default="", compare=False)


class Cluster(Protocol):
    """The Kubernetes API with raw objects. Kinds that are watched are read from the cache (no request); `observed` kinds are given at
    construction. Writes carry the resourceVersion their decision came from (rule O3): Conflict = observe again."""

    def get(self, ref: Ref) -> Doc | None: ...

    def list(self, api_version: str, kind: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Doc]:
        """Without `namespace` those of every namespace that the operator serves."""
        ...

    def live(self, ref: Ref) -> Doc | None:
        """One GET, past the cache (data of a tracked ConfigMap, an object before a destructive write)."""
        ...

    def serves(self, api_version: str, kind: str) -> bool | None:
        """True/False = namespaced or cluster-scoped kind that the server knows; None = unknown kind."""
        ...

    def apply(
        self,
        doc: Doc,
        *,
        manager: str = "gitops-canary",
        force: bool = True,
        dry_run: bool = False,
        as_user: str = "",
        create_only: bool = False,
    ) -> Doc:
        """Server-side apply; a `metadata.resourceVersion` in `doc` is a precondition. Skipped (no request) when the cache shows that the
        same fields were applied last by us and still stand. `as_user` impersonates the applier (rule O5)."""
        ...

    def observe(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Watch these (apiVersion, kind) too, whole objects, from now on; a kind that the server does not know yet is tried again later."""
        ...

    def read_anew(self, api_version: str, kind: str) -> None:
        """Forget what the watch of this kind has told: its definition has changed, and an old watch goes on in the old one's words."""
        ...

    def patch(
        self, ref: Ref, patch: Doc, *, subresource: str = "", resource_version: str = "", as_user: str = "", dry_run: bool = False
    ) -> Doc:
        """Merge patch; `subresource` "status" for our CRs' status. Conflict when `resource_version` is given and stale. The object as it
        is then, or with `dry_run` would be."""
        ...

    def scale(self, ref: Ref, replicas: int) -> None:
        """Through /scale, so that Helm's fields stay Helm's (rule O1)."""
        ...

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", as_user: str = "") -> None:
        """Background propagation; gone already is fine."""
        ...

    def tell(self, about: Doc, sentence: Sentence, *, key: str, now: datetime) -> None:
        """An Event of our own under a deterministic name made of the object and `key`: a replay adds none."""
        ...

    def cluster_id(self) -> str:
        """The uid of namespace kube-system."""
        ...
