"""The servers that judge the cluster adapter: every case runs on each of them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.adapters.cluster.support import connect


@pytest.fixture
def connection(kubeconfig: Path) -> Iterator[Connection]:
    made = connect(kubeconfig)
    yield made
    made.close()


@pytest.fixture
def namespace(kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    with own_namespace(kubeconfig, request) as name:
        yield name


@pytest.fixture
def real_namespace(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """The same for tests that read the audit log or RBAC's mind, which only the real control plane has."""
    with own_namespace(control_plane.kubeconfig("gitops-canary"), request) as name:
        yield name


@contextmanager
def own_namespace(kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    admin = connect(kubeconfig)
    admin.request("POST", "/api/v1/namespaces", doing="make a namespace", body={"metadata": {"name": name}})
    yield name
    admin.request("DELETE", f"/api/v1/namespaces/{name}", doing="delete a namespace", missing_ok=True)
    admin.close()
