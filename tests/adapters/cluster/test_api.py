"""The Cluster port as managers use it, on every server we have."""

from datetime import UTC, datetime

import pytest

from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.domain.errors import Conflict, NotLeader, Unavailable, UserError
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Cluster, Sentence
from tests.adapters.cluster.support import CONFIG_MAP, DEPLOYMENT, NAMESPACE, config_map, deployment, observing_again, ref, watching

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WIDGETS: Doc = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "spec": {
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}},
                            "status": {"type": "object", "properties": {"phase": {"type": "string"}, "weight": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


def definition(group: str) -> Doc:
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    return {**WIDGETS, "metadata": {"name": f"widgets.{group}"}, "spec": {**WIDGETS["spec"], "group": group, "names": names}}


@pytest.fixture
def widgets(connection: Connection, namespace: str) -> tuple[str, str]:
    """A custom kind with a status, in a group of the test's own; its apiVersion and kind."""
    group = f"{namespace}.example.com"
    with watching(connection_of(connection)) as (cluster, _):
        cluster.apply(definition(group))
    return f"{group}/v1", "Widget"


def connection_of(connection: Connection) -> Connection:
    """`watching` closes what it is given; the test goes on with the fixture's."""
    return Connection(connection._load, connection.limits)


def widget(kind: tuple[str, str], namespace: str, **more: object) -> dict[str, object]:
    return {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "w", "namespace": namespace}, "spec": {"size": 1}, **more}


def test_it_is_a_cluster_port(connection: Connection) -> None:
    with watching(connection) as (cluster, _):
        port: Cluster = cluster
        assert len(port.cluster_id()) == 36


def test_what_was_written_is_read_back_at_once_from_the_cache(connection: Connection, namespace: str) -> None:
    with watching(connection, DEPLOYMENT) as (cluster, _):
        made = deployment(namespace)
        cluster.apply(made)
        found = cluster.get(ref(made))
        assert found is not None
        assert found["spec"]["replicas"] == 1
        assert [one["metadata"]["name"] for one in cluster.list(*DEPLOYMENT, namespace, {"app": "web"})] == ["web"]
        assert cluster.list(*DEPLOYMENT, namespace, {"app": "other"}) == []


def test_kinds_that_are_not_watched_are_read_live(connection: Connection, namespace: str) -> None:
    with watching(connection) as (cluster, _):
        made = deployment(namespace)
        assert cluster.get(ref(made)) is None
        cluster.apply(made)
        assert cluster.get(ref(made)) is not None
        found = cluster.list(*DEPLOYMENT, namespace, {"app": "web"})
        assert [(one["apiVersion"], one["kind"]) for one in found] == [DEPLOYMENT]


def test_changes_of_others_are_heard_and_seen(connection: Connection, namespace: str) -> None:
    made = deployment(namespace)
    with watching(connection, DEPLOYMENT) as (cluster, changes), watching(connection_of(connection)) as (other, _):
        other.apply(made)
        changes.until(lambda: ("Deployment", namespace, "web") in changes.heard)
        other.patch(ref(made), {"metadata": {"labels": {"new": "1"}}})
        changes.until(lambda: (cluster.get(ref(made)) or {"metadata": {}})["metadata"].get("labels", {}).get("new") == "1")
        other.delete(ref(made))
        changes.until(lambda: cluster.get(ref(made)) is None)


def test_only_the_metadata_of_configs_is_cached_and_releases_of_helm_are_not_even_that(connection: Connection, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": namespace}, "stringData": {"a": "b"}}
    release = {**secret, "metadata": {"name": "sh.helm.release.v1.web.v1", "namespace": namespace}, "type": "helm.sh/release.v1"}
    with watching(connection_of(connection)) as (other, _):
        for doc in (release, secret, config_map(namespace, a="1")):
            other.apply(doc)
    with watching(connection, CONFIG_MAP, ("v1", "Secret")) as (cluster, _):
        assert [one["metadata"]["name"] for one in cluster.list("v1", "Secret", namespace)] == ["token"]
        for kind, name in (("ConfigMap", "settings"), ("Secret", "token")):
            cached = cluster.get(Ref("v1", kind, namespace, name))
            assert cached is not None
            assert (cached["apiVersion"], cached["kind"]) == ("v1", kind)
            assert "data" not in cached
            live = cluster.live(Ref("v1", kind, namespace, name))
            assert live is not None
            assert live["data"]


@pytest.mark.parametrize(
    ("api_version", "kind", "namespaced"), [(*DEPLOYMENT, True), (*NAMESPACE, False), ("example.com/v1", "Nothing", None)]
)
def test_it_says_which_kinds_the_server_serves(connection: Connection, api_version: str, kind: str, namespaced: bool | None) -> None:
    with watching(connection) as (cluster, _):
        assert cluster.serves(api_version, kind) is namespaced
        if namespaced is None:
            assert cluster.live(Ref(api_version, kind, "default", "x")) is None
            assert cluster.list(api_version, kind) == []
            with pytest.raises(UserError, match=r"cannot use Nothing of example\.com/v1"):
                cluster.apply({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "default"}})


def test_a_kind_that_is_installed_later_is_watched_then(connection: Connection, namespace: str) -> None:
    group = f"{namespace}.example.com"
    with watching(connection) as (cluster, _):
        cluster.observe([(f"{group}/v1", "Widget")])
        cluster.apply(definition(group))
        assert cluster.start() == []
        assert cluster.serves(f"{group}/v1", "Widget") is True


def test_an_apply_owns_its_fields_and_gives_up_what_it_no_longer_says(connection: Connection, namespace: str) -> None:
    with watching(connection, CONFIG_MAP) as (cluster, _):
        cluster.apply(config_map(namespace, a="1", b="2"))
        answer = cluster.apply(config_map(namespace, a="1"))
        assert answer["data"] == {"a": "1"}
        assert {one["manager"] for one in answer["metadata"]["managedFields"]} == {"gitops-canary"}


def test_an_apply_takes_a_field_over_only_when_forced(connection: Connection, namespace: str) -> None:
    with watching(connection) as (cluster, _):
        cluster.apply(config_map(namespace, a="1"), manager="somebody")
        with pytest.raises(Conflict, match="somebody"):
            cluster.apply(config_map(namespace, a="2"), force=False)
        assert cluster.apply(config_map(namespace, a="2"))["data"] == {"a": "2"}


def test_a_dry_run_answers_and_changes_nothing(connection: Connection, namespace: str) -> None:
    with watching(connection, CONFIG_MAP) as (cluster, _):
        assert cluster.apply(config_map(namespace, a="1"), dry_run=True)["data"] == {"a": "1"}
        assert cluster.get(Ref("v1", "ConfigMap", namespace, "settings")) is None
        assert cluster.live(Ref("v1", "ConfigMap", namespace, "settings")) is None


def test_a_create_touches_nothing_that_is_there(connection: Connection, namespace: str) -> None:
    with watching(connection) as (cluster, _):
        cluster.apply(config_map(namespace, a="1"), create_only=True)
        with pytest.raises(Conflict, match="already exists"):
            cluster.apply(config_map(namespace, a="2"), create_only=True)


def test_a_stale_version_is_a_conflict_for_every_write(connection: Connection, namespace: str) -> None:
    made = deployment(namespace)
    with watching(connection) as (cluster, _):
        stale = cluster.apply(made)["metadata"]["resourceVersion"]
        cluster.patch(ref(made), {"metadata": {"labels": {"new": "1"}}})
        made["metadata"]["resourceVersion"] = stale
        made["spec"]["replicas"] = 7
        for write in (
            lambda: cluster.apply(made),
            lambda: cluster.patch(ref(made), {"spec": {"paused": True}}, resource_version=stale),
            lambda: cluster.scale(ref(made), 4, resource_version=stale),
            lambda: cluster.delete(ref(made), resource_version=stale),
            lambda: cluster.delete(ref(made), uid="00000000-0000-0000-0000-000000000000"),
        ):
            with pytest.raises(Conflict):
                write()


def test_a_version_the_cache_knows_as_stale_is_refused_before_it_is_sent(connection: Connection, namespace: str) -> None:
    made = deployment(namespace)
    with watching(connection, DEPLOYMENT) as (cluster, _):
        stale = cluster.apply(made)["metadata"]["resourceVersion"]
        cluster.patch(ref(made), {"metadata": {"labels": {"new": "1"}}})
        with pytest.raises(Conflict, match=f"has changed since version {stale}"):
            cluster.patch(ref(made), {"spec": {"paused": True}}, resource_version=stale)


def test_a_scale_goes_through_the_subresource_and_leaves_the_fields_to_their_owner(connection: Connection, namespace: str) -> None:
    made = deployment(namespace, replicas=2)
    with watching(connection, DEPLOYMENT) as (cluster, changes):
        answer = cluster.apply(made, manager="helm")
        observing_again(changes, lambda: cluster.scale(ref(made), 0))
        cached = cluster.get(ref(made))
        assert cached is not None
        assert (cached["spec"]["replicas"], cached["metadata"]["generation"]) == (0, answer["metadata"]["generation"] + 1)
        live = cluster.live(ref(made))
        assert live is not None
        assert live["spec"]["replicas"] == 0
        # Helm's next apply sets its own value again without a conflict: the scale took the field over through the subresource only.
        assert cluster.apply(made, manager="helm", force=False)["spec"]["replicas"] == 2


def test_a_status_is_written_apart_from_the_spec(connection: Connection, namespace: str, widgets: tuple[str, str]) -> None:
    with watching(connection, widgets) as (cluster, _):
        made = cluster.apply(widget(widgets, namespace, status={"phase": "ignored"}))
        assert "status" not in made
        name = ref(made)
        written = cluster.patch(name, {"status": {"phase": "Progressing", "weight": 5}, "spec": {"size": 9}}, subresource="status")
        assert written["status"] == {"phase": "Progressing", "weight": 5}
        assert (written["spec"], written["metadata"]["generation"]) == ({"size": 1}, 1)
        gone = cluster.patch(
            name, {"status": {"weight": None}}, subresource="status", resource_version=written["metadata"]["resourceVersion"]
        )
        assert gone["status"] == {"phase": "Progressing"}
        assert cluster.get(name) == {**gone, "metadata": {k: v for k, v in gone["metadata"].items() if k != "managedFields"}}


def test_a_schema_is_the_servers_to_check_and_its_sentence_ours_to_pass_on(
    connection: Connection, namespace: str, widgets: tuple[str, str]
) -> None:
    with watching(connection) as (cluster, _):
        with pytest.raises(UserError, match=r"cannot apply Widget t-\w+/w: .*spec.size.*greater than or equal to 1"):
            cluster.apply(widget(widgets, namespace, spec={"size": 0}))
        broken = deployment(namespace)
        broken["spec"]["surprise"] = 1
        with pytest.raises(UserError, match=r"cannot apply Deployment .*surprise"):
            cluster.apply(broken)


def test_writing_what_is_not_there_asks_to_observe_again(connection: Connection, namespace: str) -> None:
    absent = ref(deployment(namespace, "absent"))
    with watching(connection) as (cluster, _):
        with pytest.raises(Conflict, match="not found"):
            cluster.patch(absent, {"spec": {"paused": True}})
        with pytest.raises(Conflict, match="not found"):
            cluster.scale(absent, 1)
        cluster.delete(absent)
        cluster.delete(Ref("example.com/v1", "Nothing", namespace, "absent"))


def test_a_finalizer_keeps_a_deleted_object_readable(connection: Connection, namespace: str) -> None:
    made = config_map(namespace)
    made["metadata"]["finalizers"] = ["gitops-canary/result"]
    with watching(connection, CONFIG_MAP) as (cluster, changes):
        answer = cluster.apply(made)
        cluster.delete(ref(made), uid=answer["metadata"]["uid"])
        kept = cluster.get(ref(made))
        assert kept is not None
        assert kept["metadata"]["deletionTimestamp"]
        cluster.patch(ref(made), {"metadata": {"finalizers": None}})
        changes.until(lambda: cluster.get(ref(made)) is None)


def test_a_sentence_is_told_once_whatever_is_replayed(connection: Connection, namespace: str) -> None:
    made = deployment(namespace)
    with watching(connection) as (cluster, _):
        about = cluster.apply(made)
        cluster.tell(about, Sentence("Advance web.test canary weight 5"), key="run-1/3", now=NOW)
        cluster.tell(about, Sentence("Halt advancement", warning=True), key="run-1/4", now=NOW)
        with watching(connection_of(connection)) as (after_a_restart, _):
            after_a_restart.tell(about, Sentence("Advance web.test canary weight 5"), key="run-1/3", now=NOW)
        events = cluster.list("v1", "Event", namespace)
    ours = sorted((one for one in events if one["source"]["component"] == "gitops-canary"), key=lambda one: one["type"])
    assert [(one["type"], one["reason"], one["message"]) for one in ours] == [
        ("Normal", "Synced", "Advance web.test canary weight 5"),
        ("Warning", "Synced", "Halt advancement"),
    ]
    assert ours[0]["involvedObject"]["uid"] == about["metadata"]["uid"]
    assert ours[0]["firstTimestamp"] == "2026-01-02T03:04:05Z"


def test_o3_no_write_starts_without_the_lease_but_reads_do(connection: Connection, namespace: str) -> None:
    def not_ours() -> None:
        raise NotLeader("cannot act")

    made = deployment(namespace)
    with watching(connection, guard=not_ours) as (cluster, _):
        for write in (
            lambda: cluster.apply(made),
            lambda: cluster.patch(ref(made), {}),
            lambda: cluster.scale(ref(made), 1),
            lambda: cluster.delete(ref(made)),
            lambda: cluster.tell({**made, "metadata": {**made["metadata"], "uid": "u"}}, Sentence("x"), key="k", now=NOW),
        ):
            with pytest.raises(NotLeader):
                write()
        assert cluster.get(ref(made)) is None


def test_a_namespace_that_is_going_away_is_waited_for(connection: Connection, namespace: str) -> None:
    kept = config_map(namespace)
    kept["metadata"]["finalizers"] = ["gitops-canary/result"]
    with watching(connection) as (cluster, _):
        cluster.apply(kept)
        cluster.delete(Ref("v1", "Namespace", "", namespace))
        with pytest.raises(Unavailable, match="being terminated"):
            cluster.apply(config_map(namespace, "another"))
        cluster.patch(ref(kept), {"metadata": {"finalizers": None}})
