"""Whether the installed Canary definition keeps the status fields that a run lives by; Flagger's own definition prunes them."""

from collections.abc import Mapping
from typing import Any

from gitops_canary.domain.canary.status import lost_fields, status_sample
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.ports import Cluster

COMMAND = "kubectl apply --server-side --force-conflicts -k deploy/crds"


class Definition:
    """Asked once by a dry run, at the first canary that this process looks at; after that every status write is compared, which costs
    nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.keeps = False

    def check(self, canary: Doc) -> None:
        """UserError names what would be lost and the command that installs our definition; then the next look asks again."""
        if self.keeps:
            return
        sample = status_sample()
        answer = self._cluster.patch(ref_of(canary), {"status": sample}, subresource="status", dry_run=True)
        lost = lost_fields(sample, answer.get("status") or {})
        if not lost:
            self.keeps = True
            return
        raise UserError(
            f"cannot analyse {ref_of(canary)}: the installed definition canaries.flagger.app, another tool's, would drop "
            f"{', '.join('status.' + name for name in lost)} of it",
            hint=f"install ours, which has all of the other's fields: {COMMAND}",
        )

    def compare(self, written: Mapping[str, Any], answer: Doc) -> None:
        """`written` went into a status, `answer` is the object that the server made of it: if that lacks some, the next look asks."""
        self.keeps = self.keeps and not lost_fields(written, answer.get("status") or {})
