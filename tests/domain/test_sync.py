"""Claims about sync planning: order, duplicates, pruning by the inventory, rewritten branches, drift by projection."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.inventory import decode, encode
from gitops_canary.domain.resources import Ref, Resource, ref_of
from gitops_canary.domain.sync import Entry, Inventory, Skipped, digest, plan_sync, projection, scaled_targets


def resource(kind: str, name: str, namespace: str = "test", file: str = "a.yaml", **spec: Any) -> Resource:
    doc = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return Resource(ref_of(doc), doc, file, 0, 1)


def applied(*resources: Resource, revision: str = "r1") -> Inventory:
    return Inventory(revision).with_entries(Entry(r.ref, r.file, digest(r.doc)) for r in resources)


def names(refs: Any) -> list[str]:
    return [item.ref.name for item in refs]


def test_F16_namespaces_come_first_then_secrets_then_workloads_then_releases() -> None:
    resources = (resource("HelmRelease", "hr"), resource("Deployment", "d"), resource("Secret", "s"), resource("Namespace", "n", ""))
    assert names(plan_sync(resources, (), Inventory()).applies) == ["n", "s", "d", "hr"]


def test_what_did_not_change_is_not_applied_again() -> None:
    same, changed = resource("Secret", "same"), resource("Secret", "changed", value=1)
    plan = plan_sync((same, resource("Secret", "changed", value=2)), (), applied(same, changed))
    assert names(plan.applies) == ["changed"]
    assert names(plan.unchanged) == ["same"]


def test_O2_neither_definition_of_a_duplicate_is_applied_and_the_rest_is() -> None:
    one, two, other = resource("Secret", "s", file="a.yaml"), resource("Secret", "s", file="b.yaml", x=1), resource("Secret", "other")
    plan = plan_sync((one, two, other), (), applied(one))
    assert names(plan.applies) == ["other"]
    assert plan.prunes == ()
    assert [s.sentence for s in plan.skipped] == ["duplicate definition of Secret test/s in a.yaml:1 and b.yaml:1: none of them is applied"]


def test_two_api_groups_may_have_the_same_kind_and_name() -> None:
    doc = {"apiVersion": "helm.fluxcd.io/v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "test"}}
    plan = plan_sync((resource("Secret", "s"), Resource(ref_of(doc), doc, "b.yaml", 0, 1)), (), Inventory())
    assert len(plan.applies) == 2


def test_F4_what_git_does_not_say_any_more_is_pruned_in_reverse_order() -> None:
    inventory = applied(resource("Namespace", "n", ""), resource("Deployment", "d"), resource("Secret", "kept"))
    plan = plan_sync((resource("Secret", "kept"),), (), inventory)
    assert names(plan.prunes) == ["d", "n"]


def test_nothing_is_pruned_while_a_file_cannot_be_read() -> None:
    plan = plan_sync((), (Skipped("x.yaml:3", "cannot read x.yaml:3: a tab"),), applied(resource("Secret", "s")))
    assert plan.prunes == ()
    assert plan.held == "1 object is missing from Git, but nothing is pruned until every file can be read"


def test_O2_a_rewritten_branch_is_adopted_without_pruning_and_what_it_lost_is_marked_orphaned() -> None:
    lost = resource("Secret", "lost")
    plan = plan_sync((), (), applied(lost), rewritten=True)
    assert plan.prunes == ()
    assert [entry.orphaned for entry in plan.orphans] == [True]
    later = plan_sync((), (), applied().with_entries(plan.orphans))
    assert later.prunes == ()


@pytest.mark.parametrize("value", ["true", "sync_only"])
def test_F15_an_ignored_manifest_is_not_pruned(value: str) -> None:
    doc = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {"fluxcd.io/ignore": value}}}
    plan = plan_sync((Resource(ref_of(doc), doc, "a.yaml", 0, 1),), (), Inventory())
    assert len(plan.applies) == (0 if value == "true" else 1)
    assert plan.prunes == ()


def test_a_changed_file_name_alone_applies_nothing() -> None:
    plan = plan_sync((resource("Secret", "s", file="new.yaml"),), (), applied(resource("Secret", "s", file="old.yaml")))
    assert (plan.applies, plan.prunes) == ((), ())


def test_O1_canaries_and_autoscalers_own_the_replicas_of_their_targets() -> None:
    canary = {"kind": "Canary", "metadata": {"namespace": "test"}, "spec": {"targetRef": {"kind": "Deployment", "name": "a"}}}
    hpa = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": "test"},
        "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "b"}},
    }
    assert scaled_targets([canary, hpa, {"kind": "Secret"}]) == {("Deployment", "test", "a"), ("StatefulSet", "test", "b")}


PROJECTIONS = [
    pytest.param({"a": 1, "b": 2}, {"a": 1}, {"a": 1}, id="others' keys are not ours"),
    pytest.param({}, {"a": 1}, {"a": None}, id="a missing key shows"),
    pytest.param({"c": [{"name": "x"}, {"name": "sidecar"}]}, {"c": [{"name": "x"}]}, {"c": [{"name": "x"}]}, id="by name"),
    pytest.param({"c": [1, 2]}, {"c": [1]}, {"c": [1, 2]}, id="a longer list shows"),
]


@pytest.mark.parametrize(("live", "wanted", "seen"), PROJECTIONS)
def test_a_projection_shows_what_the_manifest_speaks_about(live: Any, wanted: Any, seen: Any) -> None:
    assert projection(live, wanted) == seen


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(documents)
def test_a_manifest_projected_on_itself_is_itself(doc: Any) -> None:
    assert projection(doc, doc) == doc


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
entries = st.builds(Entry, st.builds(Ref, texts, texts, texts, texts), texts, texts, st.booleans())


@given(st.lists(entries, max_size=20), st.integers(1, 400))
def test_O2_an_inventory_of_any_size_comes_back_from_its_config_maps(found: list[Entry], limit: int) -> None:
    inventory = Inventory("abc").with_entries(found)
    assert decode(encode(inventory, limit)) == inventory
    assert dict(decode(encode(inventory, limit)).entries) == dict(inventory.entries)


def test_O2_no_config_map_of_the_inventory_outgrows_its_limit() -> None:
    inventory = Inventory("abc").with_entries(Entry(Ref("v1", "Secret", "n", f"s{i}"), "f.yaml", "d") for i in range(1000))
    shards = encode(inventory, 4096)
    assert len(shards) > 5
    assert all(len(shard["objects"]) <= 4096 for shard in shards)


def test_an_edited_inventory_is_refused_with_its_name() -> None:
    with pytest.raises(UserError, match="gitops-canary-inventory-0"):
        decode([{"objects": "not ours"}])
