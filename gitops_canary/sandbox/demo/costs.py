"""What the story cost: the operator's requests by the API server's own audit, queries by the metrics server's count, memory by /proc."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from gitops_canary.sandbox.apiserver.handling import Asked
from gitops_canary.sandbox.world import NAMESPACE, World

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:"
READS = ("get", "list")
COLUMNS = ["cost", "measured", "goal"]


@dataclass(frozen=True)
class Place:
    """How far the counts stood at one moment."""

    asked: int
    queries: int


def place_of(world: World) -> Place:
    return Place(len(world.asked()), world.metrics.queries())


def asked_since(world: World, place: Place) -> list[Asked]:
    """The operator's requests and its applier's, without watches."""
    return [one for one in world.asked()[place.asked :] if one.user.startswith(ACCOUNT) and one.verb != "watch"]


def an_advance(asked: Sequence[Asked]) -> tuple[float, float, float] | None:
    """Median writes, Events and reads from one change of weight to the next; None when there were none."""
    starts = [number for number, one in enumerate(asked) if (one.verb, one.resource) == ("patch", "virtualservices")]
    parts = [asked[begin:end] for begin, end in pairwise(starts)]
    if not parts:
        return None
    counted = [_count(part) for part in parts]
    return (median(one[0] for one in counted), median(one[1] for one in counted), median(one[2] for one in counted))


def _count(part: Sequence[Asked]) -> tuple[int, int, int]:
    own = [one for one in part if one.resource != "leases"]
    events = sum(one.resource == "events" for one in own)
    reads = sum(one.verb in READS for one in own)
    return len(own) - events - reads, events, reads


def resident(world: World) -> float | None:
    """MiB of the operator's process; None where there is no /proc."""
    pod = world.operator_pod()
    uid = pod["metadata"]["uid"] if pod is not None else "?"
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"run" in words and any(uid.encode() in word for word in words):
                lines = (folder / "status").read_text().splitlines()
                return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
    return None


def rows(world: World, story: Place, idle: Place, idle_seconds: float) -> list[list[str]]:
    """The table; `story` and `idle` are where each began, and the idle time ends now."""
    quiet = [one for one in asked_since(world, idle) if one.resource != "leases"]
    told = asked_since(world, story)
    advance = an_advance(told)
    memory = resident(world)
    return [
        ["an advance: writes, Events, reads", _numbers(advance), "2, 1, 0"],
        [f"idle {idle_seconds:.0f} s: requests beside the lease", str(len(quiet)), "0"],
        [f"idle {idle_seconds:.0f} s: metrics queries", str(world.metrics.queries() - idle.queries), "0"],
        ["the story: metrics queries", str(idle.queries - story.queries), ""],
        ["operator's memory (Helm workers apart)", f"{memory:.0f} MiB" if memory is not None else "unknown here", "≤ 150 MB"],
    ]


def _numbers(advance: tuple[float, float, float] | None) -> str:
    return ", ".join(f"{number:g}" for number in advance) if advance is not None else "none seen"
