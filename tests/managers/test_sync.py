"""Claims about sync in virtual time: what Git says comes, what it no longer says goes, nobody else's work is undone."""

import json
from typing import Any

import pytest

from gitops_canary.domain.resources import Ref
from gitops_canary.managers.applier import REPLICAS_MANAGER, Applier
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.managers.sync import OBJECT, SyncManager, SyncRules
from gitops_canary.manifests.tree import read_tree
from gitops_canary.ports import Turn, Wake
from tests.managers.gitops_world import Lines
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster
from tests.memory.repository import MemoryRepository

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: test\n"
CONFIG = Ref("v1", "ConfigMap", "test", "settings")


def config(name: str = "settings", value: str = "1", annotations: str = "") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: test\n{annotations}data:\n  value: '{value}'\n"


def deployment(image: str = "podinfo:3.1.0", replicas: int = 5) -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: test\nspec:\n"
        f"  replicas: {replicas}\n  selector:\n    matchLabels:\n      app: web\n"
        "  template:\n    metadata:\n      labels:\n        app: web\n"
        f"    spec:\n      containers:\n      - name: web\n        image: {image}\n"
    )


WEB = Ref("apps/v1", "Deployment", "test", "web")


class World:
    """A repository, a cluster and the sync manager between them."""

    def __init__(
        self,
        files: dict[str, str],
        tag: str = "",
        unknown: tuple[tuple[str, str], ...] = (),
        paths: tuple[str, ...] = (),
        **rules: Any,
    ) -> None:
        self.clock, self.lines = VirtualClock(), Lines()
        self.repository = MemoryRepository({path: text.encode() for path, text in files.items()})
        self.cluster = MemoryCluster(unknown=unknown)
        self.rules, self.paths = SyncRules(tag=tag, **rules), paths
        self.restart()

    def restart(self) -> None:
        store, applier = InventoryStore(self.cluster, "gitops-canary"), Applier(self.cluster)
        self.sync = SyncManager(
            self.repository, self.cluster, lambda tree: read_tree(tree, self.paths), store, applier, self.rules, self.lines
        )

    def turn(self, *keys: str) -> Turn:
        return self.sync.ensure(self.clock.now(), frozenset(keys or ("fetch",)))

    def object(self, ref: Ref) -> dict[str, Any] | None:
        return self.cluster.live(ref)

    def marker(self) -> str:
        return str((self.object(Ref("v1", "ConfigMap", "gitops-canary", "gitops-canary-inventory-0")) or {})["data"]["revision"])

    def said(self, words: str) -> bool:
        return any(words in sentence for sentence in self.lines.sentences)


def test_F1_on_an_empty_cluster_everything_is_made_and_the_marker_is_the_head() -> None:
    world = World({"namespaces/test.yaml": NAMESPACE, "a.yaml": config(), "web.yaml": deployment()})
    turn = world.turn()
    assert world.object(CONFIG) is not None
    assert world.object(WEB) is not None
    assert world.marker() == world.repository.head()
    assert Wake("images") in turn.wakes


def test_F1_with_sync_state_git_the_tag_is_moved_as_flux_did() -> None:
    world = World({"a.yaml": config()}, tag="flux-sync")
    world.turn()
    assert world.repository.marks == {"flux-sync": world.repository.head()}


def test_F2_a_change_by_hand_is_applied_and_the_marker_follows() -> None:
    world = World({"web.yaml": deployment()})
    world.turn()
    world.repository.human_pushes({"web.yaml": deployment("podinfo:3.1.1")})
    world.turn()
    assert (world.object(WEB) or {})["spec"]["template"]["spec"]["containers"][0]["image"] == "podinfo:3.1.1"
    assert world.marker() == world.repository.head()


def test_F3_O2_of_a_duplicate_neither_is_applied_the_rest_is_and_the_marker_stays() -> None:
    world = World({"web.yaml": deployment()})
    world.turn()
    before = world.marker()
    world.repository.human_pushes({"copy.yaml": deployment("podinfo:3.1.1"), "a.yaml": config()})
    world.turn()
    assert world.said("duplicate definition of Deployment test/web in copy.yaml:1 and web.yaml:1")
    assert (world.object(WEB) or {})["spec"]["template"]["spec"]["containers"][0]["image"] == "podinfo:3.1.0"
    assert world.object(CONFIG) is not None
    assert world.marker() == before


def test_F4_a_deleted_manifest_takes_its_object_with_it() -> None:
    world = World({"a.yaml": config(), "b.yaml": config("other")})
    world.turn()
    world.repository.human_pushes({"a.yaml": None})
    world.turn()
    assert world.object(CONFIG) is None
    assert world.object(Ref("v1", "ConfigMap", "test", "other")) is not None
    assert world.marker() == world.repository.head()


def test_F15_an_object_that_sync_did_not_make_is_never_pruned() -> None:
    world = World({"a.yaml": config()})
    world.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "test"}})
    world.turn()
    world.repository.human_pushes({"a.yaml": None, "b.yaml": config("new")})
    world.turn()
    assert world.object(Ref("v1", "ConfigMap", "test", "theirs")) is not None


@pytest.mark.parametrize("value", ["true", "sync_only"])
def test_F15_an_object_that_is_to_be_ignored_stays_when_its_manifest_goes(value: str) -> None:
    world = World({"a.yaml": config()})
    world.turn()
    world.cluster.change(CONFIG, {"metadata": {"annotations": {"fluxcd.io/ignore": value}}})
    world.repository.human_pushes({"a.yaml": None})
    world.turn()
    assert world.object(CONFIG) is not None


ROLE = Ref("rbac.authorization.k8s.io/v1", "ClusterRole", "", "readers")
ROLE_TEXT = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: readers\n"


@pytest.mark.parametrize("known", ["in the same turn", "before the next turn"])
def test_F15_a_cluster_scoped_object_whose_kind_comes_later_is_applied_and_never_pruned(
    known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World({"a.yaml": config(), "role.yaml": ROLE_TEXT}, unknown=((ROLE.api_version, ROLE.kind),))
    apply = world.cluster.apply

    def defining(doc: dict[str, Any], **given: Any) -> dict[str, Any]:
        """As a CustomResourceDefinition's apply: afterwards the kind is served."""
        world.cluster.learn(ROLE.api_version, ROLE.kind)
        return apply(doc, **given)

    with monkeypatch.context() as patched:
        if known == "in the same turn":
            patched.setattr(world.cluster, "apply", defining)
        world.turn()
    world.cluster.learn(ROLE.api_version, ROLE.kind)
    for _ in range(4):
        world.clock.advance(11)
        world.turn()
    assert world.object(ROLE) is not None
    assert [request for request in world.cluster.faults.effects if "delete ClusterRole" in request] == []
    assert world.marker() == world.repository.head()
    world.repository.human_pushes({"role.yaml": None})
    world.turn()
    assert world.object(ROLE) is None


def test_F15_a_cluster_scoped_object_whose_kind_is_unknown_for_a_while_stays_in_the_inventory() -> None:
    world = World({"a.yaml": config(), "role.yaml": ROLE_TEXT})
    world.turn()
    world.cluster.forget(ROLE.api_version, ROLE.kind)
    world.repository.human_pushes({"b.yaml": config("other")})
    world.turn()
    world.cluster.learn(ROLE.api_version, ROLE.kind)
    assert world.object(ROLE) is not None
    world.repository.human_pushes({"role.yaml": None})
    world.turn()
    assert world.object(ROLE) is None


def test_F15_an_object_whose_apply_is_refused_is_not_pruned() -> None:
    world = World({"a.yaml": config(), "b.yaml": config("other")})
    world.turn()
    world.repository.human_pushes({"a.yaml": config(value="2"), "b.yaml": None})
    world.cluster.refused.add(str(CONFIG))
    world.turn()
    assert world.said("cannot apply ConfigMap test/settings (a.yaml:1): ")
    assert world.object(CONFIG) is not None
    world.cluster.refused.clear()
    world.clock.advance(11)
    world.turn()
    assert (world.object(CONFIG) or {})["data"] == {"value": "2"}
    assert world.object(Ref("v1", "ConfigMap", "test", "other")) is None


def test_F15_an_object_that_carries_a_copy_of_anothers_marks_is_never_pruned() -> None:
    world = World({"a.yaml": config()})
    world.turn()
    ours = world.object(CONFIG) or {}
    kept = {key: value for key, value in ours["metadata"].items() if key not in ("uid", "resourceVersion", "name")}
    world.cluster.put({**ours, "metadata": {**kept, "name": "copied"}}, manager="gitops-canary")
    world.repository.human_pushes({"a.yaml": None, "b.yaml": config("new")})
    world.turn()
    assert world.object(CONFIG) is None
    assert world.object(Ref("v1", "ConfigMap", "test", "copied")) is not None


def test_F15_without_garbage_collection_what_is_missing_stays_and_is_said() -> None:
    world = World({"a.yaml": config(), "b.yaml": config("other")}, prune=False)
    world.turn()
    world.repository.human_pushes({"a.yaml": None})
    world.turn()
    assert world.object(CONFIG) is not None
    assert world.said("1 object is missing from Git and stay, because --sync-garbage-collection is off")


@pytest.mark.parametrize("kept_by", ["an annotation", "an owner"])
def test_F15_what_stays_is_not_said_to_be_pruned(kept_by: str) -> None:
    world = World({"a.yaml": config()})
    world.turn()
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "boss", "uid": "u"}
    ways = {"an annotation": {"annotations": {"fluxcd.io/ignore": "true"}}, "an owner": {"ownerReferences": [owner]}}
    world.cluster.change(CONFIG, {"metadata": ways[kept_by]})
    world.repository.human_pushes({"a.yaml": None})
    world.turn()
    assert world.object(CONFIG) is not None
    assert not world.said("Pruned")
    assert world.said("Left ConfigMap test/settings, which a.yaml does not say any more: ")


def test_F16_the_namespace_of_a_file_counts_and_that_of_a_cluster_scoped_kind_is_dropped() -> None:
    plain = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\n"
    role = ROLE_TEXT + "  namespace: test\n"
    world = World({"a.yaml": config(), "plain.yaml": plain, "role.yaml": role}, default_namespace="apps")
    world.turn()
    assert world.object(CONFIG) is not None
    assert world.object(Ref("v1", "ConfigMap", "apps", "plain")) is not None
    assert "namespace" not in (world.object(ROLE) or {})["metadata"]
    world.repository.human_pushes({"plain.yaml": None})
    world.turn()
    assert world.object(Ref("v1", "ConfigMap", "apps", "plain")) is None
    assert world.object(ROLE) is not None


def test_F16_objects_without_a_namespace_get_the_default_one() -> None:
    world = World({"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\n"})
    world.turn()
    assert world.object(Ref("v1", "ConfigMap", "default", "plain")) is not None


def test_a_broken_file_is_named_with_its_line_and_stops_nothing_but_the_pruning() -> None:
    world = World({"a.yaml": config(), "b.yaml": config("other")})
    world.turn()
    world.repository.human_pushes({"b.yaml": "a: b\n\tc: d\n", "c.yaml": config("third")})
    world.turn()
    assert world.said("cannot read b.yaml:2: it is not YAML")
    assert world.object(Ref("v1", "ConfigMap", "test", "third")) is not None
    assert world.object(Ref("v1", "ConfigMap", "test", "other")) is not None


def test_F16_a_folder_that_was_renamed_is_named_and_nothing_of_it_is_pruned() -> None:
    world = World({"releases/a.yaml": config()}, paths=("./releases/",))
    world.turn()
    assert world.object(CONFIG) is not None
    world.repository.human_pushes({"releases/a.yaml": None, "apps/a.yaml": config()})
    world.turn()
    assert world.said("cannot read releases: the repository has no file there; correct --git-path")
    assert world.object(CONFIG) is not None


def test_a_kind_that_the_cluster_does_not_know_is_said_and_the_rest_applied() -> None:
    strange = "apiVersion: example.com/v1\nkind: Strange\nmetadata:\n  name: x\n  namespace: test\n"
    world = World({"a.yaml": config(), "s.yaml": strange}, unknown=(("example.com/v1", "Strange"),))
    world.turn()
    assert world.said("cannot apply Strange test/x (s.yaml:1): the cluster does not know example.com/v1 Strange")
    assert world.object(CONFIG) is not None


def test_O2_nothing_changed_costs_no_request() -> None:
    world = World({"a.yaml": config(), "web.yaml": deployment()})
    world.turn()
    world.cluster.requests.clear()
    world.clock.advance(301)
    world.turn()
    assert [request for request in world.cluster.requests if "inventory" not in request] == []


def test_O2_what_others_change_is_put_right_at_once() -> None:
    world = World({"web.yaml": deployment()})
    world.turn()
    world.cluster.change(WEB, {"spec": {"progressDeadlineSeconds": 1, "replicas": 1}})
    world.turn(f"{OBJECT}{WEB}")
    assert (world.object(WEB) or {})["spec"]["replicas"] == 5
    assert (world.object(WEB) or {})["spec"]["progressDeadlineSeconds"] == 1
    assert world.said("Put Deployment test/web right")


def test_O2_a_rewound_branch_is_adopted_without_pruning_and_what_it_lost_is_marked() -> None:
    world = World({"a.yaml": config()})
    first = world.repository.fetch()
    world.repository.human_pushes({"b.yaml": config("lost")})
    world.turn()
    world.repository.rewind(first)
    world.repository.human_pushes({"c.yaml": config("new")})
    world.turn()
    lost = Ref("v1", "ConfigMap", "test", "lost")
    assert world.object(lost) is not None
    assert world.object(Ref("v1", "ConfigMap", "test", "new")) is not None
    world.restart()
    world.turn()
    assert world.object(lost) is not None


def test_O1_a_new_workload_begins_with_the_replicas_of_its_file_although_a_canary_scales_it() -> None:
    meta = {"name": "web", "namespace": "test"}
    spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    canary = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": meta, "spec": spec}
    world = World({"web.yaml": deployment(replicas=3), "canary.yaml": json.dumps(canary)})
    world.turn()
    assert (world.object(WEB) or {})["spec"]["replicas"] == 3
    world.cluster.scale(WEB, 0)
    world.repository.human_pushes({"web.yaml": deployment("podinfo:3.1.1", replicas=3)})
    world.turn()
    assert (world.object(WEB) or {})["spec"]["replicas"] == 0


def test_O1_replicas_of_a_scaled_workload_are_handed_over_with_their_live_value() -> None:
    world = World({"web.yaml": deployment(replicas=2)})
    world.turn()
    world.cluster.scale(WEB, 5)
    canary = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    meta = {"name": "web", "namespace": "test"}
    world.cluster.put({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": meta, "spec": canary})
    world.repository.human_pushes({"web.yaml": deployment("podinfo:3.1.1", replicas=2)})
    world.turn()
    live = world.object(WEB) or {}
    assert live["spec"]["replicas"] == 5
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "podinfo:3.1.1"
    assert REPLICAS_MANAGER in world.cluster.owned[WEB.identity]


def test_O1_a_service_that_a_canary_took_over_is_left_to_it() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: test\nspec:\n  selector:\n    app: web\n"
    ref = Ref("v1", "Service", "test", "web")
    world = World({"s.yaml": service})
    world.turn()
    owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "web", "uid": "u", "controller": True}
    world.cluster.change(ref, {"metadata": {"ownerReferences": [owner]}, "spec": {"selector": {"app": "web-primary"}}})
    world.turn(f"{OBJECT}{ref}")
    world.clock.advance(301)
    world.turn()
    assert (world.object(ref) or {})["spec"]["selector"] == {"app": "web-primary"}


def test_a_manifest_that_moves_to_another_file_is_neither_applied_again_nor_pruned() -> None:
    world = World({"a.yaml": config()})
    world.turn()
    version = (world.object(CONFIG) or {})["metadata"]["resourceVersion"]
    world.repository.human_pushes({"a.yaml": None, "moved/a.yaml": config()})
    world.turn()
    assert (world.object(CONFIG) or {})["metadata"]["resourceVersion"] == version


def test_an_api_server_that_is_away_is_said_and_everything_comes_when_it_is_back() -> None:
    world = World({"a.yaml": config()})
    world.cluster.faults.away.add("cluster")
    world.turn()
    world.cluster.faults.away.clear()
    world.clock.advance(11)
    world.turn()
    assert world.object(CONFIG) is not None


@pytest.mark.parametrize(("away", "asked"), [("cluster", ()), ("git", ("fetch",))])
def test_O2_what_others_changed_during_an_outage_is_put_right_after_it(away: str, asked: tuple[str, ...]) -> None:
    world = World({"web.yaml": deployment()})
    world.turn()
    world.cluster.change(WEB, {"spec": {"replicas": 1}})
    faults = (world.cluster if away == "cluster" else world.repository).faults
    faults.away.add(away)
    world.turn(*asked, f"{OBJECT}{WEB}")
    faults.away.clear()
    world.clock.advance(11)
    world.turn(*asked)
    assert (world.object(WEB) or {})["spec"]["replicas"] == 5
