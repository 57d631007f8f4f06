"""What happens on a stage, as values: log lines, commits and the operator's requests after a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitops_canary.sandbox.gitd.bare import Logged
from gitops_canary.sandbox.world import NAMESPACE
from tests.conformance.product.log import Said

Doc = dict[str, Any]
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:gitops-canary"
APPLIER = f"{ACCOUNT}-applier"
READS = ("get", "list", "watch")


@dataclass(frozen=True)
class Asked:
    """One request of the operator, or of its applier, that the API server answered."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int

    @property
    def writes(self) -> bool:
        return self.verb not in READS and self.resource != "leases"


@dataclass(frozen=True)
class Mark:
    """A moment on the stage."""

    lines: int
    head: str
    asked: int


@dataclass(frozen=True)
class Since:
    """What happened after a mark; commits oldest first."""

    lines: Sequence[Said]
    commits: Sequence[Logged]
    asked: Sequence[Asked]

    @property
    def subjects(self) -> list[str]:
        return [commit.subject for commit in self.commits]

    @property
    def writes(self) -> list[Asked]:
        return [one for one in self.asked if one.writes]
