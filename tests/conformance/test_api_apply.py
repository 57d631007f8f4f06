"""Server-side apply: who owns what, conflicts that name manager and field, force, removal, keyed lists."""

from typing import Any

import pytest

from tests.conformance.client import APPLY, MERGE, STRATEGIC, Answer, Api, Doc
from tests.conformance.objects import WIDGETS, config_map, container, deployment, pod, service, widget


def owners(doc: Doc) -> dict[str, Any]:
    """Each manager's fields; the marks of maps themselves left out."""
    return {entry["manager"]: _plain(entry["fieldsV1"]) for entry in doc["metadata"].get("managedFields", [])}


def _plain(fields: Doc) -> Doc:
    return {key: _plain(inner) for key, inner in fields.items() if key != "."}


def _containers(*ones: Doc) -> Doc:
    spec = {"template": {"spec": {"containers": list(ones)}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_apply_creates_and_owns_what_it_says(api: Api) -> None:
    made = api.apply("configmaps", config_map(a="1"), "helm")
    assert made.code == 201, made.body
    assert owners(made.body) == {"helm": {"f:data": {"f:a": {}}}}
    assert made.meta["managedFields"][0]["operation"] == "Apply"
    assert api.apply("configmaps", config_map(a="1"), "helm").code == 200


def test_an_apply_that_changes_nothing_keeps_the_version(api: Api) -> None:
    for plural, doc in (("deployments", deployment(replicas=0)), ("services", service()), (WIDGETS, widget())):
        made: Answered | Answer = api.apply(plural, doc)
        if plural == "deployments":
            made = Answered(api.until(plural, "web", lambda now: now["status"].get("observedGeneration") == 1))
        again = api.apply(plural, doc)
        assert again.code == 200
        assert again.meta["generation"] == made.meta["generation"] if plural != "services" else True
        assert again.meta["managedFields"][0] == made.meta["managedFields"][0]


class Answered:
    def __init__(self, body: Doc) -> None:
        self.body, self.meta = body, body["metadata"]


CONFLICTS = {
    "an applier is named": ("a", ' with "a": .data.x'),
    "a writer is named with its version": ("", ' with "conformance" using v1: .data.x'),
}


@pytest.mark.parametrize(("first", "told"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_conflict_names_manager_and_field(api: Api, first: str, told: str) -> None:
    if first:
        api.apply("configmaps", config_map(x="1"), first)
    else:
        api.create("configmaps", config_map(x="1"))
    refused = api.apply("configmaps", config_map(x="2"), "b")
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    assert refused.message == f"Apply failed with 1 conflict: conflict{told}"
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": f"conflict{told.rpartition(':')[0]}", "field": ".data.x"}
    ]


def test_several_conflicts_are_told_by_manager(api: Api) -> None:
    api.apply("configmaps", config_map(x="1", y="1"), "a")
    refused = api.apply("configmaps", config_map(x="2", y="2"), "b")
    assert refused.message == 'Apply failed with 2 conflicts: conflicts with "a":\n- .data.x\n- .data.y'


def test_force_takes_the_field_over(api: Api) -> None:
    api.apply("configmaps", config_map(x="1", y="1"), "a")
    forced = api.apply("configmaps", config_map(x="2"), "b", force="true")
    assert (forced.code, forced.body["data"]) == (200, {"x": "2", "y": "1"})
    assert owners(forced.body) == {"a": {"f:data": {"f:y": {}}}, "b": {"f:data": {"f:x": {}}}}


def test_a_map_stays_its_writer_s_when_all_in_it_was_taken(api: Api) -> None:
    """The plain writer brought `data` itself, not only what is in it."""
    api.create("configmaps", config_map(x="1"), fieldManager="human")
    forced = api.apply("configmaps", config_map(x="2"), "b", force="true")
    assert owners(forced.body) == {"human": {"f:data": {}}, "b": {"f:data": {"f:x": {}}}}


def test_a_map_that_the_schema_does_not_name_stays_its_applier_s_when_all_in_it_was_taken(api: Api) -> None:
    api.apply(WIDGETS, widget(size=1, free={"image": {"tag": "1"}}), "helm")
    patched = api.patch(WIDGETS, "one", {"spec": {"free": {"image": {"tag": "2"}}}}, MERGE, fieldManager="human")
    free: Doc = {"f:free": {"f:image": {"f:tag": {}}}}
    assert owners(patched.body) == {"helm": {"f:spec": {"f:size": {}, "f:free": {"f:image": {}}}}, "human": {"f:spec": free}}
    refused = api.apply(WIDGETS, widget(size=1, free={"image": {"tag": "3"}}), "helm")
    assert refused.message == (
        'Apply failed with 1 conflict: conflict with "human" using conformance.gitops-canary.dev/v1: .spec.free.image.tag'
    )


def test_a_map_that_the_schema_does_not_name_stays_its_writer_s_when_all_in_it_was_forced(api: Api) -> None:
    api.create(WIDGETS, widget(size=1, free={"image": {"tag": "1"}}), fieldManager="human")
    forced = api.apply(WIDGETS, widget(size=1, free={"image": {"tag": "2"}}), "helm", force="true")
    fields: Doc = {"f:size": {}, "f:free": {"f:image": {"f:tag": {}}}}
    kept: Doc = {"f:size": {}, "f:color": {}, "f:free": {"f:image": {}}}
    assert owners(forced.body) == {"helm": {"f:spec": fields}, "human": {"f:spec": kept}}


@pytest.mark.parametrize("plural", ["pods", WIDGETS], ids=["built-in", "custom"])
def test_a_status_stays_its_writer_s_when_others_write_the_object(api: Api, plural: str) -> None:
    made = api.create(plural, pod() if plural == "pods" else widget(), fieldManager="human").body
    api.patch(plural, "one", {"status": {"phase": "Running"}}, MERGE, "status", fieldManager="controller")
    for labels in ({}, {"l": "1"}):
        patched = api.patch(plural, "one", {"metadata": {"labels": labels}}, MERGE, fieldManager="human")
        kept = [entry for entry in patched.meta["managedFields"] if entry["manager"] == "controller"]
        assert [(entry["subresource"], list(entry["fieldsV1"])) for entry in kept] == [("status", ["f:status"])]
    assert patched.meta["uid"] == made["metadata"]["uid"]


def test_equal_values_are_owned_together(api: Api) -> None:
    api.apply("configmaps", config_map(x="1"), "a")
    both = api.apply("configmaps", config_map(x="1"), "b")
    assert owners(both.body) == {"a": {"f:data": {"f:x": {}}}, "b": {"f:data": {"f:x": {}}}}
    left = api.apply("configmaps", config_map(z="1"), "a")
    assert left.body["data"] == {"x": "1", "z": "1"}


def test_what_an_applier_leaves_out_goes(api: Api) -> None:
    api.apply("configmaps", config_map(x="1", y="1"), "a")
    assert api.apply("configmaps", config_map(x="1"), "a").body["data"] == {"x": "1"}


def test_what_others_wrote_stays(api: Api) -> None:
    api.apply("configmaps", config_map(x="1"), "a")
    api.patch("configmaps", "one", {"data": {"other": "1"}, "metadata": {"labels": {"l": "1"}}})
    applied = api.apply("configmaps", config_map(x="2"), "a")
    assert applied.body["data"] == {"x": "2", "other": "1"}
    assert applied.meta["labels"] == {"l": "1"}


def test_a_plain_write_takes_the_field_and_the_next_apply_conflicts(api: Api) -> None:
    api.apply("configmaps", config_map(x="1", y="1"), "a")
    written = api.patch("configmaps", "one", {"data": {"x": "9"}}, fieldManager="human")
    assert owners(written.body) == {"a": {"f:data": {"f:y": {}}}, "human": {"f:data": {"f:x": {}}}}
    assert api.apply("configmaps", config_map(x="1", y="1"), "a").message.endswith('conflict with "human" using v1: .data.x')


def test_containers_are_owned_one_by_one(api: Api) -> None:
    api.apply("deployments", deployment("web", 0, container("a"), container("b")), "a")
    more = api.apply("deployments", _containers(container("c")), "b")
    assert more.code == 200, more.body
    assert [one["name"] for one in more.body["spec"]["template"]["spec"]["containers"]] == ["a", "b", "c"]
    less = api.apply("deployments", deployment("web", 0, container("b")), "a")
    assert [one["name"] for one in less.body["spec"]["template"]["spec"]["containers"]] == ["b", "c"]


INSIDE: dict[str, Doc] = {
    "a field was changed": {"name": "b", "image": "app:2"},
    "a field was added": {"name": "b", "workingDir": "/"},
    "an item was added": {"name": "b", "env": [{"name": "X", "value": "1"}]},
}


@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE)
def test_an_item_that_its_applier_leaves_out_goes_with_what_a_plain_writer_changed_in_it(api: Api, inside: Doc) -> None:
    api.apply("deployments", deployment("web", 0, container("a"), container("b")), "a")
    written = api.patch("deployments", "web", {"spec": {"template": {"spec": {"containers": [inside]}}}}, STRATEGIC)
    assert written.code == 200, written.body
    less = api.apply("deployments", deployment("web", 0, container("a")), "a")
    assert [one["name"] for one in less.body["spec"]["template"]["spec"]["containers"]] == ["a"]
    assert "conformance" not in owners(less.body)


def test_a_conflict_in_a_container_is_named_by_key(api: Api) -> None:
    api.apply("deployments", deployment("web", 0, container("a")), "a")
    refused = api.apply("deployments", _containers(container("a", "other:1")), "b")
    assert refused.message == 'Apply failed with 1 conflict: conflict with "a": .spec.template.spec.containers[name="a"].image'


def test_environment_and_ports_are_owned_by_their_keys(api: Api) -> None:
    api.apply("deployments", deployment("web", 0, container("a", env=[{"name": "X", "value": "1"}], ports=[{"containerPort": 80}])), "a")
    both = api.apply("deployments", _containers({"name": "a", "env": [{"name": "Y", "value": "2"}], "ports": [{"containerPort": 81}]}), "b")
    assert both.code == 200, both.body
    one = both.body["spec"]["template"]["spec"]["containers"][0]
    assert [entry["name"] for entry in one["env"]] == ["X", "Y"]
    assert [entry["containerPort"] for entry in one["ports"]] == [80, 81]
    less = api.apply("deployments", deployment("web", 0, container("a")), "a")
    one = less.body["spec"]["template"]["spec"]["containers"][0]
    assert [entry["name"] for entry in one["env"]] == ["Y"]
    assert [entry["containerPort"] for entry in one["ports"]] == [81]


def test_service_ports_are_owned_by_port_and_protocol(api: Api) -> None:
    api.apply("services", service(), "a")
    port = {"metadata": {"name": "web"}, "apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"name": "admin", "port": 81}]}}
    both = api.apply("services", port, "b")
    assert both.code == 200, both.body
    assert [(one["name"], one["port"]) for one in both.body["spec"]["ports"]] == [("http", 80), ("admin", 81)]


def test_lists_of_a_custom_kind_are_merged_as_its_schema_says(api: Api) -> None:
    api.apply(WIDGETS, widget(size=1, ports=[{"name": "a", "port": 1}], tags=["x"], steps=[1]), "a")
    both = api.apply(WIDGETS, widget(size=1, ports=[{"name": "b"}], tags=["y"]), "b")
    assert both.code == 200, both.body
    assert [one["name"] for one in both.body["spec"]["ports"]] == ["a", "b"]
    assert both.body["spec"]["tags"] == ["x", "y"]
    refused = api.apply(WIDGETS, widget(size=1, steps=[2]), "b")
    assert refused.message.endswith('conflict with "a": .spec.steps')


def test_a_scale_takes_the_replicas_over(api: Api) -> None:
    api.apply("deployments", deployment("web", 2), "helm")
    api.patch("deployments", "web", {"spec": {"replicas": 5}}, sub="scale", fieldManager="scaler")
    refused = api.apply("deployments", deployment("web", 2), "helm")
    assert refused.message.endswith('conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas')
    without = api.apply("deployments", deployment("web", None), "helm")
    assert (without.code, without.body["spec"]["replicas"]) == (200, 5)


def test_a_scale_to_zero_is_owned_by_nobody(api: Api) -> None:
    api.apply("deployments", deployment("web", 2), "helm")
    api.patch("deployments", "web", {"spec": {"replicas": 0}}, sub="scale", fieldManager="scaler")
    assert api.apply("deployments", deployment("web", 2), "helm").body["spec"]["replicas"] == 2


def test_leaving_out_a_field_of_one_s_own_resets_it_to_the_default(api: Api) -> None:
    api.apply("deployments", deployment("web", 5), "helm")
    assert api.apply("deployments", deployment("web", None), "helm").body["spec"]["replicas"] == 1


def test_the_status_is_applied_through_its_subresource(api: Api) -> None:
    api.apply(WIDGETS, widget(), "a")
    told = api.apply(WIDGETS, {**widget(), "spec": None, "status": {"phase": "Up"}}, "operator", "status")
    assert told.code == 200, told.body
    assert told.body["status"] == {"phase": "Up"}
    assert told.body["spec"]["size"] == 1
    entry = next(one for one in told.meta["managedFields"] if one["manager"] == "operator")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})


def _meta(**meta: Any) -> Doc:
    return {**config_map(), "metadata": {"name": "one", **meta}}


REFUSED: dict[str, tuple[Any, dict[str, str], int, str]] = {
    "no manager": (config_map(), {}, 422, "fieldManager: Required value: is required for apply patch"),
    "managed fields": (_meta(managedFields=[{}]), {"fieldManager": "a"}, 400, "managedFields must be nil"),
    "another name": (config_map("two"), {"fieldManager": "a"}, 400, "(two) does not match the name on the URL (one)"),
    "no YAML": (b"{", {"fieldManager": "a"}, 400, "error decoding YAML"),
    "an unknown field": (config_map() | {"odd": 1}, {"fieldManager": "a"}, 500, ".odd: field not declared in schema"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "query", "code", "told"), REFUSED.values(), ids=REFUSED)
def test_an_odd_apply_is_refused(api: Api, body: Any, query: dict[str, Any], code: int, told: str) -> None:
    refused = api.request("PATCH", api.path("configmaps", "one"), body, APPLY, **query)
    assert refused.code == code, refused.body
    assert told in refused.message
    assert api.get("configmaps", "one").code == 404


def test_yaml_is_taken_as_well(api: Api) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: '1'}\n"
    assert api.request("PATCH", api.path("configmaps", "one"), text, APPLY, fieldManager="a").body["data"] == {"a": "1"}


def test_finalizers_are_a_set_each_owned_apart(api: Api) -> None:
    for manager in "ab":
        doc = {**config_map(), "metadata": {"name": "one", "finalizers": [f"example.com/{manager}"]}}
        made = api.apply("configmaps", doc, manager)
    assert made.meta["finalizers"] == ["example.com/a", "example.com/b"]
    left = api.apply("configmaps", config_map(), "a")
    assert left.meta["finalizers"] == ["example.com/b"]
    api.patch("configmaps", "one", {"metadata": {"finalizers": None}}, MERGE)
