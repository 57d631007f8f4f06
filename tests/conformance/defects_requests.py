"""Defects of how requests are understood and answered: access, paths, options, bodies, lists, tables, watches; not of what is stored."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from gitops_canary.sandbox.apiserver import handling, listing
from gitops_canary.sandbox.apiserver.access import MASTERS, Access, Tokens, User
from gitops_canary.sandbox.apiserver.handling import Handler
from gitops_canary.sandbox.apiserver.listing import Watch
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.problems import Problem, not_found
from gitops_canary.sandbox.apiserver.store import Store
from tests.conformance.planting import Defect, around, instead


def _as_if_fine(original: Any, *arguments: Any) -> Any:
    try:
        return original(*arguments)
    except Problem as problem:
        raise Problem(200, problem.reason, problem.message) from problem


def _unchecked(original: Any, request: Any, meant: Any) -> Any:
    try:
        return original(request, meant)
    except Problem:
        return Options(manager="conformance")


async def _empty_when_broken(original: Any, request: Any) -> Any:
    try:
        return await original(request)
    except Problem:
        return {}


async def _json_only(original: Any, request: Any) -> Any:
    if not (await request.read()).startswith(b"{"):
        raise Problem(400, "BadRequest", "this is not JSON")
    return await original(request)


def _codes(before: int, after: int) -> Any:
    return around(handling, "json_answer", lambda original, doc, code=200: original(doc, after if code == before else code))


def _plain_list(original: Any, doc: Any, code: int = 200) -> Any:
    kind = str(doc.get("kind", "")) if isinstance(doc, dict) else ""
    return original({**doc, "kind": "List"} if kind.endswith("List") else doc, code)


def _without_labels(original: Any, self: Any, request: Any, meant: Any, doc: Any, code: int = 200) -> Any:
    meta = {key: value for key, value in doc["metadata"].items() if key != "labels"}
    return original(self, request, meant, {**doc, "metadata": meta}, code)


def _one_namespace_only(original: Any, objects: Any, meant: Any, query: Any) -> Any:
    return ([], {"resourceVersion": "1"}) if meant.kind.namespaced and not meant.namespace else original(objects, meant, query)


def _known_namespaces_only(original: Any, objects: Any, meant: Any, query: Any) -> Any:
    if meant.namespace and objects.store.get(("", "namespaces"), ("", meant.namespace)) is None:
        raise not_found("", "namespaces", meant.namespace)
    return original(objects, meant, query)


def _unpaged(original: Any, objects: Any, meant: Any, query: Any) -> Any:
    return original(objects, meant, {key: value for key, value in query.items() if key != "limit"})


def _unversioned(query: Any) -> Any:
    return {key: value for key, value in query.items() if key != "resourceVersion"}


async def _all_modified(original: Any, self: Any) -> AsyncIterator[Any]:
    async for _, doc in original(self):
        yield "MODIFIED", doc


def _everywhere(original: Any, self: Any, change: Any) -> Any:
    self._meant = dataclasses.replace(self._meant, namespace="")
    return original(self, change)


def _everything(*_: Any) -> Any:
    return lambda doc: True


ACCESS = (
    Defect(
        "everybody may do everything",
        instead(Access, "allows", lambda *_: True),
        (
            r"test_a_role_allows_what_it_says_and_no_more\[(watch|create|patch another|delete|another kind|another namespace)\]",
            "test_a_refusal_names_user_verb_and_resource",
            "test_a_subresource_is_granted_apart",
            "test_an_account_s_token_acts_as_the_account",
            "test_only_who_may_impersonates",
            r"test_an_access_review_answers_what_would_happen\[update-other-False\]",
            "test_kubectl_explains_who_may",
        ),
    ),
    Defect(
        "no binding grants anything",
        instead(Access, "_rules", lambda *_: iter(())),
        (r"test_a_role_allows_what_it_says_and_no_more\[.*", r"test_an_access_review_answers_what_would_happen\[.*"),
    ),
    Defect(
        "an unknown token is an administrator's",
        instead(Tokens, "user", lambda *_: User("anybody", (MASTERS,))),
        ("test_an_unknown_token_is_nobody",),
    ),
)

PATHS = (
    Defect(
        "a path or verb that is not served is answered 200",
        around(handling, "meant_by", _as_if_fine),
        (r"test_a_path_or_verb_that_is_not_served_is_refused\[.*",),
    ),
    Defect(
        "discovery and health are not served",
        instead(Handler, "_discovery", lambda *_: None),
        (r"test_what_clients_ask_first_is_there\[.*",),
    ),
    Defect(
        "options are not checked",
        around(handling, "options_of", _unchecked),
        (r"test_an_option_that_is_none_is_invalid\[(dry run|field validation)\]",),
    ),
    Defect(
        "a dry run is carried out",
        around(handling, "options_of", lambda original, *rest: dataclasses.replace(original(*rest), dry_run=False)),
        (r"test_a_dry_run_changes_nothing\[.*",),
    ),
    Defect(
        "a broken body is an empty object",
        around(handling, "body_of", _empty_when_broken),
        (
            r"test_a_body_that_is_no_object_of_the_kind_is_refused\[no JSON\]",
            r"test_an_odd_apply_is_refused\[no YAML\]",
            r"test_an_odd_patch_is_refused_and_changes_nothing\[a broken body\]",
        ),
    ),
    Defect("YAML is not read", around(handling, "body_of", _json_only), ("test_yaml_is_taken_as_well",)),
    Defect("an invalid request is called bad", _codes(422, 400), ("test_initial_events_without_the_match_are_invalid",)),
    Defect(
        "/status is the object itself",
        around(handling, "options_of", lambda original, *rest: dataclasses.replace(original(*rest), subresource="")),
        ("test_a_json_patch_on_a_subresource_leaves_the_rest", "test_the_status_is_applied_through_its_subresource"),
    ),
    Defect("labels are not shown", around(Handler, "_shown", _without_labels), (
        "test_a_namespace_carries_its_name_as_a_label_and_has_an_account",
        r"test_an_object_is_created_read_replaced_listed_and_deleted\[.*",
    )),
)  # fmt: skip

LISTS = (
    Defect(
        "label selectors select everything",
        instead(listing, "label_test", _everything),
        (
            r"test_a_label_selector_selects\[.*",
            r"test_an_odd_label_selector_is_a_bad_request\[.*",
            "test_a_collection_is_deleted_by_selector",
        ),
    ),
    Defect(
        "field selectors select nothing",
        instead(listing, "field_test", lambda *_: lambda doc: False),
        (r"test_a_field_selector_selects\[(metadata.name=a|metadata.name!=.*|spec.*|status.phase=Pending)\]",),
    ),
    Defect("Secrets have no type to select by", around(listing, "field_test", lambda original, text, plural: original(text, "")), (
        r"test_a_field_selector_selects\[type=Opaque\]",
    )),
    Defect(
        "field selectors select everything",
        instead(listing, "field_test", _everything),
        (
            r"test_a_field_selector_selects\[.*",
            r"test_a_field_that_cannot_be_selected_by_is_named\[.*",
            "test_an_event_is_stored_and_counted_up",
        ),
    ),
    Defect(
        "a list's version is not looked at",
        around(handling, "listed", lambda original, objects, meant, query: original(objects, meant, _unversioned(query))),
        ("test_a_version_that_is_still_to_come_is_too_large",),
    ),
    Defect("pages have no limit", around(handling, "listed", _unpaged), ("test_a_list_comes_in_pages_that_together_are_whole",)),
    Defect(
        "later pages show the present",
        around(listing, "_start", lambda original, token, version: (original(token, version)[0], version)),
        ("test_later_pages_show_the_first_page_s_moment",),
    ),
    Defect("a bad request is answered 200", _codes(400, 200), (r"test_an_odd_list_option_is_a_bad_request\[.*",)),
    Defect("every list is of kind List", around(handling, "json_answer", _plain_list), ("test_a_list_names_its_kind_and_version",)),
    Defect(
        "a list of all namespaces is empty",
        around(handling, "listed", _one_namespace_only),
        ("test_a_list_of_all_namespaces_holds_them_all",),
    ),
    Defect(
        "a list of an unknown namespace is 404",
        around(handling, "listed", _known_namespaces_only),
        ("test_a_list_of_an_empty_namespace_is_empty_and_not_refused",),
    ),
    Defect(
        "no other form than the object is known",
        instead(handling, "form_of", lambda *_: ""),
        (
            "test_a_table_has_columns_and_cells",
            "test_a_custom_kind_prints_its_own_columns",
            r"test_a_table_has_the_columns_that_users_know\[.*",
            "test_metadata_alone_can_be_asked_for",
            "test_a_watch_may_be_of_tables",
            "test_kubectl_prints_rows",
            "test_kubectl_prints_a_custom_kind_s_columns",
        ),
    ),
)  # fmt: skip

WATCHES = (
    Defect(
        "every version is forgotten",
        instead(Store, "since", lambda *_: None),
        (
            "test_a_watch_from_a_version_tells_every_change_since",
            "test_objects_enter_and_leave_a_selector",
            "test_one_object_is_watched_by_its_name",
            "test_a_watch_ends_when_its_time_is_over",
        ),
    ),
    Defect(
        "every event is a change",
        around(Watch, "events", _all_modified),
        (r"test_a_watch_without_a_version_begins_with_what_is_there\[.*", r"test_initial_events_(end_with|of_nothing).*"),
    ),
    Defect(
        "a watch tells of every namespace", around(Watch, "_event", _everywhere), ("test_other_namespaces_are_not_told_of",)
    ),
    Defect("what was forgotten is left out", instead(Store, "since", lambda *_: []), ("test_a_forgotten_version_is_gone",)),
)  # fmt: skip

DEFECTS = (*ACCESS, *PATHS, *LISTS, *WATCHES)
