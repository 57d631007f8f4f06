"""Selectors, paging and what lists refuse."""

import pytest

from tests.conformance.client import Api
from tests.conformance.objects import WIDGETS, config_map, pod, widget

LABELS = {"a": {"app": "x", "tier": "front"}, "b": {"app": "y"}, "c": {"tier": "back", "empty": ""}}
SELECTORS = {
    "app=x": "a",
    "app==y": "b",
    "app!=x": "bc",
    "app": "ab",
    "!app": "c",
    "app in (x,y)": "ab",
    "app in (x, z)": "a",
    "app notin (x)": "bc",
    "app,tier": "a",
    "tier in (front,back),!app": "c",
    "empty=": "c",
    "nothing": "",
    " app = x ": "a",
}


@pytest.mark.parametrize(("selector", "wanted"), SELECTORS.items(), ids=SELECTORS)
def test_a_label_selector_selects(api: Api, selector: str, wanted: str) -> None:
    for name, labels in LABELS.items():
        api.create(WIDGETS, {**widget(name), "metadata": {"name": name, "labels": labels}})
    assert api.list(WIDGETS, labelSelector=selector).names == list(wanted)


@pytest.mark.parametrize("selector", ["app=x=y", "a b", "app in x", "app in (", "=x", ",", "-app", "app in ()x"])
def test_an_odd_label_selector_is_a_bad_request(api: Api, selector: str) -> None:
    found = api.list("configmaps", labelSelector=selector)
    assert (found.code, found.body["reason"]) == (400, "BadRequest"), found.body


FIELDS = {
    "metadata.name=a": ("configmaps", ["a"]),
    "metadata.name!=a,metadata.name!=kube-root-ca.crt": ("configmaps", ["b"]),
    "metadata.name=zzz": ("configmaps", []),
    "metadata.namespace=other": ("configmaps", []),
    "spec.nodeName=": ("pods", ["p"]),
    "status.phase=Pending": ("pods", ["p"]),
    "status.phase!=Pending": ("pods", []),
    "spec.restartPolicy=Always,metadata.name=p": ("pods", ["p"]),
    "type=Opaque": ("secrets", []),
}


@pytest.mark.parametrize(("selector", "case"), FIELDS.items(), ids=FIELDS)
def test_a_field_selector_selects(api: Api, selector: str, case: tuple[str, list[str]]) -> None:
    for name in "ab":
        api.create("configmaps", config_map(name))
    api.create("pods", pod("p"))
    assert api.list(case[0], fieldSelector=selector).names == case[1]


@pytest.mark.parametrize(
    ("plural", "selector"),
    [
        ("configmaps", "data.a=1"),
        ("deployments", "status.replicas=1"),
        (WIDGETS, "spec.size=1"),
        ("pods", "spec.odd=x"),
        ("configmaps", "x"),
    ],
    ids=["data", "deployment status", "custom", "pod", "no operator"],
)
def test_a_field_that_cannot_be_selected_by_is_named(api: Api, plural: str, selector: str) -> None:
    found = api.list(plural, fieldSelector=selector)
    assert found.code == 400
    assert selector.split("=")[0] in found.message


def test_a_list_comes_in_pages_that_together_are_whole(api: Api) -> None:
    for number in range(5):
        api.create(WIDGETS, widget(f"w{number}"))
    seen, token, left = [], None, []
    while True:
        page = api.list(WIDGETS, limit=2, **({"continue": token} if token else {}))
        assert page.code == 200, page.body
        seen += page.names
        left.append(page.meta.get("remainingItemCount"))
        token = page.meta.get("continue")
        if not token:
            break
    assert seen == [f"w{number}" for number in range(5)]
    assert left == [3, 1, None]


def test_later_pages_show_the_first_page_s_moment(api: Api) -> None:
    for name in "bcd":
        api.create(WIDGETS, widget(name))
    first = api.list(WIDGETS, limit=1)
    api.create(WIDGETS, widget("a"))
    api.delete(WIDGETS, "d")
    rest = api.list(WIDGETS, limit=9, **{"continue": first.meta["continue"]})
    assert (first.names, rest.names) == (["b"], ["c", "d"])
    assert rest.meta["resourceVersion"] == first.meta["resourceVersion"]


@pytest.mark.parametrize("query", [{"limit": "x"}, {"continue": "odd"}, {"resourceVersion": "odd"}, {"timeoutSeconds": "x"}], ids=str)
def test_an_odd_list_option_is_a_bad_request(api: Api, query: dict[str, str]) -> None:
    assert api.list("configmaps", **query).code == 400


def test_a_list_names_its_kind_and_version(api: Api) -> None:
    for plural, kind, version in (("configmaps", "ConfigMapList", "v1"), (WIDGETS, "WidgetList", "conformance.gitops-canary.dev/v1")):
        found = api.list(plural)
        assert (found.body["kind"], found.body["apiVersion"]) == (kind, version)
        assert int(found.meta["resourceVersion"]) > 0


def test_a_list_of_all_namespaces_holds_them_all(api: Api) -> None:
    api.create("configmaps", config_map("everywhere", {"mark": api.ns}))
    found = api.request("GET", api.path("configmaps", ns=""), labelSelector=f"mark={api.ns}")
    assert [item["metadata"]["namespace"] for item in found.body["items"]] == [api.ns]


def test_a_list_of_an_empty_namespace_is_empty_and_not_refused(api: Api) -> None:
    found = api.request("GET", "api/v1/namespaces/no-such-namespace/configmaps")
    assert (found.code, found.body["items"]) == (200, [])


def test_a_version_that_is_still_to_come_is_too_large(api: Api) -> None:
    refused = api.list("configmaps", resourceVersion="9999999999")
    assert (refused.code, refused.body["reason"]) == (504, "Timeout")
    assert refused.message.startswith("Timeout: Too large resource version: 9999999999, current: ")
