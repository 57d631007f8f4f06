"""The servers that the suite runs on: the sandbox with its controllers, a real control plane, or the one of `--kubeconfig`."""

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.controllers import Controllers
from tests.conformance.client import SECONDS, Api, Doc
from tests.conformance.figures import Figures
from tests.conformance.objects import crd
from tests.conformance.stand_in import StandIn
from tests.conformance.tools import Kubectl
from tests.fixtures_servers import leave_out

PLANTED_STORIES = "GITOPS_CANARY_PLANTED_STORIES"
"""Set, the product's stories are also played with a defect planted for each: ten minutes more, `make conformance` takes them."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A cluster of somebody's keeps its own metrics server: the cases that put another in its place are left out there."""
    planted = [item for item in items if item.path.name in ("test_planted_first.py", "test_planted_second.py")]
    if not os.environ.get(PLANTED_STORIES):
        leave_out(config, items, planted, f"of stories with planted defects, which {PLANTED_STORIES}=1 or `make conformance` plays")
    taking = [item for item in items if "figures" in getattr(item, "fixturenames", ())]
    if config.getoption("--kubeconfig"):
        leave_out(config, items, taking, "of autoscalers, which need a metrics server of the suite's own")


@pytest.fixture(scope="session")
def conformance_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiServer, Path]]:
    """The sandbox's API server with its controllers, as `gitops-canary sandbox` has them."""
    with whole_sandbox(tmp_path_factory.mktemp("conformance") / "admin.kubeconfig") as both:
        yield both


@contextlib.contextmanager
def whole_sandbox(path: Path) -> Iterator[tuple[ApiServer, Path]]:
    with ApiServer() as server:
        path.write_bytes(orjson.dumps(server.kubeconfig()))
        controllers = Controllers(path)
        controllers.start()
        yield server, path
        controllers.stop()


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """An administrator's kubeconfig of one of the servers; each is started when the first test asks for it."""
    if request.param == "real":
        plane = request.getfixturevalue("control_plane")
        return Path(plane.kubeconfig("gitops-canary"))
    if request.param == "sandbox":
        return Path(request.getfixturevalue("conformance_sandbox")[1])
    return Path(request.param)


@pytest.fixture(scope="session")
def admin(kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[Api]:
    """The administrator without a namespace of its own; the suite's custom kinds are defined."""
    known = [request.getfixturevalue("conformance_sandbox")] if "conformance_sandbox" in request.fixturenames else []
    sandbox = next((server for server, path in known if path == kubeconfig), None)
    api = Api(kubeconfig, sandbox=sandbox)
    define(api, crd())
    yield api
    api.close()


def define(api: Api, definition: Doc) -> None:
    """Make the kind and wait until it is served."""
    made = api.create("customresourcedefinitions", definition)
    assert made.code in (201, 409), made.body

    def established(doc: Doc) -> bool:
        conditions = doc.get("status", {}).get("conditions") or []
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    api.until("customresourcedefinitions", definition["metadata"]["name"], established)
    _await_served(api, definition["spec"])


def _await_served(api: Api, spec: Doc) -> None:
    """Established is not yet served: a real server starts its cache of the kind with the first requests, and refuses them till then."""
    path = f"apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    end, pause = time.monotonic() + SECONDS, threading.Event()
    while (found := api.request("GET", path)).code != 200:
        assert time.monotonic() < end, found.body
        pause.wait(0.05)


@pytest.fixture
def api(admin: Api, request: pytest.FixtureRequest) -> Iterator[Api]:
    """A client with a namespace of the test's own."""
    name = f"c-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    made = admin.create("namespaces", {"metadata": {"name": name}})
    assert made.code == 201, made.body
    mine = Api(admin.kubeconfig, name, admin.sandbox)
    yield mine
    admin.delete("namespaces", name)
    mine.close()


@pytest.fixture
def node(api: Api) -> Iterator[StandIn]:
    """A stand-in for node and scheduler in the test's namespace: pods become ready, and go when they are deleted."""
    stand_in = StandIn(api)
    with contextlib.closing(stand_in):
        yield stand_in


@pytest.fixture
def figures(api: Api, tmp_path: Path) -> Iterator[Figures]:
    """A metrics server on this machine; it takes the place of the cluster's own."""
    made = Figures(api, tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def kubectl(api: Api) -> Kubectl:
    binary = shutil.which("kubectl")
    assert binary, "the conformance suite needs kubectl on PATH"
    return Kubectl(binary, api)
