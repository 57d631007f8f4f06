"""The three patches, as tables: what comes of a patch, and which are refused."""

from typing import Any

import pytest

from tests.conformance.client import JSON_PATCH, MERGE, STRATEGIC, Api
from tests.conformance.objects import WIDGETS, config_map, container, deployment, service, widget

TWO = deployment("one", 0, container("a", env=[{"name": "X", "value": "1"}]), container("b"))


def _containers(*ones: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(ones)}}}}


STRATEGIC_CASES = {
    "a named container is merged": (_containers({"name": "b", "image": "new"}), [("a", "registry.example/app:1.0"), ("b", "new")]),
    "a new container comes first": (_containers({"name": "c", "image": "new"}), None),
    "a container is deleted by directive": (_containers({"name": "a", "$patch": "delete"}), [("b", "registry.example/app:1.0")]),
    "the list is replaced by directive": (_containers({"name": "z", "image": "z"}, {"$patch": "replace"}), [("z", "z")]),
}


@pytest.mark.parametrize(("patch", "wanted"), STRATEGIC_CASES.values(), ids=STRATEGIC_CASES)
def test_strategic_merge_knows_containers_by_name(api: Api, patch: Any, wanted: Any) -> None:
    api.create("deployments", TWO)
    found = api.patch("deployments", "one", patch, STRATEGIC)
    assert found.code == 200, found.body
    shown = [(one["name"], one["image"]) for one in found.body["spec"]["template"]["spec"]["containers"]]
    if wanted is None:
        wanted = [("c", "new"), ("a", "registry.example/app:1.0"), ("b", "registry.example/app:1.0")]
    assert shown == wanted


def test_strategic_merge_orders_by_the_set_element_order(api: Api) -> None:
    api.create("deployments", TWO)
    patch = {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}}}
    found = api.patch("deployments", "one", patch, STRATEGIC)
    assert [one["name"] for one in found.body["spec"]["template"]["spec"]["containers"]] == ["b", "a"]


def test_strategic_merge_merges_environment_by_name(api: Api) -> None:
    api.create("deployments", TWO)
    found = api.patch("deployments", "one", _containers({"name": "a", "env": [{"name": "Y", "value": "2"}]}), STRATEGIC)
    env = found.body["spec"]["template"]["spec"]["containers"][0]["env"]
    assert sorted((one["name"], one["value"]) for one in env) == [("X", "1"), ("Y", "2")]


def test_strategic_merge_merges_service_ports_by_port(api: Api) -> None:
    api.create("services", service("one"))
    found = api.patch("services", "one", {"spec": {"ports": [{"name": "admin", "port": 81}]}}, STRATEGIC)
    assert {(one["name"], one["port"]) for one in found.body["spec"]["ports"]} == {("http", 80), ("admin", 81)}


def test_strategic_merge_deletes_finalizers_one_by_one(api: Api) -> None:
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    api.create("configmaps", body)
    found = api.patch("configmaps", "one", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}, STRATEGIC)
    assert found.meta["finalizers"] == ["example.com/b"]
    api.patch("configmaps", "one", {"metadata": {"finalizers": None}})


def test_strategic_merge_replaces_a_map_by_directive(api: Api) -> None:
    api.create("configmaps", config_map(a="1", b="2"))
    found = api.patch("configmaps", "one", {"data": {"$patch": "replace", "c": "3"}}, STRATEGIC)
    assert found.body["data"] == {"c": "3"}


def test_strategic_merge_of_a_custom_kind_is_an_unsupported_type(api: Api) -> None:
    api.create(WIDGETS, widget())
    refused = api.patch(WIDGETS, "one", {"spec": {"size": 2}}, STRATEGIC)
    assert (refused.code, refused.body["reason"]) == (415, "UnsupportedMediaType")
    assert "accepted media types include: application/json-patch+json, application/merge-patch+json" in refused.message


MERGE_CASES = {
    "a key is added": ({"data": {"b": "2"}}, {"a": "1", "b": "2"}),
    "a key is changed": ({"data": {"a": "2"}}, {"a": "2"}),
    "null removes": ({"data": {"a": None}}, None),
    "null removes all": ({"data": None}, None),
    "null of nothing is nothing": ({"data": {"z": None}}, {"a": "1"}),
}


@pytest.mark.parametrize(("patch", "wanted"), MERGE_CASES.values(), ids=MERGE_CASES)
@pytest.mark.parametrize("content", [MERGE, STRATEGIC], ids=["merge", "strategic"])
def test_a_merge_adds_changes_and_removes(api: Api, patch: Any, wanted: Any, content: str) -> None:
    api.create("configmaps", config_map())
    found = api.patch("configmaps", "one", patch, content)
    assert found.code == 200, found.body
    assert (found.body.get("data") or None) == wanted


def test_a_merge_patch_replaces_lists_whole(api: Api) -> None:
    api.create("deployments", TWO)
    found = api.patch("deployments", "one", _containers(container("z")), MERGE)
    assert [one["name"] for one in found.body["spec"]["template"]["spec"]["containers"]] == ["z"]


JSON_CASES: dict[str, tuple[Any, int]] = {
    "add": ([{"op": "add", "path": "/data/b", "value": "2"}], 200),
    "add to a label map that is not there": ([{"op": "add", "path": "/metadata/labels/a", "value": "2"}], 422),
    "replace": ([{"op": "replace", "path": "/data/a", "value": "2"}], 200),
    "replace of a key that is not there adds it": ([{"op": "replace", "path": "/data/z", "value": "2"}], 200),
    "remove": ([{"op": "remove", "path": "/data/a"}], 200),
    "remove what is not there": ([{"op": "remove", "path": "/data/z"}], 422),
    "test that holds": ([{"op": "test", "path": "/data/a", "value": "1"}], 200),
    "test that fails": ([{"op": "test", "path": "/data/a", "value": "9"}], 422),
    "move": ([{"op": "move", "from": "/data/a", "path": "/data/b"}], 200),
    "copy": ([{"op": "copy", "from": "/data/a", "path": "/data/b"}], 200),
    "no such operation": ([{"op": "frob", "path": "/data/a"}], 422),
    "no list": ({"op": "add"}, 400),
}


@pytest.mark.parametrize(("patch", "code"), JSON_CASES.values(), ids=JSON_CASES)
def test_a_json_patch_applies_or_is_refused(api: Api, patch: Any, code: int) -> None:
    api.create("configmaps", config_map())
    found = api.patch("configmaps", "one", patch, JSON_PATCH)
    assert found.code == code, found.body


REFUSED: dict[str, tuple[Any, str, int]] = {
    "an unknown patch type": ({}, "application/odd-patch+json", 415),
    "plain JSON": ({}, "application/json", 415),
    "a list as merge patch": ([1], MERGE, 400),
    "a list as strategic patch": ([1], STRATEGIC, 400),
    "a broken body": (b"{", MERGE, 400),
    "another name": ({"metadata": {"name": "two"}}, MERGE, 400),
    "another namespace": ({"metadata": {"namespace": "default"}}, MERGE, 400),
    "a wrong type": ({"data": {"a": 1}}, MERGE, 422),
    "a wrong structure": ({"data": ["a"]}, MERGE, 422),
    "a bad label": ({"metadata": {"labels": {"a": "b c"}}}, MERGE, 422),
}


@pytest.mark.parametrize(("patch", "content", "code"), REFUSED.values(), ids=REFUSED)
def test_an_odd_patch_is_refused_and_changes_nothing(api: Api, patch: Any, content: str, code: int) -> None:
    made = api.create("configmaps", config_map())
    found = api.patch("configmaps", "one", patch, content)
    assert found.code == code, found.body
    assert found.body["kind"] == "Status"
    assert api.get("configmaps", "one").meta["resourceVersion"] == made.meta["resourceVersion"]


def test_a_patch_of_what_is_not_there_is_refused(api: Api) -> None:
    for content in (MERGE, STRATEGIC, JSON_PATCH):
        assert api.patch("configmaps", "none", {} if content != JSON_PATCH else [], content).code == 404
