"""What every Helm backend does on every Kubernetes API: ordinary releases, Helm's own sentences, and its records mended (rule H2)."""

from pathlib import Path
from typing import Any

import pytest

from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.helm.storage import pack, unpack
from tests.adapters.helm.charts import CONFIG_MAP, HANGING_HOOK, PAIR, chart
from tests.adapters.helm.conftest import Bench


def settings(connection: Connection, namespace: str) -> Any:
    path = f"/api/v1/namespaces/{namespace}/configmaps/app-settings"
    answer = connection.request("GET", path, doing="read", missing_ok=True)
    return answer.doc() if answer.status == 200 else None


def record(connection: Connection, namespace: str, number: int) -> Any:
    path = f"/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.app.v{number}"
    return connection.request("GET", path, doing="read").doc()


def leave_pending(connection: Connection, namespace: str, number: int) -> None:
    """As a Helm that was killed in the middle leaves its revision."""
    secret = record(connection, namespace, number)
    inside = unpack(secret["data"]["release"])
    inside["info"]["status"] = "pending-upgrade"
    body = {"data": {"release": pack(inside)}, "metadata": {"labels": {"status": "pending-upgrade"}}}
    path = f"/api/v1/namespaces/{namespace}/secrets/{secret['metadata']['name']}"
    connection.request("PATCH", path, doing="break", body=body, content="application/merge-patch+json")


def test_a_release_lives_and_goes(bench: Bench, connection: Connection, tmp_path: Path) -> None:
    assert bench.run("history").history == ()
    installed = bench.run("install", chart(tmp_path / "c"), values={"colour": "red"})
    assert (installed.ok, installed.revision and installed.revision.number) == (True, 1), installed
    upgraded = bench.run("upgrade", chart(tmp_path / "c", version="1.1.0"), values={"colour": "green"})
    assert upgraded.ok, upgraded
    assert upgraded.revision is not None
    assert (upgraded.revision.number, upgraded.revision.status, upgraded.revision.chart) == (2, "deployed", "small-1.1.0")
    assert settings(connection, bench.namespace)["data"] == {"colour": "green"}
    history = bench.run("history").history
    assert [(entry.number, entry.status) for entry in history] == [(1, "superseded"), (2, "deployed")]
    assert history[-1].values == {"colour": "green"}
    assert bench.run("rollback").ok
    assert settings(connection, bench.namespace)["data"] == {"colour": "red"}
    assert bench.run("uninstall").ok
    assert settings(connection, bench.namespace) is None
    assert bench.run("history").history == ()
    assert bench.run("uninstall").ok


def test_a_persons_own_helm_is_the_same_owner_of_the_fields(bench: Bench, connection: Connection, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"))
    managers = {entry["manager"] for entry in settings(connection, bench.namespace)["metadata"]["managedFields"]}
    assert managers == {"helm"}


def test_a_field_that_somebody_patched_does_not_stop_the_next_upgrade(bench: Bench, connection: Connection, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"))
    path = f"/api/v1/namespaces/{bench.namespace}/configmaps/app-settings"
    patch = {"data": {"colour": "pink"}}
    connection.request("PATCH", path, doing="edit", body=patch, content="application/merge-patch+json", query={"fieldManager": "person"})
    assert bench.run("upgrade", chart(tmp_path / "c"), values={"colour": "green"}).ok
    assert settings(connection, bench.namespace)["data"] == {"colour": "green"}


def test_a_field_that_somebody_patched_does_not_stop_a_rollback(bench: Bench, connection: Connection, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"), values={"colour": "red"})
    bench.run("upgrade", chart(tmp_path / "c"), values={"colour": "green"})
    path = f"/api/v1/namespaces/{bench.namespace}/configmaps/app-settings"
    patch = {"data": {"colour": "pink"}}
    connection.request("PATCH", path, doing="edit", body=patch, content="application/merge-patch+json", query={"fieldManager": "person"})
    assert bench.run("rollback").ok
    assert settings(connection, bench.namespace)["data"] == {"colour": "red"}


@pytest.mark.parametrize(
    ("force", "left"), [(False, {"colour": "red", "size": "xl"}), (True, {"colour": "red"})], ids=["applied", "forced"]
)
def test_a_forced_rollback_replaces_objects(
    bench: Bench, connection: Connection, tmp_path: Path, force: bool, left: dict[str, str]
) -> None:
    bench.run("install", chart(tmp_path / "c"), values={"colour": "red"})
    bench.run("upgrade", chart(tmp_path / "c"), values={"colour": "green"})
    path = f"/api/v1/namespaces/{bench.namespace}/configmaps/app-settings"
    patch = {"data": {"size": "xl"}}
    connection.request("PATCH", path, doing="edit", body=patch, content="application/merge-patch+json", query={"fieldManager": "person"})
    assert bench.run("rollback", options={"force": force}).ok
    assert settings(connection, bench.namespace)["data"] == left


def test_a_rollback_leaves_hooks_out_when_asked(bench: Bench, tmp_path: Path) -> None:
    made = chart(tmp_path / "c", files={"config.yaml": CONFIG_MAP, "hook.yaml": HANGING_HOOK.replace("pre-upgrade", "pre-rollback")})
    bench.run("install", made, values={"colour": "red"})
    bench.run("upgrade", made, values={"colour": "green"})
    assert bench.run("rollback", options={"disable_hooks": True}, timeout=1).ok
    assert "app-hook not ready" in bench.run("rollback", timeout=1).message


def test_F26_helm_keeps_as_many_revisions_as_the_release_asks_for(bench: Bench, tmp_path: Path) -> None:
    made = chart(tmp_path / "c")
    bench.run("install", made)
    for number in range(5):
        assert bench.run("upgrade", made, values={"colour": str(number)}, max_history=3).ok
    assert [entry.number for entry in bench.run("history").history] == [4, 5, 6]


def test_values_of_the_release_before_are_kept_when_asked(bench: Bench, connection: Connection, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"), values={"colour": "red"})
    assert bench.run("upgrade", chart(tmp_path / "c"), options={"reuse_values": True}).ok
    assert settings(connection, bench.namespace)["data"] == {"colour": "red"}
    assert bench.run("upgrade", chart(tmp_path / "c")).ok
    assert settings(connection, bench.namespace)["data"] == {"colour": "blue"}


def test_H1_a_chart_that_does_not_render_says_where_and_leaves_no_revision(bench: Bench, tmp_path: Path) -> None:
    bad = chart(tmp_path / "bad", files={"config.yaml": CONFIG_MAP + "  size: {{ .Values.sizes.large }}\n"})
    done = bench.run("install", bad)
    assert not done.ok
    assert "config.yaml" in done.message
    assert "nil pointer evaluating" in done.message
    assert done.history == ()


def test_H1_an_object_that_the_server_refuses_leaves_a_failed_revision(bench: Bench, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"))
    bad = chart(tmp_path / "bad", files={"service.yaml": PAIR.replace("80", "99999")})
    done = bench.run("upgrade", bad)
    assert not done.ok
    assert "99999" in done.message
    assert done.revision is not None
    assert (done.revision.number, done.revision.status) == (2, "failed")
    assert bench.run("upgrade", chart(tmp_path / "c")).ok


def test_H3_a_hook_that_hangs_ends_with_the_time_limit(bench: Bench, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"))
    done = bench.run("upgrade", chart(tmp_path / "c", files={"config.yaml": CONFIG_MAP, "hook.yaml": HANGING_HOOK}), timeout=1)
    assert not done.ok
    assert "pre-upgrade" in done.message
    assert done.revision is not None
    assert done.revision.status == "failed"


def test_H2_a_revision_that_was_left_pending_is_marked_failed_and_upgraded_forward(
    bench: Bench, connection: Connection, tmp_path: Path
) -> None:
    bench.run("install", chart(tmp_path / "c"))
    bench.run("upgrade", chart(tmp_path / "c"), values={"colour": "red"})
    leave_pending(connection, bench.namespace, 2)
    stuck = bench.run("upgrade", chart(tmp_path / "c"), values={"colour": "green"})
    assert "in progress" in stuck.message
    marked = bench.run("mark-failed", options={"version": 2, "description": "its worker was lost"})
    assert marked.ok, marked.message
    assert [entry.status for entry in bench.run("history").history] == ["superseded", "failed"]
    assert record(connection, bench.namespace, 2)["metadata"]["labels"]["status"] == "failed"
    upgraded = bench.run("upgrade", chart(tmp_path / "c"), values={"colour": "green"})
    assert upgraded.ok, upgraded.message
    assert upgraded.revision is not None
    assert upgraded.revision.number == 3
    assert settings(connection, bench.namespace)["data"] == {"colour": "green"}


def test_H2_a_revision_that_ended_meanwhile_is_left_as_it_is(bench: Bench, tmp_path: Path) -> None:
    bench.run("install", chart(tmp_path / "c"))
    done = bench.run("mark-failed", options={"version": 1})
    assert (done.ok, done.message) == (True, "revision 1 is deployed already")
    assert not bench.run("mark-failed", options={"version": 7}).ok


def test_O5_helm_acts_as_the_applier(bench: Bench, tmp_path: Path) -> None:
    done = bench.run("install", chart(tmp_path / "c"), as_user="system:serviceaccount:nowhere:applier")
    assert not done.ok
    assert 'User "system:serviceaccount:nowhere:applier" cannot' in done.message


@pytest.mark.parametrize("unreachable", ["upgrade", "uninstall"])
def test_an_action_on_a_release_that_is_not_there(bench: Bench, tmp_path: Path, unreachable: str) -> None:
    done = bench.run(unreachable, chart(tmp_path / "c"))
    assert done.ok is (unreachable == "uninstall")
