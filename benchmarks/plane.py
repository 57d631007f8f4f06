"""How soon a real control plane is ready, and what it takes: `python benchmarks/plane.py`.

Five are started one after the other, as the fixture starts them; memory is looked at when each is ready and at rest.
"""

import argparse
import os
import statistics
import threading
import time

from benchmarks.figures.processes import below
from benchmarks.figures.table import Figure, machine, show
from gitops_canary.sandbox.control_plane import binaries
from gitops_canary.sandbox.control_plane.plane import ControlPlane

STARTS = 5
REST = 5.0
"""Seconds from ready until memory is looked at: the controllers' first turns are done by then."""


def started() -> tuple[float, dict[str, float]]:
    """Seconds until the API answers and the controllers work, and MiB of each server."""
    began = time.perf_counter()
    with ControlPlane():
        took = time.perf_counter() - began
        threading.Event().wait(REST)
        sizes = {os.path.basename(one.command.partition(" ")[0]): one.rss for one in below(os.getpid())}
    return took, {name: sizes[name] for name in binaries.SERVERS}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(machine())
    seen = [started() for _ in range(STARTS)]
    times = [took for took, _ in seen]
    memory = {name: statistics.median(sizes[name] for _, sizes in seen) for name in binaries.SERVERS}
    figures = [
        Figure("ready after, median", statistics.median(times), "s", 4),
        Figure("ready after, worst", max(times), "s"),
        Figure("resident, the three together", sum(memory.values()) / 1024, "GiB", 0.4),
        *(Figure(f"{name}, resident", size, "MiB") for name, size in memory.items()),
    ]
    show(f"A control plane of kube-apiserver {binaries.KUBERNETES} and etcd {binaries.ETCD}, {STARTS} starts", figures)


if __name__ == "__main__":
    main()
