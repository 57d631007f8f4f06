"""Watches: from a version, with initial events, selectors that objects enter and leave, bookmarks, forms, and 410."""

from itertools import islice
from typing import Any

import pytest

from tests.conformance.client import TABLE, Api, Doc
from tests.conformance.objects import WIDGETS, config_map, widget

INITIAL: dict[str, Any] = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


def _told(events: list[Doc]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def test_a_watch_from_a_version_tells_every_change_since(api: Api) -> None:
    version = api.list(WIDGETS).meta["resourceVersion"]
    api.create(WIDGETS, widget())
    api.patch(WIDGETS, "one", {"spec": {"size": 2}})
    api.delete(WIDGETS, "one")
    events = list(islice(api.watch(WIDGETS, resourceVersion=version), 3))
    assert _told(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert events[2]["object"]["spec"]["size"] == 2


@pytest.mark.parametrize("version", ["0", None], ids=["any version", "no version"])
def test_a_watch_without_a_version_begins_with_what_is_there(api: Api, version: str | None) -> None:
    for name in "ab":
        api.create(WIDGETS, widget(name))
    events = list(islice(api.watch(WIDGETS, resourceVersion=version) if version else api.watch(WIDGETS), 2))
    assert _told(events) == [("ADDED", "a"), ("ADDED", "b")]


def test_initial_events_end_with_a_marked_bookmark(api: Api) -> None:
    made = api.create(WIDGETS, widget())
    events = list(islice(api.watch(WIDGETS, **INITIAL), 2))
    assert _told(events[:1]) == [("ADDED", "one")]
    assert events[1]["type"] == "BOOKMARK"
    assert events[1]["object"]["kind"] == "Widget"
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= int(made.meta["resourceVersion"])


def test_initial_events_of_nothing_are_the_bookmark_alone(api: Api) -> None:
    assert [event["type"] for event in islice(api.watch(WIDGETS, **INITIAL), 1)] == ["BOOKMARK"]


def test_initial_events_without_the_match_are_invalid(api: Api) -> None:
    refused = api.list(WIDGETS, watch="true", sendInitialEvents="true")
    assert refused.code == 422
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in refused.message


def test_objects_enter_and_leave_a_selector(api: Api) -> None:
    version = api.list("configmaps").meta["resourceVersion"]
    api.create("configmaps", config_map("one", {"in": "no"}))
    for value in ("yes", "yes", "no"):
        api.patch("configmaps", "one", {"metadata": {"labels": {"in": value}}, "data": {"n": value}})
    api.patch("configmaps", "one", {"data": {"n": "more"}})
    api.patch("configmaps", "one", {"metadata": {"labels": {"in": "yes"}}})
    events = list(islice(api.watch("configmaps", resourceVersion=version, labelSelector="in=yes"), 3))
    assert _told(events) == [("ADDED", "one"), ("DELETED", "one"), ("ADDED", "one")]
    assert events[1]["object"]["metadata"]["labels"] == {"in": "yes"}


def test_one_object_is_watched_by_its_name(api: Api) -> None:
    version = api.list("configmaps").meta["resourceVersion"]
    for name in "ab":
        api.create("configmaps", config_map(name))
    events = list(api.watch("configmaps", 1, resourceVersion=version, fieldSelector="metadata.name=b"))
    assert _told(events) == [("ADDED", "b")]


def test_a_watch_ends_when_its_time_is_over(api: Api) -> None:
    version = api.list(WIDGETS).meta["resourceVersion"]
    assert list(api.watch(WIDGETS, 1, resourceVersion=version)) == []


def test_a_watch_may_be_of_tables(api: Api) -> None:
    api.create(WIDGETS, widget())
    answer = api.list(WIDGETS, watch="true", timeoutSeconds="1", accept=TABLE)
    assert answer.body["type"] == "ADDED"
    table = answer.body["object"]
    assert (table["kind"], table["rows"][0]["cells"][0]) == ("Table", "one")


def test_other_namespaces_are_not_told_of(api: Api) -> None:
    version = api.list("configmaps").meta["resourceVersion"]
    made = api.request("POST", "api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "elsewhere-"}})
    events = list(api.watch("configmaps", 1, resourceVersion=version))
    api.request("DELETE", f"api/v1/namespaces/default/configmaps/{made.meta['name']}")
    assert "elsewhere" not in str(events)


def test_a_forgotten_version_is_gone(api: Api) -> None:
    """What was before the kind was defined no server remembers; on an old cluster the rest is forgotten in time as well."""
    events = list(api.watch(WIDGETS, 2, resourceVersion="1"))
    assert [event["type"] for event in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")
