"""Whether an installed definition keeps the status fields that we live by; Flagger's and the Helm Operator's own prune them."""

from collections.abc import Mapping
from typing import Any

from gitops_canary.domain.canary.status import lost_fields
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.ports import Cluster

COMMAND = "kubectl apply --server-side --force-conflicts -k deploy/crds"


class OtherDefinition(UserError):
    """Another tool's definition is installed; one command puts it right."""


class Definition:
    """Asked once by a dry run, at the first object of the kind that this process looks at; after that every status write is compared,
    which costs nothing. `name` is the definition's, `sample` a status that says something in every field of ours, `doing` our verb."""

    def __init__(self, cluster: Cluster, name: str, sample: Mapping[str, Any], doing: str) -> None:
        self._cluster, self._name, self._sample, self._doing = cluster, name, sample, doing
        self.keeps = self._doubted = False

    def check(self, doc: Doc) -> None:
        """UserError names what would be lost and the command that installs our definition; then the next look asks again. Once ours is
        there everything is read anew: the watch that began under the other one would go on without our fields."""
        if self.keeps:
            return
        answer = self._cluster.patch(ref_of(doc), {"status": dict(self._sample)}, subresource="status", dry_run=True)
        lost = lost_fields(self._sample, answer.get("status") or {})
        if not lost:
            if self._doubted:
                self._cluster.read_anew(doc["apiVersion"], doc["kind"])
            self.keeps, self._doubted = True, False
            return
        self._doubted = True
        raise OtherDefinition(
            f"cannot {self._doing} {ref_of(doc)}: the installed definition {self._name}, another tool's, would drop "
            f"{', '.join('status.' + name for name in lost)} of it",
            hint=f"install ours, which has all of the other's fields: {COMMAND}",
        )

    def compare(self, written: Mapping[str, Any], answer: Doc) -> None:
        """`written` went into a status, `answer` is the object that the server made of it: if that lacks some, the next look asks."""
        if lost_fields(written, answer.get("status") or {}):
            self.keeps, self._doubted = False, True
