"""Faults of a Git host that can be ordered ahead: each is used up by the next command it fits."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gitops_canary.sandbox.gitd.bare import BareRepository


@dataclass
class Faults:
    """Counts say for how many of the next commands the fault holds. Safe to set from any thread."""

    lose_push_replies: int = 0
    """The push is carried out, then the connection breaks before its report."""

    break_connections: int = 0
    """The connection breaks before anything of the command is done."""

    refusals: list[str] = field(default_factory=list)
    """The next commands are refused with these sentences on standard error."""

    outruns: list[Callable[[BareRepository], object]] = field(default_factory=list)
    """Each happens to the repository just before one of the next pushes gets there: somebody was quicker."""

    delay: float = 0.0
    """Seconds before each command starts, as a far host takes."""

    def take(self, name: str) -> bool:
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0
