"""Defects of what happens to stored objects: writes, patches, ownership, deletion; validation and how it is asked stand beside."""

import copy
import dataclasses
from typing import Any

from gitops_canary.sandbox.apiserver import handling, objects, ownership, patches, scaling
from gitops_canary.sandbox.apiserver.collecting import Collector
from gitops_canary.sandbox.apiserver.finishing import Finisher
from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.problems import Problem, exists
from tests.conformance.planting import Defect, around, instead


def _one_name(original: Any, self: Any, kind: Any, namespace: str, sent: Any, options: Any) -> Any:
    return original(self, kind, namespace, {**sent, "metadata": {**sent["metadata"], "name": "part-aaaaa"}}, options)


def _without_texts(original: Any, self: Any, kind: Any, namespace: str, sent: Any, options: Any) -> Any:
    return original(self, kind, namespace, {key: value for key, value in sent.items() if key != "stringData"}, options)


def _again(original: Any, self: Any, kind: Any, namespace: str, sent: Any, options: Any) -> Any:
    try:
        return original(self, kind, namespace, sent, options)
    except Problem as problem:
        if problem.reason != "AlreadyExists":
            raise
        return self.get(kind, namespace, sent["metadata"]["name"])


def _taken_first(original: Any, self: Any, kind: Any, namespace: str, sent: Any, options: Any) -> Any:
    if self.store.get(kind.storage, (namespace, str(sent["metadata"].get("name")))) is not None:
        raise exists(kind.group, kind.plural, sent["metadata"]["name"])
    return original(self, kind, namespace, sent, options)


def _made(original: Any, self: Any, kind: Any, namespace: str, name: str, sent: Any, options: Any) -> Any:
    try:
        return original(self, kind, namespace, name, sent, options)
    except Problem:
        return self.create(kind, namespace, sent, options)


def _kindly_applied(original: Any, self: Any, kind: Any, namespace: str, name: str, sent: Any, options: Any) -> Any:
    meta = {key: value for key, value in sent["metadata"].items() if key != "managedFields"}
    manager = "somebody" if options.manager == "unknown" else options.manager
    sent = {**sent, "metadata": {**meta, "name": name}}
    return original(self, kind, namespace, name, sent, dataclasses.replace(options, manager=manager))


def _accepted(original: Any, self: Any, kind: Any, namespace: str, name: str, *rest: Any) -> Any:
    try:
        return original(self, kind, namespace, name, *rest)
    except Problem:
        found = self.store.get(kind.storage, (namespace, name))
        return found or {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}


def _plain_merge(doc: Any, patch: Any, *_: Any) -> Any:
    return patches.merge(doc, patch)


def _never(*_: Any) -> Any:
    raise Problem(422, "Invalid", "no JSON patch can be applied")


def _skipped(original: Any, doc: Any, patch: Any) -> Any:
    try:
        return original(doc, patch)
    except Problem:
        return doc


def _with_status(original: Any, self: Any, kind: Any, *rest: Any) -> Any:
    return original(self, kind if rest[-1].subresource else dataclasses.replace(kind, status=False), *rest)


def _unconditional(original: Any, self: Any, kind: Any, namespace: str, name: str, asked: Any, dry_run: bool = False) -> Any:
    return original(self, kind, namespace, name, {key: value for key, value in asked.items() if key != "preconditions"}, dry_run)


def _any_policy(original: Any, self: Any, kind: Any, namespace: str, name: str, asked: Any, dry_run: bool = False) -> Any:
    return original(self, kind, namespace, name, {**asked, "propagationPolicy": "Background"}, dry_run)


WRITES = (
    Defect("a scale tells of labels alone", instead(scaling, "selector_text", lambda _: "a=b"), ("test_scale_shows_the_whole_selector",)),
    Defect(
        "versions are not compared",
        instead(objects, "check_version", lambda *_: None),
        (
            "test_a_stale_version_is_a_conflict",
            r"test_a_patch_with_a_stale_version_is_a_conflict\[.*",
            "test_a_lease_is_taken_by_one_of_two",
        ),
    ),
    Defect("no PUT needs a version", instead(Kind, "needs_version", False), (
        r"test_a_put_without_a_version_is_refused_where_it_must_say_one\[(lease|custom)\]",
    )),
    Defect("every PUT needs a version", instead(Kind, "needs_version", True), (
        r"test_a_put_without_a_version_is_refused_where_it_must_say_one\[config\]",
    )),
    Defect("a name that is taken is given again", around(Objects, "create", _again), (
        "test_a_second_create_of_one_name_is_already_there", "test_kubectl_creates_patches_labels_and_annotates",
    )),
    Defect("a taken name is told first", around(Objects, "create", _taken_first), ("test_what_is_wrong_is_told_before_the_name_is_taken",)),
    Defect("a PUT makes what is not there", around(Objects, "replace", _made), ("test_replacing_what_is_not_there_is_refused",)),
    Defect("every write is a change", instead(objects, "_equal", lambda *_: False), (
        "test_a_write_that_changes_nothing_keeps_the_version",
    )),
    Defect("made-up names repeat", around(Objects, "create", _one_name), ("test_generate_name_makes_a_name",)),
    Defect("generations are not counted", instead(Kind, "counts_generations", False), (
        "test_a_spec_change_counts_as_a_generation_and_a_label_does_not", "test_an_apply_that_changes_nothing_keeps_the_version",
    )),
    Defect("the status is written with the object", around(Objects, "_update", _with_status), (
        r"test_the_status_is_written_through_its_subresource_alone\[.*",
    )),
    Defect("a scale is not written", instead(handling, "scaled", lambda kind, doc, *_: copy.deepcopy(doc)), (
        r"test_scale_reads_and_writes_the_replicas_alone\[.*", "test_a_negative_scale_is_invalid",
    )),
    Defect("texts of a Secret are lost", around(Objects, "create", _without_texts), ("test_secret_texts_become_data",)),
)  # fmt: skip

PATCHES = (
    Defect(
        "a strategic merge is a plain one",
        instead(patches, "strategic", _plain_merge),
        (r"test_strategic_merge_(knows|orders|merges|deletes|replaces)_.*",),
    ),
    Defect(
        "custom kinds take strategic merges",
        instead(objects, "check_type", lambda *_: None),
        (
            "test_strategic_merge_of_a_custom_kind_is_an_unsupported_type",
            r"test_an_odd_patch_is_refused_and_changes_nothing\[(an unknown patch type|plain JSON)\]",
        ),
    ),
    Defect(
        "no JSON patch applies",
        instead(patches, "_json_patched", _never),
        (r"test_a_json_patch_applies_or_is_refused\[(add|replace|replace of .*|remove|test that holds|move|copy|no list)\]",),
    ),
    Defect(
        "a JSON patch that does not apply is skipped",
        around(patches, "_json_patched", _skipped),
        (r"test_a_json_patch_applies_or_is_refused\[.*",),
    ),
    Defect(
        "what is wrong with a patch is not told",
        around(Objects, "patch", _accepted),
        (r"test_an_odd_patch_is_refused_and_changes_nothing\[.*", "test_a_patch_of_what_is_not_there_is_refused"),
    ),
    Defect(
        "patches change nothing",
        instead(objects, "patched", lambda content, doc, *_: doc),
        (
            r"test_a_merge_adds_changes_and_removes\[(merge|strategic)-(a key.*|null removes.*)\]",
            "test_a_merge_patch_replaces_lists_whole",
            r"test_kubectl_applies_(changes_and_drops|workloads_and_custom_kinds)\[client-side\]",
        ),
    ),
    Defect(
        "patches empty the object",
        instead(objects, "patched", lambda content, doc, *_: {key: value for key, value in doc.items() if key != "data"}),
        (r"test_a_merge_adds_changes_and_removes\[(merge|strategic)-null of nothing.*\]",),
    ),
)

APPLIES = (
    Defect(
        "no conflict is found",
        instead(ownership, "conflicts", lambda *_: []),
        (
            r"test_a_conflict_names_manager_and_field\[.*",
            "test_several_conflicts_are_told_by_manager",
            "test_a_plain_write_takes_the_field_and_the_next_apply_conflicts",
            "test_a_conflict_in_a_container_is_named_by_key",
            "test_lists_of_a_custom_kind_are_merged_as_its_schema_says",
            "test_a_scale_takes_the_replicas_over",
        ),
    ),
    Defect(
        "what an applier leaves out stays",
        instead(ownership, "pruned", lambda doc, *_: doc),
        (
            "test_what_an_applier_leaves_out_goes",
            "test_containers_are_owned_one_by_one",
            "test_environment_and_ports_are_owned_by_their_keys",
            "test_leaving_out_a_field_of_one_s_own_resets_it_to_the_default",
            "test_finalizers_are_a_set_each_owned_apart",
        ),
    ),
    Defect(
        "an apply replaces",
        instead(ownership, "applied", lambda live, config, _: copy.deepcopy(dict(config))),
        ("test_what_others_wrote_stays", "test_service_ports_are_owned_by_port_and_protocol"),
    ),
    Defect(
        "nobody owns anything",
        instead(Objects, "_own", lambda self, doc, entries: doc["metadata"].pop("managedFields", None)),
        (
            "test_apply_creates_and_owns_what_it_says",
            "test_force_takes_the_field_over",
            "test_equal_values_are_owned_together",
        ),
    ),
    Defect(
        "maps belong to nobody",
        instead(ownership, "maps_of", lambda *_, **__: set()),
        ("test_a_map_stays_its_writer_s_when_all_in_it_was_taken",),
    ),
    Defect(
        "an apply to what is there changes nothing",
        instead(Objects, "_apply_on", lambda self, kind, old, *_: old),
        (
            "test_a_scale_to_zero_is_owned_by_nobody",
            r"test_kubectl_applies_(changes_and_drops|workloads_and_custom_kinds)\[server-side\]",
            "test_helm_installs_.*",
            "test_the_operator_s_helm_does_what_stock_helm_does",
            "test_stock_helm_sees_the_operator_s_release",
        ),
    ),
    Defect("an odd apply is mended", around(Objects, "apply", _kindly_applied), (
        r"test_an_odd_apply_is_refused\[(no manager|managed fields|another name)\]",
    )),
    Defect("an apply's fields are not looked at", instead(Finisher, "check_typed", lambda *_: None), (
        r"test_an_odd_apply_is_refused\[an unknown field\]",
    )),
)  # fmt: skip

ENDS = (
    Defect(
        "a deletion waits for nothing",
        instead(Objects, "_terminate", lambda self, kind, doc, *_: self._remove(kind, doc)),
        (
            "test_an_object_with_finalizers_waits_for_them",
            "test_an_end_that_has_begun_cannot_be_taken_back",
            "test_a_deletion_counts_as_a_generation",
            "test_foreground_deletion_takes_the_dependents_first",
            "test_a_namespace_that_ends_takes_everything_and_lets_nothing_in",
            "test_a_pod_on_a_node_gets_its_grace",
        ),
    ),
    Defect(
        "dependents outlive their owners",
        instead(Collector, "_check_owners", lambda *_: None),
        (
            "test_what_an_object_owned_goes_after_it",
            "test_what_two_own_goes_with_the_last",
            "test_an_object_of_an_owner_that_never_was_goes",
            "test_deleting_a_deployment_takes_its_sets_and_pods",
        ),
    ),
    Defect("dependents are not released", instead(Collector, "_release", lambda *_: None), ("test_orphaning_leaves_the_dependents",)),
    Defect(
        "a deletion is promised and forgotten",
        instead(Objects, "delete", lambda self, kind, namespace, name, *_: self.get(kind, namespace, name)),
        (r"test_a_policy_holds_for_objects_without_dependents_too\[.*",),
    ),
    Defect("preconditions are overlooked", around(Objects, "delete", _unconditional), (r"test_a_deletion_with_a_precondition_.*",)),
    Defect("any policy will do", around(Objects, "delete", _any_policy), (r"test_an_option_that_is_none_is_invalid\[propagation\]",)),
    Defect("a deletion answers with the object", instead(handling, "TOLD_WHEN_DELETED", {"ConfigMap"}), (
        "test_a_deletion_is_told_as_a_success_with_the_uid",
    )),
    Defect("any namespace will do", instead(Objects, "_check_namespace", lambda *_: None), (
        "test_nothing_is_made_in_a_namespace_that_is_not_there",
    )),
)  # fmt: skip

DEFECTS = (*WRITES, *PATCHES, *APPLIES, *ENDS)
