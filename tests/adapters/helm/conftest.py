"""A Helm pool on a real Kubernetes API, once with the SDK and once with the binary."""

import hashlib
import io
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import from_kubeconfig
from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.helm.child import Child
from gitops_canary.adapters.helm.pool import HelmPool
from gitops_canary.adapters.helm.storage import ReleaseRecords
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import UserError
from gitops_canary.ports import Chart, HelmDone, HelmJob
from gitops_canary.sandbox.control_plane import binaries

PATIENCE = 90.0


def helm_binary() -> str:
    """A real helm, where this machine has one."""
    try:
        found = binaries.find().helm
    except UserError:
        return shutil.which("helm") or ""
    return str(found or "")


BACKENDS = [name for name in ("sdk", helm_binary()) if name]


class Waiting:
    """What the pool wakes; a test waits for its job."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._woken: list[str] = []

    def __call__(self, key: str) -> None:
        with self._condition:
            self._woken.append(key)
            self._condition.notify_all()

    def until(self, key: str) -> None:
        with self._condition:
            assert self._condition.wait_for(lambda: key in self._woken, PATIENCE), f"no wake for {key}"
            self._woken.remove(key)


class Bench:
    """A pool, and a namespace to install into."""

    def __init__(self, pool: HelmPool, woken: Waiting, namespace: str, log: io.StringIO) -> None:
        self.pool, self.woken, self.namespace, self.log = pool, woken, namespace, log

    def job(self, action: Any, chart: Chart | None = None, **given: Any) -> HelmJob:
        job = HelmJob(f"{self.namespace}/app", action, "app", self.namespace, chart, timeout=20)
        return replace(job, **given)

    def run(self, action: Any, chart: Chart | None = None, **given: Any) -> HelmDone:
        job = self.job(action, chart, **given)
        assert self.pool.start(job)
        self.woken.until(job.key)
        done = self.pool.done(job.key)
        assert done is not None
        return done


@pytest.fixture
def connection(kubeconfig: Path) -> Iterator[Connection]:
    made = from_kubeconfig(str(kubeconfig))
    yield made
    made.close()


@pytest.fixture
def namespace(connection: Connection, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"h-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    connection.request("POST", "/api/v1/namespaces", doing="make a namespace", body={"metadata": {"name": name}})
    yield name
    connection.request("DELETE", f"/api/v1/namespaces/{name}", doing="delete a namespace", missing_ok=True)


@pytest.fixture(params=BACKENDS, ids=lambda name: "sdk" if name == "sdk" else "binary")
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kubeconfig: Path, connection: Connection, namespace: str, backend: str, tmp_path: Path) -> Iterator[Bench]:
    said = io.StringIO()
    log = make_log(stream=said)
    cluster = KubernetesCluster(connection, log)
    woken = Waiting()

    def make() -> Child:
        return Child(tmp_path / "home", kubeconfig=str(kubeconfig), backend=backend, cancel_grace=10)

    pool = HelmPool(make, ReleaseRecords(cluster), woken, log, workers=1)
    yield Bench(pool, woken, namespace, said)
    pool.close()
