"""The servers that judge us: a real control plane, the sandbox's API server, and what is left out where there is no real one."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.control_plane import binaries
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.fixtures_servers import leave_out

REQUIRED = "GITOPS_CANARY_REQUIRE_CONTROL_PLANE"
"""Set to 1 in CI: there a missing control plane fails the tests that need it, so that nothing is left out silently."""

SERVERS = ("sandbox", "real")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", default="", help="run the tests that take any Kubernetes API on this one, as its administrator")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `kubeconfig` runs on the sandbox and on the real control plane, or on the one that was given."""
    if "kubeconfig" in metafunc.fixturenames:
        given = metafunc.config.getoption("--kubeconfig")
        names = [given] if given else SERVERS
        marks = {"real": [pytest.mark.control_plane]}
        params = [pytest.param(name, id=name if name in SERVERS else "given", marks=marks.get(name, [])) for name in names]
        metafunc.parametrize("kubeconfig", params, indirect=True, scope="session")


def absence() -> str:
    """Why no control plane can be started; empty when one can."""
    try:
        binaries.find()
    except UserError as error:
        return str(error)
    return ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needing = [item for item in items if item.get_closest_marker("control_plane")]
    reason = absence()
    if not needing or not reason or os.environ.get(REQUIRED) == "1":
        return
    leave_out(config, items, needing, f"on a real control plane: {reason}")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """One plane for the whole session: tests use namespaces and cluster-scoped names of their own."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="session")
def sandbox_api() -> Iterator[ApiServer]:
    """One sandbox API server for the whole session, without controllers: same manners as for the plane."""
    with ApiServer() as server:
        yield server


@pytest.fixture(scope="session")
def sandbox_kubeconfig(sandbox_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sandbox-api") / "admin.kubeconfig"
    path.write_bytes(orjson.dumps(sandbox_api.kubeconfig()))
    return path


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """An administrator's kubeconfig of one server; `real` and `sandbox` are started when the first test asks for them."""
    if request.param == "real":
        plane: ControlPlane = request.getfixturevalue("control_plane")
        return plane.kubeconfig("gitops-canary")
    if request.param == "sandbox":
        path: Path = request.getfixturevalue("sandbox_kubeconfig")
        return path
    return Path(request.param)


@pytest.fixture
def helm() -> str:
    """The helm binary that the control plane's build made, or the one on PATH."""
    with contextlib.suppress(UserError):
        built = binaries.find().helm
        if built is not None:
            return str(built)
    found = shutil.which("helm")
    assert found, "these tests need helm: make control-plane builds it"
    return found
