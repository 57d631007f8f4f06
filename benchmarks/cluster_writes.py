"""What a write to the Kubernetes API and a read from the cache cost the client: `python benchmarks/cluster_writes.py`.

The server is the sandbox's, in a process of its own; the client's CPU holds the watch's echo of each write.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures.apart import apart
from benchmarks.figures.processes import read
from benchmarks.figures.table import Figure, machine, show
from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Sentence
from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.data import definitions

ROUTE = ("networking.istio.io/v1beta1", "VirtualService")
CANARY = ("flagger.app/v1beta1", "Canary")
OBJECTS = 100
READS = 20_000


@contextmanager
def serving() -> Iterator[str]:
    with ApiServer() as server:
        yield json.dumps(server.kubeconfig())


def route(number: int, weight: int) -> Doc:
    split = [{"destination": {"host": f"app-{side}"}, "weight": share} for side, share in (("primary", 100 - weight), ("canary", weight))]
    meta = {"name": f"app{number}", "namespace": "default", "labels": {"app": f"app{number}"}}
    return {"apiVersion": ROUTE[0], "kind": ROUTE[1], "metadata": meta, "spec": {"hosts": ["app"], "http": [{"route": split}]}}


def canary(number: int) -> Doc:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"app{number}"}
    analysis = {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 5}
    spec = {"targetRef": target, "service": {"port": 80}, "analysis": analysis}
    return {"apiVersion": CANARY[0], "kind": CANARY[1], "metadata": {"name": f"app{number}", "namespace": "default"}, "spec": spec}


class Bench:
    def __init__(self, cluster: KubernetesCluster, server: int, rounds: int) -> None:
        self._cluster, self._server, self._rounds = cluster, server, rounds

    def writes(self, name: str, write: Callable[[int, int], object], peer: str = "") -> list[Figure]:
        """`write` gets the object's number and the round; CPU milliseconds of one, here and at the server."""
        mine, theirs, count = time.process_time(), self._server_cpu(), self._rounds * OBJECTS
        for turn in range(1, self._rounds + 1):
            for number in range(OBJECTS):
                write(number, turn)
        return [
            Figure(f"{name}, client", (time.process_time() - mine) * 1000 / count, "ms", None, peer),
            Figure(f"{name}, sandbox's server", (self._server_cpu() - theirs) * 1000 / count, "ms"),
        ]

    def reads(self, name: str, look: Callable[[int], object], times: int = READS) -> Figure:
        began = time.process_time()
        for number in range(times):
            look(number % OBJECTS)
        return Figure(name, (time.process_time() - began) * 1e6 / times, "µs")

    def advance(self, number: int, turn: int) -> None:
        ref = Ref(*CANARY, "default", f"app{number}")
        doc = self._cluster.get(ref) or {}
        status = {"phase": "Progressing", "canaryWeight": turn}
        self._cluster.patch(ref, {"status": status}, subresource="status", resource_version=doc["metadata"]["resourceVersion"])

    def tell(self, number: int, turn: int) -> None:
        said = Sentence(f"Advance app{number}.default canary weight {turn}")
        about = self._cluster.get(Ref(*CANARY, "default", f"app{number}")) or {}
        self._cluster.tell(about, said, key=f"{number}-{turn}", now=datetime.now(UTC))

    def _server_cpu(self) -> float:
        found = read(self._server)
        return found.cpu if found else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help=f"writes of each kind to each of {OBJECTS} objects")
    rounds = parser.parse_args().rounds
    print(machine())
    with apart(serving) as (kubeconfig, server), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.write_text(kubeconfig)
        cluster = KubernetesCluster(connect(str(path)), make_log("error"), observed=(ROUTE, CANARY))
        for doc in definitions():
            cluster.apply(doc)
        cluster.start()
        bench = Bench(cluster, server, rounds)
        for number in range(OBJECTS):
            cluster.apply(canary(number))
            cluster.apply(route(number, 0))
        written = [
            *bench.writes("VirtualService applied", lambda number, turn: cluster.apply(route(number, turn)), "prototype: 1.6 ms"),
            *bench.writes("Canary status patched", bench.advance, "prototype: 1.6 ms"),
            *bench.writes("Event created", bench.tell, "prototype: 1.4 ms"),
        ]
        standing = cluster.live(Ref(*ROUTE, "default", "app0")) or {}
        assert standing["spec"] == route(0, rounds)["spec"], "the writes have not arrived"
        show(f"CPU of a write, means of {rounds * OBJECTS}", written)
        same = [
            bench.reads("VirtualService applied that stands so: no request", lambda number: cluster.apply(route(number, rounds)), 2000),
            bench.reads("object by name", lambda number: cluster.get(Ref(*CANARY, "default", f"app{number}"))),
            bench.reads(f"one of {OBJECTS} by label", lambda number: cluster.list(*ROUTE, "default", {"app": f"app{number}"}), 2000),
        ]
        show("CPU of what the cache answers", same)
        cluster.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
