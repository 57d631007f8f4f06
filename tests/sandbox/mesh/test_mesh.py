"""The mesh on a real control plane: what is written to the API is served and measured."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from ruamel.yaml import YAML

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from gitops_canary.sandbox.mesh.mesh import Mesh
from tests.sandbox.mesh.objects import canary_services, service, split

CRDS = Path(__file__).parents[3] / "gitops_canary" / "sandbox" / "crds" / "istio.yaml"


def apply(plane: ControlPlane, path: str, doc: dict[str, object]) -> None:
    plane.request("PATCH", f"{path}?fieldManager=test&force=true", doc)


def text(url: str) -> str:
    with urllib3.PoolManager() as http:
        return http.request("GET", url).data.decode()


@pytest.fixture(scope="module")
def kinds(control_plane: ControlPlane) -> None:
    for crd in YAML(typ="safe", pure=True).load_all(CRDS.read_text()):
        apply(control_plane, f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}", crd)
    apply(control_plane, "/api/v1/namespaces/mesh-test", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh-test"}})


@pytest.fixture(params=["envoy", "python"])
def mesh(request: pytest.FixtureRequest, control_plane: ControlPlane, kinds: None) -> Iterator[Mesh]:
    made = Mesh(control_plane.kubeconfig("mesh"), data_plane=request.param)
    made.start()
    made.wait_ready()
    yield made
    made.stop()


@pytest.mark.control_plane
def test_routes_written_to_the_api_are_served(mesh: Mesh, control_plane: ControlPlane) -> None:
    for made in canary_services(namespace="mesh-test"):
        name = made["metadata"]["name"]
        apply(control_plane, f"/api/v1/namespaces/mesh-test/services/{name}", {"apiVersion": "v1", "kind": "Service", **made})
    routes = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", **split(25)}
    routes["metadata"]["namespace"] = "mesh-test"
    apply(control_plane, "/apis/networking.istio.io/v1/namespaces/mesh-test/virtualservices/frontend", routes)
    with urllib3.ProxyManager(mesh.proxy, retries=urllib3.Retry(20, status_forcelist=[404], backoff_factor=0.02)) as http:
        answers = (http.request("GET", "http://frontend.mesh-test:9898/") for _ in range(2000))
        canary = 'destination_service="frontend-canary.mesh-test.svc.cluster.local"'
        assert any(
            (answer.status, answer.data.strip()) == (503, b"no healthy upstream") and canary in text(mesh.metrics) for answer in answers
        )
    assert "mesh-test" not in text(mesh.targets)
    assert text(mesh.metrics.replace("metrics", "healthz")) == "ok\n"


@pytest.mark.control_plane
def test_an_api_server_that_comes_back_is_followed_again(control_plane: ControlPlane, kinds: None) -> None:
    mesh = Mesh(control_plane.kubeconfig("mesh"), data_plane="python")
    mesh.start()
    try:
        mesh.wait_ready()
        control_plane.kill_apiserver()
        control_plane.start_apiserver()
        doc = {"apiVersion": "v1", "kind": "Service", **service("late", "late", namespace="mesh-test")}
        apply(control_plane, "/api/v1/namespaces/mesh-test/services/late", doc)
        with urllib3.ProxyManager(mesh.proxy, retries=urllib3.Retry(40, status_forcelist=[404], backoff_factor=0.05)) as http:
            assert http.request("GET", "http://late.mesh-test:9898/").status == 503
    finally:
        mesh.stop()


def test_a_cluster_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {}}],"
        " clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    mesh = Mesh(kubeconfig, data_plane="python")
    mesh.start()
    with pytest.raises(Unavailable, match="cannot learn the routes of http"):
        mesh.wait_ready(0.3)
    mesh.stop()


@pytest.mark.parametrize("text", ["", "{}", "{current-context: a, contexts: []}"])
def test_a_kubeconfig_without_a_context_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(UserError, match="cannot read the kubeconfig"):
        Mesh(tmp_path / "kubeconfig")


def test_a_background_loop_leaves_nothing_behind() -> None:
    background = Background("test")
    background.stop()
    background.stop()
    background.soon(print)
    assert background.loop.is_closed()
