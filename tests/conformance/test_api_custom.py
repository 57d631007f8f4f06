"""Custom kinds: validation, pruning, defaults, strictness, and definitions that come and go."""

import copy
from typing import Any

import pytest

from tests.conformance.client import Api, Doc
from tests.conformance.conftest import define
from tests.conformance.objects import WIDGETS, container, crd, deployment, widget

INVALID: dict[str, tuple[Doc, str, str]] = {
    "required": ({"color": "red"}, "spec.size", "FieldValueRequired"),
    "type": ({"size": "x"}, "spec.size", "FieldValueTypeInvalid"),
    "minimum": ({"size": -1}, "spec.size", "FieldValueInvalid"),
    "maximum": ({"size": 11}, "spec.size", "FieldValueInvalid"),
    "enum": ({"size": 1, "color": "blue"}, "spec.color", "FieldValueNotSupported"),
    "pattern": ({"size": 1, "code": "abc"}, "spec.code", "FieldValueInvalid"),
    "too many items": ({"size": 1, "steps": [1, 2, 3, 4]}, "spec.steps", "FieldValueTooMany"),
    "item type": ({"size": 1, "steps": ["a"]}, "spec.steps[0]", "FieldValueTypeInvalid"),
    "required in item": ({"size": 1, "ports": [{"port": 1}]}, "spec.ports[0].name", "FieldValueRequired"),
    "duplicate key": ({"size": 1, "ports": [{"name": "a"}, {"name": "a"}]}, "spec.ports[1]", "FieldValueDuplicate"),
    "duplicate in set": ({"size": 1, "tags": ["a", "a"]}, "spec.tags[1]", "FieldValueDuplicate"),
    "map value": ({"size": 1, "labels": {"a": 1}}, "spec.labels.a", "FieldValueTypeInvalid"),
    "fraction": ({"size": 1.5}, "spec.size", "FieldValueTypeInvalid"),
    "int or string": ({"size": 1, "weight": True}, "spec.weight", "FieldValueTypeInvalid"),
}


@pytest.mark.parametrize(("spec", "field", "reason"), INVALID.values(), ids=INVALID)
def test_a_custom_object_that_does_not_fit_is_invalid(api: Api, spec: Doc, field: str, reason: str) -> None:
    refused = api.create(WIDGETS, {**widget(), "spec": spec})
    assert (refused.code, refused.body["reason"]) == (422, "Invalid"), refused.body
    causes = [(one["field"], one["reason"]) for one in refused.body["details"]["causes"]]
    assert (field, reason) in causes
    assert refused.message.startswith('Widget.conformance.gitops-canary.dev "one" is invalid: ')


VALID: dict[str, tuple[Doc, Any]] = {
    "unknown fields go": ({"size": 1, "odd": 1}, {"size": 1, "color": "red"}),
    "free fields stay": ({"size": 1, "free": {"a": {"b": [1]}}}, {"size": 1, "color": "red", "free": {"a": {"b": [1]}}}),
    "nested default": ({"size": 1, "limits": {}}, {"size": 1, "color": "red", "limits": {"cpu": "1"}}),
    "nested unknown goes": ({"size": 1, "limits": {"odd": 1}}, {"size": 1, "color": "red", "limits": {"cpu": "1"}}),
    "int or string": ({"size": 1, "weight": "5%"}, {"size": 1, "color": "red", "weight": "5%"}),
    "null below a free field stays": ({"size": 1, "free": {"a": None}}, {"size": 1, "color": "red", "free": {"a": None}}),
    "nullable null stays": ({"size": 1, "maybe": None}, {"size": 1, "color": "red", "maybe": None}),
    "null of a default is defaulted": ({"size": 1, "color": None}, {"size": 1, "color": "red"}),
}


@pytest.mark.parametrize(("spec", "wanted"), VALID.values(), ids=VALID)
def test_a_custom_object_is_pruned_and_defaulted(api: Api, spec: Doc, wanted: Doc) -> None:
    made = api.create(WIDGETS, {**widget(), "spec": spec})
    assert made.code == 201, made.body
    assert made.body["spec"] == wanted


@pytest.mark.parametrize("spec", [{"size": 1, "free": {"a": None}}, {"size": 1, "free": {"a": {"b": None}, "c": 1}, "maybe": None}])
def test_an_apply_keeps_the_nulls_of_a_custom_object(api: Api, spec: Doc) -> None:
    """To Helm a null among the values of a release takes the chart's default away."""
    made = api.apply(WIDGETS, {**widget(), "spec": spec})
    assert made.code == 201, made.body
    assert made.body["spec"] == {**spec, "color": "red"}
    again = api.apply(WIDGETS, {**widget(), "spec": spec})
    assert (again.body["spec"], again.meta["resourceVersion"]) == (made.body["spec"], made.meta["resourceVersion"])
    assert api.apply(WIDGETS, {**widget(), "spec": {"size": 1, "free": None}}).code == 422


@pytest.mark.parametrize("plural", [WIDGETS, "deployments"], ids=["custom", "built-in"])
def test_unknown_fields_are_warned_of_or_refused(api: Api, plural: str) -> None:
    doc = copy.deepcopy(widget() if plural == WIDGETS else deployment("one", 0, container(imag="x")))
    doc["spec"]["odd"] = 1
    warned = api.create(plural, doc, dryRun="All")
    assert warned.code == 201
    told = ['299 - "unknown field \\"spec.odd\\""']
    if plural == "deployments":
        told = ['299 - "unknown field \\"spec.template.spec.containers[0].imag\\""', *told]
    assert warned.warnings == told
    refused = api.create(plural, doc, fieldValidation="Strict")
    assert refused.code == 400
    assert "strict decoding error: " in refused.message
    assert 'unknown field "spec.odd"' in refused.message
    ignored = api.create(plural, doc, fieldValidation="Ignore")
    assert (ignored.code, ignored.warnings) == (201, [])
    assert "odd" not in ignored.body["spec"]


def test_a_definition_makes_its_kind_served_and_its_end_takes_the_objects(api: Api, admin: Api) -> None:
    doc = crd()
    name = f"gadgets.{api.ns}.dev"
    doc["metadata"]["name"], doc["spec"]["group"] = name, f"{api.ns}.dev"
    doc["spec"]["names"] = {"plural": "gadgets", "kind": "Gadget"}
    plural = f"gadgets.{api.ns}.dev/v1"
    gadget = {**widget(), "apiVersion": f"{api.ns}.dev/v1", "kind": "Gadget"}
    assert api.create(plural, gadget).code == 404
    define(admin, doc)
    assert api.create(plural, gadget).code == 201
    names = [one["name"] for one in api.request("GET", f"apis/{api.ns}.dev/v1").body["resources"]]
    assert sorted(names) == ["gadgets", "gadgets/scale", "gadgets/status"]
    assert admin.get("customresourcedefinitions", name).body["status"]["acceptedNames"]["singular"] == "gadget"
    admin.delete("customresourcedefinitions", name)
    admin.until_gone("customresourcedefinitions", name)
    assert api.get(plural, "one").code == 404


def test_openapi_v2_tells_the_fields_of_a_custom_kind(api: Api) -> None:
    found = api.request("GET", "openapi/v2").body["definitions"]["dev.gitops-canary.conformance.v1.Widget"]
    assert found["x-kubernetes-group-version-kind"] == [{"group": "conformance.gitops-canary.dev", "kind": "Widget", "version": "v1"}]
    spec = found["properties"]["spec"]
    assert (spec["type"], spec["required"]) == ("object", ["size"])
    assert {name: told.get("type", "") for name, told in spec["properties"].items()} == {
        "size": "integer", "color": "string", "code": "string", "weight": "", "limits": "object", "free": "", "labels": "object",
        "steps": "array", "ports": "array", "tags": "array", "maybe": "",
    }  # fmt: skip
    assert "default" not in spec["properties"]["color"]


def test_an_object_is_read_in_another_version_as_that_knows_it(api: Api, admin: Api) -> None:
    group = f"{api.ns}.dev"
    doc = crd()
    first = doc["spec"]["versions"][0]
    second = copy.deepcopy(first) | {"name": "v2", "storage": False}
    second["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
        "type": "object",
        "properties": {"size": {"type": "integer"}, "shape": {"type": "string", "default": "round"}},
    }
    doc["metadata"]["name"], doc["spec"]["group"] = f"gadgets.{group}", group
    doc["spec"]["names"] = {"plural": "gadgets", "kind": "Gadget"}
    doc["spec"]["versions"] = [first, second]
    define(admin, doc)
    older, newer = f"gadgets.{group}/v1", f"gadgets.{group}/v2"
    made = api.create(older, {**widget(), "apiVersion": f"{group}/v1", "kind": "Gadget", "spec": {"size": 1, "color": "green"}})
    assert made.code == 201, made.body
    assert api.get(newer, "one").body["spec"] == {"size": 1}
    assert api.list(newer).body["items"][0]["spec"] == {"size": 1}
    assert next(api.watch(newer))["object"]["spec"] == {"size": 1}
    assert api.get(older, "one").body["spec"] == {"size": 1, "color": "green"}
    admin.delete("customresourcedefinitions", f"gadgets.{group}")


def test_discovery_tells_what_a_custom_kind_can(api: Api) -> None:
    found = api.request("GET", "apis/conformance.gitops-canary.dev/v1").body
    one = next(entry for entry in found["resources"] if entry["name"] == "widgets")
    assert (one["kind"], one["singularName"], one["namespaced"], one["shortNames"]) == ("Widget", "widget", True, ["wg"])
    assert sorted(one["verbs"]) == ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    assert one["categories"] == ["gadgets"]
