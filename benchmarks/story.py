"""The main job on a whole world: how long each hop takes and what the operator costs, idle and at work: `python benchmarks/story.py`.

A pushed tag becomes a bump by the registry's webhook; requests are counted in the API server's audit log, queries at a proxy in front of
the metrics server. Times are of this machine, which plays cluster, registry, Git server and users as well.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures.counting import Counting, counting
from benchmarks.figures.processes import Process, below, read
from benchmarks.figures.table import Figure, machine, show
from gitops_canary.domain.errors import UserError
from tests.operator.stage import READS, Release, Stage

STEP = 10
"""Percent: five advances a run."""
WITHOUT_HELM = "Flagger alone: 298 (10 advances)"
SETTLE = 6.0
"""Seconds until what follows a release is done."""


@dataclass(frozen=True)
class Cost:
    """Of one stretch of time: the operator's requests by verb and resource, watches apart; metrics queries; CPU seconds by process."""

    requests: Counter[tuple[str, str]]
    queries: int
    own: float
    helm: float
    git: float

    @property
    def beside_lease(self) -> int:
        return sum(count for (_, resource), count in self.requests.items() if resource != "leases")

    @property
    def reads(self) -> int:
        return sum(count for (verb, _), count in self.requests.items() if verb in READS)


class Meter:
    """Reads what has been used so far; `cost` is the difference of two readings."""

    def __init__(self, stage: Stage, queries: Counting, pid: int) -> None:
        self._stage, self._queries, self._pid = stage, queries, pid

    def now(self) -> tuple[int, int, float, float, float]:
        operator, helm, rest = family(self._pid)
        git = operator.waited + sum(one.cpu + one.waited for one in rest)
        return len(self._stage.audit), self._queries.count, operator.cpu, sum(one.cpu for one in helm), git

    def cost(self, since: tuple[int, int, float, float, float]) -> Cost:
        until = self.now()
        asked = self._stage.asked_since(since[0])
        requests = Counter((one.verb, one.resource) for one in asked if one.verb != "watch")
        return Cost(requests, until[1] - since[1], until[2] - since[2], until[3] - since[3], until[4] - since[4])


def family(pid: int) -> tuple[Process, list[Process], list[Process]]:
    """The operator, its Helm workers, and its other children (git, ssh)."""
    operator, children = read(pid), list(below(pid))
    if operator is None:
        raise UserError("cannot measure the operator: it has ended")
    helm = [one for one in children if "gitops_canary.adapters.helm.worker" in one.command]
    return operator, helm, [one for one in children if one not in helm]


def operator_process() -> int:
    return next(one.pid for one in below(os.getpid()) if "gitops_canary run" in one.command)


def hops(releases: Sequence[Release]) -> list[Figure]:
    def median(name: str) -> float:
        return float(statistics.median(value for release in releases if (value := getattr(release.hops, name)) is not None))

    return [
        Figure("tag push → bump pushed, by webhook", median("bumped") * 1000, "ms", 80, "Flux 2: 770 ms"),
        Figure("tag push → applied", median("applied") * 1000, "ms", 500),
        Figure("tag push → first canary weight", median("weighted"), "s"),
        Figure("tag push → result commit", median("result"), "s"),
    ]


def requests(idle: Cost, releases: Sequence[Release], work: Cost) -> list[Figure]:
    advances = [advance for release in releases for advance in release.advances()]
    events = [advance[("create", "events")] for advance in advances]
    reads = [sum(count for (verb, _), count in advance.items() if verb in READS) for advance in advances]
    writes = [advance.total() - event - read for advance, event, read in zip(advances, events, reads, strict=True)]
    each = len(releases)
    return [
        Figure("Kubernetes requests, idle minute, lease apart", idle.beside_lease, "", 0, "Flagger: 52"),
        Figure("lease renewals, idle minute", idle.requests[("update", "leases")], "", 13),
        Figure("metrics queries, idle minute", idle.queries, "", 0),
        Figure(f"writes an advance, worst of {len(advances)}", max(writes), "", 2),
        Figure("Events an advance, worst", max(events), "", 1),
        Figure("reads an advance, worst", max(reads), "", 0),
        Figure(
            f"Kubernetes requests a release of {50 // STEP} advances, Helm's with them",
            work.beside_lease / each,
            "",
            None,
            "Flagger alone: 298 (10 advances)",
        ),
        Figure("of these reads (bump, Helm and promotion)", work.reads / each, ""),
        Figure("metrics queries a release", work.queries / each, "", None, "Flagger: 24 (10 advances)"),
    ]


def costs(pid: int, idle: Cost, work: Cost, releases: int, took: float) -> list[Figure]:
    operator, helm, rest = family(pid)
    return [
        Figure("operator, resident", operator.rss, "MiB", 150, "Flagger: 62"),
        Figure(f"its {len(helm)} Helm workers, resident, together", sum(one.rss for one in helm), "MiB"),
        Figure("its git and ssh, resident, together", sum(one.rss for one in rest), "MiB"),
        Figure("operator's CPU, idle minute", idle.own, "s"),
        Figure(f"operator's CPU a release of {took:.0f} s", work.own / releases, "s"),
        Figure("Helm workers' CPU a release", work.helm / releases, "s"),
        Figure("git's and ssh's CPU a release", work.git / releases, "s"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=5, help="good tags to push, one after the other")
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS", help="how long to look at the idle operator")
    given = parser.parse_args()
    print(machine())
    with (
        counting() as queries,
        tempfile.TemporaryDirectory() as folder,
        Stage(Path(folder), step=STEP, through=queries.through) as stage,
    ):
        meter = Meter(stage, queries, pid := operator_process())
        began, before = time.monotonic(), meter.now()
        releases = [stage.release(f"3.1.{number}") for number in range(1, given.releases + 1)]
        took, work = (time.monotonic() - began) / given.releases, meter.cost(before)
        time.sleep(SETTLE)
        before = meter.now()
        time.sleep(given.idle)
        idle = meter.cost(before)
        parts = f"{stage.world.mesh.kind} as proxy, {stage.world.metrics.kind} for metrics, git over SSH to the sandbox's server"
        show(f"Hops, medians of {given.releases} releases ({parts})", hops(releases))
        show("Requests", requests(idle, releases, work))
        show("Cost", costs(pid, idle, work, given.releases, took))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
