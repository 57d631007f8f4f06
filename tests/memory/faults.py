"""Where a test stops the world: every effect of the in-memory ports passes here, is counted, and may be the last one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from gitops_canary.domain.errors import Unavailable

Mode = Literal["before", "after", "lost"]
"""Crash before the effect, crash right after it, or do it and lose the reply (the caller sees Unavailable)."""


class Crash(BaseException):
    """The process is gone. Not an Exception, so that no product code can catch it."""


@dataclass
class Faults:
    """Shared by all memory ports of one world. `plan`: effect number from 0 -> what happens there; `away`: prefixes that are down."""

    plan: dict[int, Mode] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    effects: list[str] = field(default_factory=list)
    struck: bool = False
    """Something of the plan has happened: what follows may repeat what was done before."""

    @contextmanager
    def effect(self, name: str) -> Iterator[None]:
        """Around one durable change, e.g. `with faults.effect("cluster: scale Deployment test/frontend to 0"): …`."""
        self.reach(name)
        mode = self.plan.pop(len(self.effects), None)
        self.effects.append(name)
        self.struck |= mode is not None
        if mode == "before":
            raise Crash(f"before {name}")
        yield
        if mode == "after":
            raise Crash(f"after {name}")
        if mode == "lost":
            raise Unavailable(f"cannot {name}: no reply")

    def reach(self, name: str) -> None:
        """Raises Unavailable while what `name` starts with is away; call it for reads that need a server."""
        if any(name.startswith(prefix) for prefix in self.away):
            raise Unavailable(f"cannot {name}: no answer")
