"""Helm as users run it and Helm as the operator runs it, in its child process: the same releases on every server."""

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import from_kubeconfig
from gitops_canary.adapters.helm.child import Child
from gitops_canary.adapters.helm.pool import HelmPool
from gitops_canary.adapters.helm.storage import ReleaseRecords
from gitops_canary.adapters.log import make_log
from gitops_canary.ports import Chart
from tests.adapters.helm.conftest import Bench, Waiting
from tests.conformance.client import Api
from tests.conformance.stand_in import StandIn

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {color: {{ .Values.color }}}\n"
TEST = """apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: hook-succeeded}}
spec: {restartPolicy: Never, containers: [{name: test, image: "registry.example/test:1"}]}
"""


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    folder = tmp_path / "tested"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: tested\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("color: red\n")
    (folder / "templates" / "config.yaml").write_text(CONFIG)
    (folder / "templates" / "test.yaml").write_text(TEST)
    return Chart("tested", str(folder), "0.1.0")


@pytest.fixture
def bench(api: Api, tmp_path: Path) -> Iterator[Bench]:
    """The operator's own Helm in the test's namespace."""
    connection, woken, said = from_kubeconfig(str(api.kubeconfig)), Waiting(), io.StringIO()
    log = make_log(stream=said)

    def make() -> Child:
        return Child(tmp_path / "home", kubeconfig=str(api.kubeconfig), backend="sdk", cancel_grace=10)

    pool = HelmPool(make, ReleaseRecords(KubernetesCluster(connection, log)), woken, log, workers=1)
    yield Bench(pool, woken, api.ns, said)
    pool.close()
    connection.close()


@pytest.mark.parametrize(("end", "code"), [("Succeeded", 0), ("Failed", 1)], ids=["success", "failure"])
def test_helm_tests_a_release(api: Api, node: StandIn, helm: str, chart: Chart, end: str, code: int) -> None:
    node.decide = lambda pod: end
    command = [helm, "--kubeconfig", str(api.kubeconfig), "-n", api.ns]
    subprocess.run([*command, "install", "app", chart.path], capture_output=True, timeout=60, check=True)
    tested = subprocess.run([*command, "test", "app", "--timeout", "20s"], capture_output=True, text=True, timeout=60, check=False)
    assert tested.returncode == code, tested.stderr
    assert f"Phase:          {end}" in tested.stdout
    status = subprocess.run([*command, "status", "app", "-o", "json"], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(status.stdout)["info"]["status"] == "deployed"


def test_the_operator_s_helm_does_what_stock_helm_does(api: Api, node: StandIn, bench: Bench, chart: Chart) -> None:
    node.decide = lambda pod: "Succeeded"
    assert bench.run("install", chart).ok
    assert bench.run("upgrade", chart, values={"color": "green"}).ok
    assert api.get("configmaps", "app").body["data"] == {"color": "green"}
    tested = bench.run("test")
    assert tested.ok, tested
    assert api.list("pods").names == []
    assert bench.run("rollback").ok
    assert api.get("configmaps", "app").body["data"] == {"color": "red"}
    assert [(one.number, one.status) for one in bench.run("history").history] == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert bench.run("uninstall").ok
    assert api.get("configmaps", "app").code == 404
    assert api.list("secrets").names == []


def test_stock_helm_sees_the_operator_s_release(api: Api, helm: str, bench: Bench, chart: Chart) -> None:
    assert bench.run("install", chart).ok
    command = [helm, "--kubeconfig", str(api.kubeconfig), "-n", api.ns]
    listed = subprocess.run([*command, "list", "-o", "json"], capture_output=True, text=True, timeout=60, check=True)
    assert [(one["name"], one["revision"], one["status"]) for one in json.loads(listed.stdout)] == [("app", "1", "deployed")]
    subprocess.run([*command, "upgrade", "app", chart.path, "--set", "color=blue"], capture_output=True, timeout=60, check=True)
    assert api.get("configmaps", "app").body["data"] == {"color": "blue"}
    history = bench.run("history").history
    assert [(one.number, one.status) for one in history] == [(1, "superseded"), (2, "deployed")]
