"""What an idle operator asks a real API server in five minutes, by the server's own audit log: `python benchmarks/idle.py`.

The template's two canaries stand initialized, nothing is pushed; Git and registry are real, too, where this machine has them.
"""

import argparse
import tempfile
import threading
from collections import Counter
from pathlib import Path

from benchmarks.figures.table import Figure, machine, show
from gitops_canary.sandbox.world import Shape
from tests.operator.stage import Stage

SETTLE = 15.0
"""Seconds until what follows the start is done."""


def counted(seconds: float) -> Counter[tuple[str, str]]:
    shape = Shape(control_plane="real", registry="auto", git="auto")
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), shape=shape) as stage:
        threading.Event().wait(SETTLE)
        since = len(stage.audit)
        threading.Event().wait(seconds)
        return Counter((one.verb, one.resource) for one in stage.asked_since(since))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    seconds = parser.parse_args().seconds
    asked = counted(seconds)
    print(machine())
    watches = sum(count for (verb, _), count in asked.items() if verb == "watch")
    leases = asked[("update", "leases")]
    others = {f"{verb} {resource}": count for (verb, resource), count in asked.items() if verb != "watch" and resource != "leases"}
    figures = [
        Figure("requests beside watches and lease renewals", sum(others.values()), "", 0, "Flagger, one canary: 260"),
        Figure("lease renewals", leases, "", seconds // 5 + 1),
        Figure("watches opened again", watches, ""),
    ]
    show(f"Idle for {seconds:.0f} s on a real kube-apiserver", figures)
    if others:
        print(others)


if __name__ == "__main__":
    main()
