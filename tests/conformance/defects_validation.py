"""Defects of what is refused, pruned and defaulted, and of how definitions are served; what happens to stored objects stands beside."""

import copy
from typing import Any

from gitops_canary.sandbox.apiserver import builtin, defaults, fields, objects, openapi, openapi_v2, schemas
from gitops_canary.sandbox.apiserver.finishing import Finisher
from gitops_canary.sandbox.apiserver.kinds import Kinds
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.rules import autoscalers, data, networks, pods, services, storage, workloads
from tests.conformance.planting import Defect, around, instead


def _named(original: Any, self: Any, kind: Any, namespace: str, sent: Any, options: Any) -> Any:
    return original(kind, namespace, {**sent, "metadata": {"name": "some", **sent.get("metadata", {})}}, options)


def _unversioned(original: Any, self: Any, kind: Any, namespace: str, sent: Any, options: Any) -> Any:
    meta = {key: value for key, value in sent["metadata"].items() if key != "resourceVersion"}
    return original(kind, namespace, {**sent, "metadata": meta}, options)


def _mended(original: Any, kind: Any, namespace: str, sent: Any) -> Any:
    if not isinstance(sent, dict):
        return original(kind, namespace, {"metadata": {}})
    meta = {key: value for key, value in (sent.get("metadata") or {}).items() if key != "namespace"}
    return original(kind, namespace, {**sent, "metadata": meta})


def _missing(*_: Any) -> Any:
    raise Problem(404, "NotFound", "the server could not find the requested resource")


DEFECTS = (
    Defect(
        "built-in kinds are not validated",
        instead(builtin, "causes", lambda *_: []),
        (
            r"test_a_body_that_is_no_object_of_the_kind_is_refused\[(a bad name|a bad key)\]",
            "test_an_event_about_another_namespace_is_refused",
            "test_an_immutable_config_stays_immutable_and_names_every_field",
            "test_no_finalizer_can_be_added_once_the_end_has_begun",
            "test_a_refusal_says_why_in_the_same_words",
            "test_what_may_not_change_is_refused_when_it_does",
            r"test_a_wrong_object_is_refused_.*\[(jobs|namespaces|serviceaccounts|poddisr.*|leases|roles|clusterroles|rolebindings)\]",
        ),
    ),
    Defect(
        "shares of replicas are not looked at",
        instead(workloads, "number_or_percent", lambda *_, **__: iter(())),
        (r"test_a_wrong_object_is_refused_.*\[deployments\]",),
    ),
    Defect("probes are not looked at", instead(pods, "_probe", lambda *_, **__: iter(())), (r"test_a_wrong_object_is_refused_.*\[pods\]",)),
    Defect("any text is an address", instead(services, "_is_address", lambda _: True), (r"test_a_wrong_object_is_refused_.*\[services\]",)),
    Defect(
        "a config may have any size", instead(data, "MOST_BYTES", 2**40), (r"test_a_wrong_object_is_refused_.*\[(configmaps|secrets)\]",)
    ),
    Defect(
        "an autoscaler's behaviour is not looked at",
        instead(autoscalers, "_rules", lambda *_: iter(())),
        (r"test_a_wrong_object_is_refused_.*\[horizontalpodautoscalers\]",),
    ),
    Defect("backends are not looked at", instead(networks, "_backend", lambda *_: iter(())), (r"test_a_wrong_object_.*\[ingresses\]",)),
    Defect("peers are not looked at", instead(networks, "_peer", lambda *_: iter(())), (r"test_a_wrong_object_.*\[networkpolicies\]",)),
    Defect(
        "volumes may be of any mode", instead(storage, "ACCESS_MODES", ("Odd",)), (r"test_a_wrong_object_.*\[persistentvolumeclaims\]",)
    ),
    Defect(
        "provisioners may be called anything", instead(storage, "qualified", lambda *_: iter(())), (r"test_a_wrong_object_.*\[storagec.*",)
    ),
    Defect("priorities have no end", instead(storage, "LARGEST_PRIORITY", 2**31), (r"test_a_wrong_object_.*\[priorityclasses\]",)),
    Defect(
        "fields that were left out stay so",
        instead(defaults, "_FILLERS", {}),
        (r"test_what_is_left_out_of_rarer_kinds_is_filled_in.*",),
    ),
    Defect(
        "types of built-in fields are not looked at",
        instead(fields, "decoded", lambda doc, kind: (copy.deepcopy(doc), [])),
        (r"test_a_body_that_is_no_object_of_the_kind_is_refused\[a number as data\]",),
    ),
    Defect("any text is a quantity", instead(fields, "_quantity", str), ("test_a_quantity_that_is_none_is_refused",)),
    Defect("a name is made up", around(Objects, "create", _named), (r"test_a_body_that_is_no_object_of_the_kind_is_refused\[no name\]",)),
    Defect(
        "a new object's version is overlooked",
        around(Objects, "create", _unversioned),
        (r"test_a_body_that_is_no_object_of_the_kind_is_refused\[a version of its own\]",),
    ),
    Defect(
        "an object's namespace is overlooked",
        around(objects, "received", _mended),
        (r"test_a_body_that_is_no_object_of_the_kind_is_refused\[(a list|another namespace)\]",),
    ),
    Defect("custom kinds are not validated", instead(schemas, "causes", lambda *_: []), (r"test_a_custom_object_that_does_not_fit.*",)),
    Defect(
        "unknown fields of custom kinds stay",
        around(schemas, "pruned", lambda original, doc, *_, **__: copy.deepcopy(doc)),
        (r"test_a_custom_object_is_pruned_and_defaulted\[(unknown fields go|nested unknown goes)\]",),
    ),
    Defect("nothing is defaulted", instead(schemas, "defaulted", lambda doc, _: doc), (r"test_a_custom_object_is_pruned_and_defaulted.*",)),
    Defect(
        "unknown fields are not told of",
        instead(Finisher, "_dropped", lambda *_: None),
        (r"test_unknown_fields_are_warned_of_or_refused\[.*", "test_kubectl_refuses_a_field_that_is_none"),
    ),
    Defect(
        "there is no OpenAPI v2",
        instead(openapi_v2, "encoded", _missing),
        (r"test_kubectl_applies_a_list.*", "test_kubectl_refuses_a_list_with_a_field_that_is_none"),
    ),
    Defect(
        "OpenAPI v2 knows no custom kinds",
        instead(openapi_v2, "_custom", lambda _: {}),
        ("test_openapi_v2_tells_the_fields_of_a_custom_kind", "test_kubectl_refuses_a_list_with_a_custom_field_that_is_none"),
    ),
    Defect(
        "every version shows what is stored",
        instead(Objects, "shown", lambda _, kind, doc: {**doc, "apiVersion": kind.api_version}),
        ("test_an_object_is_read_in_another_version_as_that_knows_it",),
    ),
    Defect("OpenAPI v3 has kinds without names", instead(openapi, "mark_of", lambda kind: {}), (r"test_kubectl_explains.*",)),
    Defect("definitions define nothing", instead(Kinds, "define", lambda *_: None), ("test_a_definition_makes_its_kind_served.*",)),
    Defect("discovery tells no resource", instead(openapi, "resource_list", lambda *_: {"resources": []}), ("test_discovery_tells_.*",)),
)
