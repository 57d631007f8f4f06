"""The cache lives on: through 410, a killed server, connections that died in silence, and servers that cannot stream lists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.adapters.cluster.connection import Connection, Limits
from gitops_canary.domain.errors import Unavailable
from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.adapters.cluster.support import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    Proxy,
    Said,
    config_map,
    connect,
    deployment,
    ref,
    server_of,
    through,
    watching,
)


@pytest.fixture(scope="module")
def mortal_plane() -> Iterator[ControlPlane]:
    """A plane that these tests may kill."""
    with ControlPlane(controllers=False) as plane:
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "mortal"}})
        yield plane


@pytest.fixture
def proxy(kubeconfig: Path) -> Iterator[Proxy]:
    made = Proxy(server_of(kubeconfig))
    yield made
    made.close()


@pytest.mark.control_plane
def test_an_idle_cluster_asks_nothing_but_to_watch(control_plane: ControlPlane, real_namespace: str) -> None:
    made = deployment(real_namespace)
    with watching(connect(control_plane.kubeconfig("mesh")), DEPLOYMENT, CONFIG_MAP) as (cluster, changes):
        cluster.apply(made)
        changes.until(lambda: cluster.get(ref(made)) is not None)
        mark = control_plane.audit_mark()
        for _ in range(50):
            cluster.get(ref(made))
            cluster.list(*DEPLOYMENT, real_namespace)
            cluster.serves(*DEPLOYMENT)
            cluster.apply(made)
            cluster.patch(ref(made), {"metadata": {"labels": {"app": "web"}}})
            cluster.scale(ref(made), 1)
        assert control_plane.audit(mark, user="mesh") == []


@pytest.mark.control_plane
def test_after_a_restart_an_apply_that_stands_is_not_sent_again(control_plane: ControlPlane, real_namespace: str) -> None:
    made = deployment(real_namespace, replicas=3)
    with watching(connect(control_plane.kubeconfig("mesh")), DEPLOYMENT) as (cluster, _):
        cluster.apply(made)
    with watching(connect(control_plane.kubeconfig("mesh")), DEPLOYMENT) as (cluster, _):
        mark = control_plane.audit_mark()
        cluster.apply(made)
        assert control_plane.audit(mark, user="mesh") == []
        made["spec"]["template"]["spec"]["containers"][0]["env"] = []
        cluster.apply(made)
        assert [(one.verb, one.resource) for one in control_plane.audit(mark, user="mesh")] == [("patch", "deployments")]


@pytest.mark.control_plane
def test_a_value_that_the_server_writes_in_another_form_is_sent_once(control_plane: ControlPlane, real_namespace: str) -> None:
    made = deployment(real_namespace)
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000m"}}
    with watching(connect(control_plane.kubeconfig("mesh")), DEPLOYMENT) as (cluster, changes):
        cluster.apply(made)
        mark = control_plane.audit_mark()
        cluster.apply(made)
        assert control_plane.audit(mark, user="mesh") == []
        control_plane.request(
            "PATCH",
            f"/apis/apps/v1/namespaces/{real_namespace}/deployments/web?fieldManager=human&force=true",
            deployment(real_namespace, image="other:1"),
        )
        changes.until(lambda: "other:1" in str(cluster.get(ref(made))))
        cluster.apply(made)
        assert [(one.verb, one.resource) for one in control_plane.audit(mark, user="mesh")] == [("patch", "deployments")]


@pytest.mark.control_plane
def test_an_applied_config_is_known_to_stand_though_its_data_is_not_watched(control_plane: ControlPlane, real_namespace: str) -> None:
    with watching(connect(control_plane.kubeconfig("mesh")), CONFIG_MAP) as (cluster, changes):
        cluster.apply(config_map(real_namespace, a="1"))
        mark = control_plane.audit_mark()
        cluster.apply(config_map(real_namespace, a="1"))
        assert control_plane.audit(mark, user="mesh") == []
        path = f"/api/v1/namespaces/{real_namespace}/configmaps/settings?fieldManager=human&force=true"
        version = control_plane.request("PATCH", path, config_map(real_namespace, a="2"))["metadata"]["resourceVersion"]
        changes.until(lambda: version in str(cluster.get(ref(config_map(real_namespace)))))
        assert cluster.apply(config_map(real_namespace, a="1"))["data"] == {"a": "1"}


@pytest.mark.control_plane
def test_a_killed_server_costs_no_change_and_the_cache_lives_on(mortal_plane: ControlPlane) -> None:
    said = Said()
    with watching(connect(mortal_plane.kubeconfig("mesh")), CONFIG_MAP, said=said) as (cluster, changes):
        for name in ("stays", "goes"):
            cluster.apply(config_map("mortal", name, a="1"))
        mortal_plane.kill_apiserver()
        with pytest.raises(Unavailable, match="no answer from"):
            cluster.apply(config_map("mortal", "stays", a="2"))
        said.until("cannot watch ConfigMap: no answer from")
        assert cluster.get(ref(config_map("mortal", "stays"))) is not None
        mortal_plane.start_apiserver()
        mortal_plane.request("DELETE", "/api/v1/namespaces/mortal/configmaps/goes")
        mortal_plane.request("PATCH", "/api/v1/namespaces/mortal/configmaps/new?fieldManager=human", config_map("mortal", "new"))
        changes.until(lambda: cluster.get(ref(config_map("mortal", "new"))) is not None)
        changes.until(lambda: cluster.get(ref(config_map("mortal", "goes"))) is None)
        assert cluster.apply(config_map("mortal", "stays", a="2"))["data"] == {"a": "2"}


@pytest.mark.control_plane
def test_after_410_the_list_is_made_anew_and_a_deletion_in_the_gap_is_heard(mortal_plane: ControlPlane, tmp_path: Path) -> None:
    """A server that was restarted during the gap no longer has the events of it."""
    proxy = Proxy(mortal_plane.url)
    said = Said()
    with watching(connect(through(proxy, mortal_plane.kubeconfig("mesh"), tmp_path)), CONFIG_MAP, said=said) as (cluster, changes):
        cluster.apply(config_map("mortal", "early", a="1"))
        proxy.cut()
        said.until("cannot watch ConfigMap")
        mortal_plane.request("DELETE", "/api/v1/namespaces/mortal/configmaps/early")
        mortal_plane.request("PATCH", "/api/v1/namespaces/mortal/configmaps/late?fieldManager=human", config_map("mortal", "late"))
        mortal_plane.kill_apiserver()
        mortal_plane.start_apiserver()
        mark, before = mortal_plane.audit_mark(), len(changes.heard)
        proxy.mend()
        changes.until(lambda: ("ConfigMap", "mortal", "early") in changes.heard[before:])
        assert cluster.get(ref(config_map("mortal", "early"))) is None
        assert cluster.get(ref(config_map("mortal", "late"))) is not None
        watches = [one.uri for one in mortal_plane.audit(mark, user="mesh") if one.verb == "watch"]
    proxy.close()
    # The first attempt goes on from the old version, the list is streamed only after the server has refused that.
    assert "resourceVersion=" in watches[0]
    assert "sendInitialEvents=true" not in watches[0]
    assert "sendInitialEvents=true" in watches[1]


def test_a_connection_that_died_in_silence_is_noticed_and_nothing_is_missed(
    kubeconfig: Path, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    limits = Limits(read=1.0, silence=1.0)
    made = config_map(namespace)
    with (
        watching(connect(through(proxy, kubeconfig, tmp_path), limits), CONFIG_MAP) as (cluster, changes),
        watching(connect(kubeconfig)) as (other, _),
    ):
        assert proxy.freeze() >= 1
        other.apply(made)
        changes.until(lambda: cluster.get(ref(made)) is not None)


def test_a_write_on_a_dead_connection_ends_in_time_and_the_next_one_works(
    kubeconfig: Path, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    with watching(connect(through(proxy, kubeconfig, tmp_path), Limits(read=1.0))) as (cluster, _):
        cluster.apply(config_map(namespace, a="1"))
        assert proxy.freeze() == 1
        with pytest.raises(Unavailable, match="no answer from"):
            cluster.apply(config_map(namespace, a="2"))
        assert cluster.apply(config_map(namespace, a="2"))["data"] == {"a": "2"}


def test_a_server_that_cannot_stream_lists_is_asked_for_pages(
    connection: Connection, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kube-apiserver before 1.32 refuses `sendInitialEvents` as it refuses this spelling of its companion."""
    from gitops_canary.adapters.cluster import reflector

    monkeypatch.setattr(reflector, "STREAMED", {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"})
    monkeypatch.setattr(reflector, "PAGE", 2)
    with watching(connect_again(connection)) as (other, _):
        for number in range(5):
            other.apply(config_map(namespace, f"n{number}"))
        with watching(connection, CONFIG_MAP) as (cluster, changes):
            assert len([one for one in cluster.list(*CONFIG_MAP, namespace) if one["metadata"]["name"].startswith("n")]) == 5
            other.delete(ref(config_map(namespace, "n3")))
            changes.until(lambda: cluster.get(ref(config_map(namespace, "n3"))) is None)


def connect_again(connection: Connection) -> Connection:
    return Connection(connection._load, connection.limits)


def test_a_namespaced_cluster_watches_and_reads_only_its_own(connection: Connection, namespace: str) -> None:
    with watching(connection, CONFIG_MAP, NAMESPACE, namespace=namespace) as (cluster, changes):
        assert cluster.get(Ref("v1", "Namespace", "", namespace)) is not None
        made = config_map(namespace)
        cluster.apply(made)
        changes.until(lambda: changes.heard)
        assert {one["metadata"]["namespace"] for one in cluster.list(*CONFIG_MAP, namespace)} == {namespace}
        assert {space for _, space, _ in changes.heard} == {namespace}
