"""HelmRelease manifests become releases on a real Kubernetes API with real Helm and real Git; driven only through manifests and Git."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops_canary.adapters.clock import SystemClock
from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.git import GitOptions, GitRepository, Mirror, Transport
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.managers.release_charts import ReleaseCharts
from gitops_canary.managers.release_life import ReleaseRules
from gitops_canary.managers.release_status import ReleaseStatus
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.managers.releases import ReleasesManager
from gitops_canary.operator import Operator
from tests.adapters.cluster.support import Changes, Said
from tests.adapters.helm.charts import CONFIG_MAP, HANGING_HOOK, chart
from tests.adapters.helm.parts import assemble
from tests.adapters.helm.test_charts import Git
from tests.adapters.helm.test_releases_on_a_cluster import leave_pending
from tests.deploy.kubectl import Kubectl
from tests.deploy.manifests import DEPLOY
from tests.managers.canaries.world import Notices

KINDS = (("flux.weave.works/v1beta1", "HelmRelease"), ("helm.fluxcd.io/v1", "HelmRelease"), ("v1", "ConfigMap"), ("v1", "Secret"))
API = "/apis/flux.weave.works/v1beta1"
pytestmark = pytest.mark.tools("kubectl")


class World:
    """An operator with the releases lane alone, in threads of its own, and what a person may do around it."""

    def __init__(self, tmp_path: Path, kubeconfig: Path, connection: Connection, namespace: str) -> None:
        self.connection, self.namespace, self.generation = connection, namespace, 1
        self.git = Git(tmp_path / "repository")
        chart(self.git.folder / "charts" / "app")
        self.git.commit()
        self.said, self.alerts, self.changes = Said(), Notices(), Changes()
        log = make_log(stream=self.said)
        self.cluster = KubernetesCluster(connection, log, observed=KINDS)
        self.transport = Transport(GitOptions(tmp_path / "state", allow_file_urls=True))
        self.own = GitRepository(self.git.url, "main", self.transport)
        self.own.fetch()

        self.helm = assemble(
            state=tmp_path,
            kubeconfig=str(kubeconfig),
            cluster=self.cluster,
            mirror=lambda url: Mirror(url, self.transport),
            own=self.own,
            wake=lambda key: self.operator.wake("releases", key),
            log=log,
            workers=1,
        )
        manager = ReleasesManager(
            self.cluster,
            ReleaseCharts(self.helm.charts),
            self.helm.pool,
            ReleaseValues(self.cluster, self.helm.outside),
            ReleaseStatus(self.cluster, self.alerts, log),
            ReleaseRules(namespace=namespace),
            log,
            holder=lambda: "test#1",
        )
        self.alerts.delivered = manager.delivered
        self.operator = Operator([manager], SystemClock(), log)
        self.cluster.subscribe(self._changed)
        self.cluster.subscribe(self.changes)

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        self.operator.wake("releases", f"{namespace}/{name}" if kind == "HelmRelease" else "")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        assert self.cluster.start() == []
        thread = threading.Thread(target=self.operator.run)
        thread.start()
        try:
            yield
        finally:
            self.operator.stop()
            thread.join(20)
            self.helm.close()
            self.cluster.close()
            self.own.mirror.close()
            self.transport.close()

    # ------------------------------------------------------------ what people do

    def release(self, **spec: Any) -> None:
        spec = {"releaseName": "app", "chart": {"path": "charts/app"}, "timeout": 20, **spec}
        doc = {
            "apiVersion": "flux.weave.works/v1beta1",
            "kind": "HelmRelease",
            "metadata": {"name": "app", "namespace": self.namespace},
            "spec": spec,
        }
        path = f"{API}/namespaces/{self.namespace}/helmreleases/app"
        query = {"fieldManager": "person", "force": "true"}
        answer = self.connection.request("PATCH", path, doing="apply", body=doc, query=query, content="application/apply-patch+yaml")
        self.generation = answer.doc()["metadata"]["generation"]

    def put(self, kind: str, name: str, data: Mapping[str, str]) -> None:
        doc = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "stringData" if kind == "Secret" else "data": dict(data)}
        path = f"/api/v1/namespaces/{self.namespace}/{kind.lower()}s/{name}"
        query = {"fieldManager": "person"}
        self.connection.request("PATCH", path, doing="apply", body=doc, query=query, content="application/apply-patch+yaml")

    def commit(self) -> None:
        self.git.commit()
        self.own.fetch()
        self.operator.wake("releases")

    def delete(self) -> None:
        self.connection.request("DELETE", f"{API}/namespaces/{self.namespace}/helmreleases/app", doing="delete")

    # ------------------------------------------------------------ what people see

    @property
    def doc(self) -> Doc | None:
        return self.cluster.get(Ref("flux.weave.works/v1beta1", "HelmRelease", self.namespace, "app"))

    def status(self) -> Mapping[str, Any]:
        """What it says about the newest spec; nothing before it was looked at."""
        found = (self.doc or {}).get("status") or {}
        return found if found.get("observedGeneration", 0) >= self.generation else {}

    def until(self, true: Callable[[], object]) -> None:
        self.changes.until(true)

    def until_phase(self, phase: str) -> Mapping[str, Any]:
        self.until(lambda: self.status().get("phase") == phase)
        return self.status()

    def colour(self) -> str:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/app-settings"
        answer = self.connection.request("GET", path, doing="read", missing_ok=True)
        return str(answer.doc()["data"]["colour"]) if answer.status == 200 else ""

    def revisions(self) -> list[int]:
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        found = self.connection.request("GET", path, doing="list", query={"labelSelector": "owner=helm"}).doc()["items"]
        return sorted(int(item["metadata"]["labels"]["version"]) for item in found)


def condition(status: Mapping[str, Any], kind: str) -> tuple[str, str]:
    found: Mapping[str, Any] = next((one for one in status.get("conditions", ()) if one["type"] == kind), {})
    return str(found.get("status", "")), str(found.get("message", ""))


@pytest.fixture
def world(kubeconfig: Path, connection: Connection, namespace: str, tmp_path: Path) -> Iterator[World]:
    run = Kubectl(kubeconfig)
    for name in ("helmreleases.flux.weave.works", "helmreleases.helm.fluxcd.io"):
        run("apply", "--server-side", "--force-conflicts", "-f", str(DEPLOY / "crds" / f"{name}.yaml"))
        run("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    made = World(tmp_path, kubeconfig, connection, namespace)
    with made.running():
        yield made


def test_F20_a_commit_below_the_charts_path_upgrades_and_another_does_not(world: World) -> None:
    world.release()
    first = world.until_phase("Succeeded")
    (world.git.folder / "README.md").write_text("x")
    world.commit()
    chart(world.git.folder / "charts" / "app", values="colour: green\n")
    world.commit()
    world.until(lambda: world.status().get("revision") not in (first["revision"], None))
    assert (world.colour(), world.revisions()) == ("green", [1, 2])
    assert world.status()["revision"] == world.own.head()


def test_F26_a_release_keeps_as_many_revisions_as_it_asks_for(world: World) -> None:
    for number in range(5):
        world.release(values={"colour": f"c{number}"}, maxHistory=2)
        world.until_phase("Succeeded")
    assert (world.colour(), world.revisions()) == ("c4", [4, 5])


def test_F27_values_come_from_a_config_map_a_secret_and_a_chart_file(world: World) -> None:
    (world.git.folder / "charts" / "app" / "night.yaml").write_text("size: night\ncolour: black\n")
    (world.git.folder / "charts" / "app" / "templates" / "config.yaml").write_text(
        CONFIG_MAP + "  size: {{ .Values.size | quote }}\n  key: {{ .Values.key }}\n"
    )
    world.commit()
    world.put("ConfigMap", "base", {"values.yaml": "size: base\ncolour: white\nkey: none\n"})
    world.put("Secret", "private", {"values.yaml": "key: hidden\n"})
    sources = [
        {"configMapKeyRef": {"name": "base"}},
        {"secretKeyRef": {"name": "private"}},
        {"chartFileRef": {"path": "night.yaml"}},
        {"secretKeyRef": {"name": "absent", "optional": True}},
    ]
    world.release(valuesFrom=sources)
    world.until_phase("Succeeded")
    assert settings(world) == {"colour": "black", "size": "night", "key": "hidden"}
    world.put("Secret", "private", {"values.yaml": "key: changed\n"})
    world.until(lambda: (world.status().get("record") or {}).get("revision") == 2)
    assert settings(world)["key"] == "changed"


def settings(world: World) -> Any:
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/app-settings"
    return world.connection.request("GET", path, doing="read").doc()["data"]


def test_F27_a_source_that_is_missing_is_said_with_its_place(world: World) -> None:
    world.release(valuesFrom=[{"configMapKeyRef": {"name": "absent"}}])
    status = world.until_phase("Failed")
    assert "spec.valuesFrom[0] of HelmRelease" in condition(status, "Released")[1]
    assert world.revisions() == []


def test_F29_a_deleted_helmrelease_takes_its_release_and_objects_along(world: World) -> None:
    world.release()
    world.until_phase("Succeeded")
    world.delete()
    world.until(lambda: world.doc is None)
    assert (world.colour(), world.revisions()) == ("", [])


def test_H1_a_chart_that_does_not_render_is_said_and_the_release_stays(world: World) -> None:
    world.release()
    world.until_phase("Succeeded")
    (world.git.folder / "charts" / "app" / "templates" / "config.yaml").write_text(CONFIG_MAP + "  a: {{ .Values.sizes.large }}\n")
    world.commit()
    status = world.until_phase("DeployFailed")
    released, message = condition(status, "Released")
    assert released == "False"
    assert "config.yaml" in message
    assert "Git differs from what serves" in message
    assert (world.colour(), world.revisions()) == ("blue", [1])
    assert len(world.alerts.sent) == 1


def test_H3_a_hook_that_hangs_fails_the_release_within_its_time_limit(world: World) -> None:
    world.release()
    world.until_phase("Succeeded")
    chart(world.git.folder / "charts" / "app", files={"config.yaml": CONFIG_MAP, "hook.yaml": HANGING_HOOK})
    world.commit()
    world.release(timeout=1)
    status = world.until_phase("DeployFailed")
    assert "pre-upgrade" in condition(status, "Deployed")[1]


def test_H2_a_release_stuck_in_pending_upgrade_by_a_lost_leader_goes_forward(world: World, connection: Connection) -> None:
    world.release()
    status = dict(world.until_phase("Succeeded"))
    leave_pending(connection, world.namespace, 1)
    mark = {
        "by": "lost#0",
        "action": "upgrade",
        "inputs": "x",
        "revision": 1,
        "started": "2026-01-01T00:00:00Z",
        "until": "2026-01-01T00:00:00Z",
    }
    patch = {"status": {**status, "operation": mark}}
    path = f"{API}/namespaces/{world.namespace}/helmreleases/app/status"
    world.operator.lanes["releases"].manager._known.clear()  # type: ignore[attr-defined]
    connection.request("PATCH", path, doing="mark", body=patch, content="application/merge-patch+json")
    world.release(values={"colour": "green"})
    world.until(lambda: world.status().get("phase") == "Succeeded" and world.colour() == "green")
    assert world.revisions() == [1, 2]
    assert "it is marked failed" in world.said.getvalue()


def test_H2_a_release_that_a_person_left_pending_is_reported_and_left(world: World, connection: Connection) -> None:
    world.release()
    world.until_phase("Succeeded")
    leave_pending(connection, world.namespace, 1)
    world.operator.lanes["releases"].manager._known.clear()  # type: ignore[attr-defined]
    world.release(values={"colour": "green"})
    status = world.until_phase("Failed")
    assert "it was not this operator that left it so" in condition(status, "Released")[1]
    assert world.revisions() == [1]
    assert json.dumps(status)
