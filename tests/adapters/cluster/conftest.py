"""The servers that judge the cluster adapter: every case runs on each of them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.adapters.cluster.connection import Connection
from tests.adapters.cluster.support import connect


@pytest.fixture
def connection(kubeconfig: Path) -> Iterator[Connection]:
    made = connect(kubeconfig)
    yield made
    made.close()


@pytest.fixture
def namespace(kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"t-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    admin = connect(kubeconfig)
    admin.request("POST", "/api/v1/namespaces", doing="make a namespace", body={"metadata": {"name": name}})
    yield name
    admin.request("DELETE", f"/api/v1/namespaces/{name}", doing="delete a namespace", missing_ok=True)
    admin.close()
