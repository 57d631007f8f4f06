"""Verbs, subresources, generation, versions and conflicts: the same on every server."""

import re
from typing import Any

import pytest

from tests.conformance.client import JSON_PATCH, MERGE, PARTIAL, STRATEGIC, TABLE, Api
from tests.conformance.objects import WIDGETS, config_map, container, deployment, job, pod, service, widget

KINDS = {
    "configmaps": config_map(),
    "secrets": {"metadata": {"name": "one"}, "stringData": {"a": "b"}},
    "services": service("one"),
    "serviceaccounts": {"metadata": {"name": "one"}},
    "pods": pod(),
    "deployments": deployment("one", 0),
    "jobs": job("one", suspend=True),
    "leases": {"metadata": {"name": "one"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
    "roles": {"metadata": {"name": "one"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    WIDGETS: widget(),
}
WITH_GENERATION = {"deployments", "pods", "jobs", WIDGETS}


@pytest.mark.parametrize("plural", KINDS, ids=lambda name: name.split(".")[0])
def test_an_object_is_created_read_replaced_listed_and_deleted(api: Api, plural: str) -> None:
    made = api.create(plural, KINDS[plural])
    assert made.code == 201, made.body
    assert re.fullmatch(r"[0-9a-f-]{36}", made.meta["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.meta["creationTimestamp"])
    assert made.meta.get("generation") == (1 if plural in WITH_GENERATION else None)
    read = api.get(plural, "one")
    assert read.code == 200
    assert read.meta["uid"] == made.meta["uid"]
    changed = {**read.body, "metadata": {**read.meta, "labels": {"new": "label"}}}
    put = api.put(plural, changed)
    while put.code == 409:  # a real server's controllers write too
        changed["metadata"]["resourceVersion"] = api.get(plural, "one").meta["resourceVersion"]
        put = api.put(plural, changed)
    assert put.code == 200, put.body
    assert put.meta["labels"] == {"new": "label"} | put.meta["labels"]
    assert int(put.meta["resourceVersion"]) > int(made.meta["resourceVersion"])
    assert "one" in api.list(plural).names
    gone = api.delete(plural, "one", {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    assert gone.code == 200
    api.until_gone(plural, "one")
    again = api.get(plural, "one")
    assert (again.code, again.body["reason"], again.body["kind"]) == (404, "NotFound", "Status")


def test_a_second_create_of_one_name_is_already_there(api: Api) -> None:
    api.create("configmaps", config_map())
    again = api.create("configmaps", config_map())
    assert (again.code, again.body["reason"]) == (409, "AlreadyExists")
    assert again.message == 'configmaps "one" already exists'


def test_what_is_wrong_is_told_before_the_name_is_taken(api: Api) -> None:
    api.create(WIDGETS, widget())
    again = api.create(WIDGETS, widget(size="x"))
    assert (again.code, again.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(("plural", "code"), [("leases", 422), (WIDGETS, 422), ("configmaps", 200)], ids=["lease", "custom", "config"])
def test_a_put_without_a_version_is_refused_where_it_must_say_one(api: Api, plural: str, code: int) -> None:
    api.create(plural, KINDS[plural])
    put = api.put(plural, KINDS[plural])
    assert put.code == code, put.body
    if code == 422:
        assert "metadata.resourceVersion: Invalid value: 0" in put.message
        assert put.message.endswith("must be specified for an update")


def test_replacing_what_is_not_there_is_refused(api: Api) -> None:
    assert api.put("configmaps", config_map()).code == 404


def test_a_stale_version_is_a_conflict(api: Api) -> None:
    made = api.create("configmaps", config_map())
    api.patch("configmaps", "one", {"data": {"a": "2"}})
    stale = api.put("configmaps", {**made.body, "data": {"a": "3"}})
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in stale.message


@pytest.mark.parametrize("content", [MERGE, STRATEGIC], ids=["merge", "strategic"])
def test_a_patch_with_a_stale_version_is_a_conflict(api: Api, content: str) -> None:
    made = api.create("configmaps", config_map())
    api.patch("configmaps", "one", {"data": {"a": "2"}})
    patch = {"metadata": {"resourceVersion": made.meta["resourceVersion"]}, "data": {"a": "3"}}
    assert api.patch("configmaps", "one", patch, content).code == 409


def test_a_write_that_changes_nothing_keeps_the_version(api: Api) -> None:
    made = api.create("configmaps", config_map())
    same = api.patch("configmaps", "one", {"data": {"a": "1"}})
    assert same.meta["resourceVersion"] == made.meta["resourceVersion"]


def test_generate_name_makes_a_name(api: Api) -> None:
    body = {"metadata": {"generateName": "part-"}, "data": {}}
    one, two = api.create("configmaps", body), api.create("configmaps", body)
    assert re.fullmatch(r"part-[a-z0-9]{5}", one.meta["name"])
    assert one.meta["name"] != two.meta["name"]


@pytest.mark.parametrize("verb", ["create", "replace", "patch", "apply", "delete"])
def test_a_dry_run_changes_nothing(api: Api, verb: str) -> None:
    if verb != "create":
        api.create("configmaps", config_map())
    answers: dict[str, Any] = {
        "create": lambda: api.create("configmaps", config_map(), dryRun="All"),
        "replace": lambda: api.put("configmaps", config_map(a="2"), dryRun="All"),
        "patch": lambda: api.patch("configmaps", "one", {"data": {"a": "2"}}, dryRun="All"),
        "apply": lambda: api.apply("configmaps", config_map(b="2"), dryRun="All"),
        "delete": lambda: api.delete("configmaps", "one", dryRun="All"),
    }
    assert answers[verb]().code in (200, 201)
    found = api.get("configmaps", "one")
    assert found.code == 404 if verb == "create" else found.body["data"] == {"a": "1"}


def test_a_spec_change_counts_as_a_generation_and_a_label_does_not(api: Api) -> None:
    api.create(WIDGETS, widget())
    labelled = api.patch(WIDGETS, "one", {"metadata": {"labels": {"a": "b"}}})
    assert labelled.meta["generation"] == 1
    assert api.patch(WIDGETS, "one", {"spec": {"size": 2}}).meta["generation"] == 2


@pytest.mark.parametrize("plural", ["deployments", WIDGETS], ids=["built-in", "custom"])
def test_the_status_is_written_through_its_subresource_alone(api: Api, plural: str) -> None:
    body = {**KINDS[plural], "status": {"replicas": 7} if plural == "deployments" else {"size": 7}}
    body["metadata"] = {"name": "one"}
    name = "replicas" if plural == "deployments" else "size"
    made = api.create(plural, body)
    assert made.code == 201
    assert made.body.get("status", {}).get(name) is None
    assert api.patch(plural, "one", {"status": {name: 7}}).body.get("status", {}).get(name) is None
    before = api.get(plural, "one")
    told = api.patch(
        plural, "one", {"status": {"phase": "Odd"}, "spec": {"size": 9}} if plural == WIDGETS else {"status": {"replicas": 0}}, sub="status"
    )
    assert told.code == 200
    assert told.body["spec"] == before.body["spec"]
    assert told.meta["generation"] == before.meta["generation"]
    assert plural != WIDGETS or told.body["status"] == {"phase": "Odd"}
    assert api.get(plural, "one", "status").body["spec"] == before.body["spec"]


@pytest.mark.parametrize("plural", ["deployments", WIDGETS], ids=["built-in", "custom"])
def test_scale_reads_and_writes_the_replicas_alone(api: Api, plural: str) -> None:
    api.create(plural, KINDS[plural])
    scale = api.get(plural, "one", "scale")
    assert scale.body["kind"] == "Scale"
    assert scale.body["apiVersion"] == "autoscaling/v1"
    assert scale.meta["name"] == "one"
    patched = api.patch(plural, "one", {"spec": {"replicas": 3}}, sub="scale")
    assert (patched.code, patched.body["spec"]) == (200, {"replicas": 3})
    put = api.put(plural, {"metadata": {"name": "one"}, "spec": {"replicas": 4}}, "scale")
    assert (put.code, put.body["spec"]) == (200, {"replicas": 4})
    spec = api.get(plural, "one").body["spec"]
    assert spec["size" if plural == WIDGETS else "replicas"] == 4


def test_scale_shows_the_whole_selector(api: Api) -> None:
    doc = deployment("one", 0)
    labels = {"app": "web", "tier": "a", "zone": "b"}
    expressions = [
        {"key": "zone", "operator": "Exists"},
        {"key": "tier", "operator": "In", "values": ["b", "a"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "app", "operator": "NotIn", "values": ["x"]},
    ]
    doc["spec"]["selector"] = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    doc["spec"]["template"]["metadata"]["labels"] = labels
    assert api.create("deployments", doc).code == 201
    assert api.get("deployments", "one", "scale").body["status"]["selector"] == "app=web,app notin (x),!old,tier in (a,b),zone"


def test_a_negative_scale_is_invalid(api: Api) -> None:
    api.create("deployments", deployment("one", 0))
    assert api.patch("deployments", "one", {"spec": {"replicas": -1}}, sub="scale").code == 422


@pytest.mark.parametrize("which", ["uid", "resourceVersion"])
def test_a_deletion_with_a_precondition_that_does_not_hold_is_a_conflict(api: Api, which: str) -> None:
    made = api.create("configmaps", config_map())
    wrong = api.delete("configmaps", "one", {"preconditions": {which: "11111111-1111-1111-1111-111111111111" if which == "uid" else "1"}})
    assert (wrong.code, wrong.body["reason"]) == (409, "Conflict")
    right = api.delete("configmaps", "one", {"preconditions": {which: made.meta[which]}})
    assert right.code == 200


def test_a_deletion_is_told_as_a_success_with_the_uid(api: Api) -> None:
    made = api.create("configmaps", config_map())
    gone = api.delete("configmaps", "one")
    assert (gone.body["kind"], gone.body["status"]) == ("Status", "Success")
    assert gone.body["details"] == {"name": "one", "kind": "configmaps", "uid": made.meta["uid"]}


def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name in ("a", "b"):
        api.create("configmaps", config_map(name, {"which": name}))
    gone = api.request("DELETE", api.path("configmaps"), labelSelector="which=a")
    assert gone.code == 200
    assert "a" not in api.list("configmaps").names
    assert "b" in api.list("configmaps").names


def test_secret_texts_become_data(api: Api) -> None:
    made = api.create("secrets", {"metadata": {"name": "one"}, "stringData": {"a": "b"}})
    assert made.body["data"] == {"a": "Yg=="}
    assert made.body["type"] == "Opaque"
    assert "stringData" not in made.body


def test_a_table_has_columns_and_cells(api: Api) -> None:
    api.create("configmaps", config_map())
    table = api.get("configmaps", "one", accept=TABLE).body
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["one", 1]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_a_custom_kind_prints_its_own_columns(api: Api) -> None:
    api.create(WIDGETS, widget())
    table = api.list(WIDGETS, accept=TABLE).body
    assert [(column["name"], column["priority"]) for column in table["columnDefinitions"]] == [
        ("Name", 0), ("Size", 0), ("Phase", 0), ("Color", 1), ("Age", 0),
    ]  # fmt: skip
    assert table["rows"][0]["cells"][:4] == ["one", 1, None, "red"]


COLUMNS = {
    "pods": ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"],
    "deployments": ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"],
    "replicasets": ["Name", "Desired", "Current", "Ready", "Age", "Containers", "Images", "Selector"],
    "services": ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"],
    "secrets": ["Name", "Type", "Data", "Age"],
    "jobs": ["Name", "Status", "Completions", "Duration", "Age", "Containers", "Images", "Selector"],
    "horizontalpodautoscalers": ["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"],
    "events": ["Last Seen", "Type", "Reason", "Object", "Subobject", "Source", "Message", "First Seen", "Count", "Name"],
    "leases": ["Name", "Holder", "Age"],
    "namespaces": ["Name", "Status", "Age"],
}


@pytest.mark.parametrize("plural", COLUMNS)
def test_a_table_has_the_columns_that_users_know(api: Api, plural: str) -> None:
    path = api.path(plural, ns="" if plural == "namespaces" else None)
    table = api.request("GET", path, accept=TABLE).body
    assert [column["name"] for column in table["columnDefinitions"]] == COLUMNS[plural]


def test_metadata_alone_can_be_asked_for(api: Api) -> None:
    api.create("deployments", deployment("one", 0, container()))
    partial = api.get("deployments", "one", accept=PARTIAL).body
    assert (partial["kind"], partial["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert set(partial) == {"kind", "apiVersion", "metadata"}


def test_a_json_patch_on_a_subresource_leaves_the_rest(api: Api) -> None:
    api.create(WIDGETS, widget())
    told = api.patch(WIDGETS, "one", [{"op": "add", "path": "/status", "value": {"phase": "Up"}}], JSON_PATCH, "status")
    assert told.body["status"] == {"phase": "Up"}


def test_an_immutable_config_stays_immutable_and_names_every_field(api: Api) -> None:
    first = {"metadata": {"name": "fixed"}, "data": {"a": "1"}, "immutable": True}
    assert api.create("configmaps", first).code == 201
    told = api.put("configmaps", {"metadata": {"name": "fixed"}, "data": {"a": "2"}, "binaryData": {"b": "eA=="}})
    assert told.code == 422
    assert [cause["field"] for cause in told.body["details"]["causes"]] == ["immutable", "data", "binaryData"]
    assert api.put("configmaps", {**first, "metadata": {"name": "fixed", "labels": {"still": "editable"}}}).code == 200


def test_a_quantity_that_is_none_is_refused(api: Api) -> None:
    wanted = deployment("web", 1, container(resources={"requests": {"cpu": "nonsense"}}))
    refused = api.create("deployments", wanted)
    assert (refused.code, "quantities must match the regular expression '^([+-]?[0-9.]+)(" in refused.message) == (400, True)
    wanted = deployment("web", 1, container(resources={"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {"memory": "2e9"}}))
    assert api.create("deployments", wanted).code == 201
