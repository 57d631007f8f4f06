"""Claims about the rules R, O and G as far as the canaries lane keeps them; their ids are in the names."""

import copy
from typing import Any

import pytest

from gitops_canary.domain.canary.model import holds_bumps
from gitops_canary.domain.canary.status import MOST_PENDING
from gitops_canary.domain.resources import Ref
from gitops_canary.managers.canaries.rules import CanaryRules, Knows
from gitops_canary.ports import Answer, Ask, HookAsk
from tests.managers.canaries.test_stories import bad_rate
from tests.managers.canaries.world import NEW, NEWER, OLD, World, canary_doc, config_map, deployment, scaler
from tests.memory.checks import all_good

VIRTUAL_SERVICE = Ref("networking.istio.io/v1beta1", "VirtualService", "test", "frontend")
APEX = Ref("v1", "Service", "test", "frontend")


def test_an_idle_canary_costs_no_request_and_an_advance_two_writes_and_one_event() -> None:
    world = World().initialised(deployment(config="frontend"), canary_doc(), config_map(timeout="30s"))
    before = len(world.cluster.requests)
    world.run_for(3600)
    assert world.cluster.requests[before:] == []
    world.deploy(NEW)
    world.ticks(2)
    before = len(world.cluster.requests)
    world.ticks()
    assert world.cluster.requests[before:] == [
        "apply VirtualService test/frontend",
        "tell Advance frontend.test canary weight 15",
        "patch Canary test/frontend status",
    ]


def test_R1_wakes_between_ticks_move_neither_weights_nor_checks() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(2)
    asked = len(world.checks.asked)
    for _ in range(20):
        world.operator.wake("canaries", "test/frontend")
        world.run_for(0.5)
    assert (world.split(), len(world.checks.asked)) == ((90, 10), asked)


def test_R1_answers_of_a_superseded_run_are_dropped() -> None:
    late: list[Ask] = []

    def slow(ask: Ask) -> Answer | None:
        if not isinstance(ask, HookAsk) or "-1/" not in ask.key:
            return all_good(ask)
        late.append(ask)
        return None

    world = World(judge=slow)
    world.initialised(deployment(), canary_doc(analysis={"webhooks": [{"name": "slow", "type": "pre-rollout", "url": "http://s/"}]}))
    world.deploy(NEW)
    world.ticks(2)
    assert late
    assert world.split() == (100, 0)
    world.deploy(NEWER)
    world.judge = lambda ask: Answer(ask.key, "failed") if "-1/" in ask.key else all_good(ask)
    world.until("Succeeded")
    assert (world.image(world.primary), world.recorded[-1]["failed_checks"]) == (NEWER, 0)


def test_R1_a_tick_whose_check_is_in_flight_waits_for_the_answer_and_wakes_on_it() -> None:
    silent = {"now": True}
    world = World(judge=lambda ask: None if silent["now"] else all_good(ask))
    hook = {"name": "slow", "type": "pre-rollout", "url": "http://s/"}
    world.initialised(deployment(), canary_doc(analysis={"webhooks": [hook]}))
    world.deploy(NEW)
    world.ticks(4)
    assert (world.split(), len(world.checks.asked)) == ((100, 0), 1)
    silent["now"] = False
    world.settle()
    assert world.split() == (95, 5)


def test_R2_the_next_weight_comes_from_the_status_and_the_route_is_put_right() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(3)
    route = copy.deepcopy(world.cluster.whole(VIRTUAL_SERVICE)["spec"]["http"])
    route[0]["route"][0]["weight"], route[0]["route"][1]["weight"] = 100, 0
    world.cluster.change(VIRTUAL_SERVICE, {"spec": {"http": route}})
    world.settle()
    assert world.split() == (85, 15)
    world.ticks()
    assert world.split() == (80, 20)


def test_F28_a_route_that_a_person_deletes_in_mid_run_comes_back_with_the_runs_weight() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(3)
    world.cluster.remove(VIRTUAL_SERVICE)
    world.settle()
    assert world.split() == (85, 15)
    world.ticks()
    assert world.split() == (80, 20)


def test_F27_pods_that_die_in_mid_run_get_no_traffic_and_the_run_rolls_back_at_its_deadline() -> None:
    world = World().initialised(deployment(), canary_doc(progressDeadlineSeconds=60))
    world.deploy(NEW)
    world.ticks(5)
    assert world.split() == (75, 25)
    dead = {"availableReplicas": 0, "readyReplicas": 0}
    world.controllers.never_ready.add(NEW)
    world.cluster.change(world.target, {"status": dead})
    world.settle()
    assert world.split() == (100, 0), "at once, not at the next tick"
    world.ticks(2)
    assert (world.split(), world.status["canaryWeight"], world.status["failedChecks"]) == ((100, 0), 25, 0)
    world.until("Failed", limit=400)
    assert (world.split(), world.image(world.primary)) == ((100, 0), OLD)
    assert world.recorded[-1]["outcome"] == "rolled-back"


def test_F27_pods_that_come_back_in_mid_run_get_their_share_back_and_the_run_goes_on() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(5)
    before = world.cluster.get(world.target)
    assert before
    world.controllers.never_ready.add(NEW)
    world.cluster.change(world.target, {"status": {"availableReplicas": 0, "readyReplicas": 0}})
    world.settle()
    assert world.split() == (100, 0)
    world.controllers.never_ready.clear()
    world.cluster.change(world.target, {"status": before["status"]})
    world.settle()
    assert world.split() == (75, 25)
    world.ticks()
    assert world.split() == (70, 30)


def test_R2_a_restart_neither_repeats_nor_hurries_a_tick() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(2)
    world.run_for(5)
    for _ in range(4):
        world.restart()
        world.run_for(2)
    assert world.split() == (90, 10)
    world.run_for(2.5)
    assert world.split() == (85, 15)


def test_R3_from_is_fixed_at_the_start_of_the_run() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.deploy(NEWER)
    was = world.status["run"]["was"]
    assert (was["image"], was["template"]) == (OLD, world.status["lastPromotedSpec"])


def test_R4_R6_what_was_analysed_is_promoted_although_the_target_has_moved_on() -> None:
    """R6 as well: 100/0 at once, the pinned revision is promoted, the newer one gets its own run afterwards."""
    world = World().initialised(deployment(), canary_doc(analysis={"stepWeight": 50}))
    world.controllers.never_ready.add(f"frontend-primary@{NEW}")
    world.deploy(NEW)
    world.until("Promoting")
    assert world.split() == (50, 50)
    world.deploy(NEWER)
    assert (world.phase, world.split()) == ("Promoting", (100, 0))
    world.controllers.never_ready.clear()
    world.settle()
    assert world.recorded[0]["now"]["image"] == world.image(world.primary) == NEW
    assert (world.phase, world.status["run"]["number"]) == ("Progressing", 2)
    world.until("Succeeded")
    assert [(one["outcome"], one["now"]["image"]) for one in world.recorded] == [("promoted", NEW), ("promoted", NEWER)]


def test_R4_a_template_that_is_gone_before_the_copy_is_superseded() -> None:
    world = World().initialised(deployment(), canary_doc(analysis={"stepWeight": 100, "maxWeight": 100}))
    world.deploy(NEW)
    world.ticks(1)
    world.faults.away.add("cluster: apply Deployment")
    world.ticks(1)
    assert world.phase == "Promoting"
    for one in list(world.cluster.list("apps/v1", "ReplicaSet")):
        world.cluster.remove(Ref("apps/v1", "ReplicaSet", "test", one["metadata"]["name"]))
    world.upgrade(NEWER)
    world.faults.away.clear()
    world.until("Succeeded", limit=600)
    assert [one["outcome"] for one in world.recorded] == ["superseded", "promoted"]
    assert world.image(world.primary) == NEWER


def test_R5_a_run_ends_in_exactly_one_result_each_time_a_newer_tag_comes() -> None:
    world = World().initialised()
    for number, image in enumerate((NEW, NEWER, "podinfo:3.1.3", "podinfo:3.1.4"), 1):
        world.deploy(image)
        assert world.status["run"]["number"] == number
        world.ticks(2)
    world.until("Succeeded")
    assert [(one["number"], one["outcome"]) for one in world.recorded] == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "superseded"),
        (4, "promoted"),
    ]


def test_R7_a_revert_of_a_config_after_a_failure_starts_no_run() -> None:
    world = World(judge=bad_rate()).initialised(
        deployment(config="frontend"), canary_doc(analysis={"threshold": 1}), config_map(timeout="30s")
    )
    world.cluster.put(config_map(timeout="25s"))
    world.until("Failed")
    world.cluster.put(config_map(timeout="30s"))
    world.settle()
    before = len(world.cluster.requests)
    world.run_for(300)
    assert (world.phase, world.cluster.requests[before:], len(world.recorded)) == ("Failed", [], 1)
    world.cluster.put(config_map(timeout="25s"))
    world.settle()
    assert world.phase == "Progressing"


R8 = {
    "Git asked for it": (OLD, "Succeeded", False),
    "the file still holds the new tag": (NEW, "Failed", True),
    "nobody knows": (None, "Succeeded", False),
}


@pytest.mark.parametrize("name", R8)
def test_R8_a_revert_in_mid_run_aborts_it(name: str) -> None:
    image, phase, differs = R8[name]
    world = World(knows=Knows(file_image=lambda key, container: image)).initialised()
    world.deploy(NEW)
    world.ticks(2)
    world.deploy(OLD)
    assert (world.phase, world.split(), world.replicas(world.target)) == (phase, (100, 0), 0)
    assert [(one["outcome"], one["differs"], one["put_back"]) for one in world.recorded] == [("aborted", differs, False)]
    world.run_for(300)
    assert len(world.recorded) == 1


def test_R10_an_api_that_does_not_answer_holds_the_run_and_is_never_counted() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(2)
    world.faults.away.add("cluster:")
    world.run_for(1800)
    world.faults.away.clear()
    assert (world.split(), world.status["failedChecks"]) == ((90, 10), 0)
    world.until("Succeeded")
    assert world.recorded[0]["failed_checks"] == 0


def test_R11_a_target_that_goes_back_to_what_was_promoted_heals_a_failed_promotion() -> None:
    world = World().initialised(deployment(), canary_doc(analysis={"stepWeight": 50}, progressDeadlineSeconds=60))
    world.deploy(NEW)
    world.ticks(1)
    world.controllers.never_ready.add(f"frontend-primary@{NEW}")
    world.until("Failed")
    assert holds_bumps(world.status)
    world.deploy(OLD)
    world.until("Succeeded")
    assert (world.image(world.primary), world.split(), world.replicas(world.target), len(world.recorded)) == (OLD, (100, 0), 0, 1)
    assert holds_bumps(world.status) == ""


def as_flagger_left_it(world: World, phase: str, image: str) -> None:
    """The objects of a finished initialisation by Flagger, its status, and the target at `image`."""
    world.initialised(deployment(config="frontend"), canary_doc(), config_map(timeout="30s"))
    primary = copy.deepcopy(world.cluster.whole(world.primary))
    meta = primary["spec"]["template"]["metadata"]
    meta["annotations"] = {"flagger-id": "b1c2"}
    primary["metadata"]["annotations"] = {}
    world.cluster.objects[("apps", "Deployment", "test", "frontend-primary")] = primary
    status = dict.fromkeys(world.status) | {"phase": phase, "lastAppliedSpec": "5c8fd5b6d9", "lastPromotedSpec": "5c8fd5b6d9"}
    world.restart()
    world.cluster.change(world.canary, {"status": {**status, "trackedConfigs": {"configmap/frontend": "5d41402abc4b2a76"}}})
    world.upgrade(image)


R12: dict[str, tuple[str, str, str, int]] = {
    "target equal to primary": ("Succeeded", OLD, "Succeeded", 0),
    "equal, Flagger was in mid-run": ("Progressing", OLD, "Succeeded", 0),
    "failed": ("Failed", NEW, "Failed", 0),
    "in mid-run": ("Progressing", NEW, "Progressing", 1),
    "a change that Flagger has not seen": ("Succeeded", NEW, "Progressing", 1),
}


@pytest.mark.parametrize("name", R12)
def test_R12_what_flagger_left_is_taken_over_without_a_lost_or_a_superfluous_run(name: str) -> None:
    left, image, phase, runs = R12[name]
    world = World()
    as_flagger_left_it(world, left, image)
    rolled = world.cluster.whole(world.primary)["metadata"]["generation"]
    world.settle()
    assert (world.phase, world.status.get("runNumber", 0), world.split()) == (phase, runs, (100, 0))
    assert world.status["lastAppliedSpec"].startswith("sha256:")
    assert world.cluster.whole(world.primary)["metadata"]["generation"] == rolled
    assert bool(world.status.get("differs")) == (left == "Failed")
    assert world.recorded == []


def test_R13_a_canary_deleted_in_mid_run_ends_aborted_is_recorded_and_then_let_go() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(2)
    assert world.cluster.whole(world.canary)["metadata"]["finalizers"] == ["gitops-canary/result"]
    world.recording = False
    world.cluster.remove(world.canary)
    world.settle()
    assert world.status["pendingResults"][0]["reason"] == "canary deleted"
    world.recording = True
    world.run_for(30)
    assert world.cluster.get(world.canary) is None
    assert [(one["outcome"], one["put_back"]) for one in world.recorded] == [("aborted", False)]


def test_R13_without_git_a_deleted_canary_is_let_go_after_ten_minutes_with_its_result_in_an_event() -> None:
    world = World(recording=False).initialised()
    world.deploy(NEW)
    world.ticks(2)
    world.cluster.remove(world.canary)
    world.run_for(590)
    assert world.cluster.get(world.canary) is not None
    world.run_for(60)
    assert world.cluster.get(world.canary) is None
    assert any(line.startswith("Result not recorded in Git: ") and "canary deleted" in line for line in world.cluster.story())


def test_a_canary_at_rest_carries_no_finalizer() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.until("Succeeded")
    world.run_for(1)
    assert not world.cluster.whole(world.canary)["metadata"].get("finalizers")


def test_O1_five_pods_in_git_never_go_below_five_before_the_primary_is_ready() -> None:
    world = World()
    served: list[int] = []

    def watch(kind: str, namespace: str, name: str) -> None:
        if kind == "Deployment":
            ready = [(world.cluster.objects.get(("apps", "Deployment", "test", n)) or {}).get("status") or {} for n in names]
            served.append(max(one.get("availableReplicas", 0) for one in ready))

    names = ("frontend", "frontend-primary")
    world.cluster.put(deployment(replicas=5))
    world.settle()
    world.cluster.subscribe(watch)
    world.cluster.put(canary_doc(autoscalerRef={"kind": "HorizontalPodAutoscaler", "name": "frontend"}), scaler())
    world.until("Initialized")
    assert min(served) >= 5
    assert world.replicas(world.primary) == 5


def test_O1_a_chart_that_scales_the_target_up_is_scaled_down_again_without_a_run() -> None:
    world = World().initialised()
    world.cluster.change(world.target, {"spec": {"replicas": 3}})
    world.settle()
    assert (world.replicas(world.target), world.phase) == (0, "Initialized")


def test_O1_a_primary_that_a_person_edits_is_put_right_without_a_run() -> None:
    world = World().initialised()
    before = world.cluster.whole(world.primary)["spec"]["template"]
    containers = [{**one, "image": "stefanprodan/podinfo:9.9.9"} for one in before["spec"]["containers"]]
    world.cluster.change(world.primary, {"spec": {"template": {"spec": {"containers": containers}}}})
    world.settle()
    assert world.cluster.whole(world.primary)["spec"]["template"] == before
    assert world.phase == "Initialized"


def test_O1_a_service_rendered_by_a_chart_keeps_the_canary_from_starting_and_is_named() -> None:
    world = World()
    rendered: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": "frontend"}, "ports": [{"port": 9898}]}}
    meta = {"name": "frontend", "namespace": "test", "annotations": {"meta.helm.sh/release-name": "frontend"}}
    world.cluster.put(deployment(), canary_doc(), {**rendered, "metadata": meta})
    world.run_for(60)
    assert world.status["says"].startswith("Service test/frontend is rendered by the Helm release frontend")
    assert (world.replicas(world.target), world.cluster.get(world.primary)) == (2, None)
    assert world.cluster.whole(APEX)["spec"]["selector"] == {"app": "frontend"}


def test_O1_a_service_made_by_hand_is_taken_over_once_the_primary_is_ready() -> None:
    world = World()
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "frontend", "namespace": "test"}}
    world.cluster.put(deployment(), canary_doc(), {**made, "spec": {"type": "NodePort", "selector": {"app": "frontend"}}})
    world.operator.settle()
    assert world.cluster.whole(APEX)["spec"]["selector"] == {"app": "frontend"}
    world.until("Initialized")
    spec = world.cluster.whole(APEX)["spec"]
    assert (spec["type"], spec["selector"]) == ("NodePort", {"app": "frontend-primary"})


def test_O3_a_status_that_somebody_else_wrote_meanwhile_is_observed_again() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(1)
    writes = {"left": 2}
    patch = world.cluster.patch

    def racing(ref: Ref, body: Any, **options: Any) -> Any:
        if writes["left"] and options.get("subresource") == "status":
            writes["left"] -= 1
            world.cluster.change(ref, {"metadata": {"labels": {"seen": str(writes["left"])}}})
        return patch(ref, body, **options)

    world.cluster.patch = racing  # type: ignore[method-assign,assignment]
    world.ticks(1)
    assert (world.split(), world.status["canaryWeight"], writes["left"]) == ((90, 10), 10, 0)
    assert world.cluster.whole(world.canary)["metadata"]["labels"] == {"seen": "0"}


def test_G1_with_eight_results_pending_no_run_starts_and_it_says_why() -> None:
    world = World(recording=False).initialised()
    pending = [{"namespace": "test", "canary": "frontend", "number": n, "outcome": "aborted"} for n in range(MOST_PENDING)]
    world.cluster.change(world.canary, {"status": {"pendingResults": pending}})
    world.deploy(NEW)
    world.run_for(60)
    assert (world.phase, world.replicas(world.target)) == ("Initialized", 0)
    assert world.status["says"] == "frontend.test starts no run: 8 results wait for the cluster repository to be reachable"
    world.recording = True
    world.until("Succeeded")


def test_G2_a_canary_without_a_number_starts_no_run_before_the_branch_was_read() -> None:
    numbers: dict[str, int | None] = {"test/frontend": None}
    world = World(knows=Knows(recorded_number=lambda key: numbers[key])).initialised()
    world.deploy(NEW)
    world.run_for(60)
    assert (world.phase, world.status["says"]) == (
        "Initialized",
        "frontend.test starts no run before the cluster repository has been read once",
    )
    numbers["test/frontend"] = 41
    world.operator.wake("canaries", "")
    world.settle()
    assert (world.phase, world.status["run"]["number"]) == ("Progressing", 42)


def test_G11_without_a_cluster_repository_results_stay_in_the_status() -> None:
    world = World(rules=CanaryRules(git=False)).initialised()
    for image in (NEW, NEWER):
        world.deploy(image)
        world.until("Succeeded")
        assert world.status["lastResult"]["now"]["image"] == image
    assert not world.status.get("pendingResults")
    assert not world.cluster.whole(world.canary)["metadata"].get("finalizers")


def test_H1_an_analysed_revision_is_not_promoted_before_its_release_is_deployed() -> None:
    held = {"why": "the Helm release frontend has failed"}
    world = World(knows=Knows(held=lambda key: held["why"])).initialised(deployment(), canary_doc(analysis={"stepWeight": 50}))
    world.deploy(NEW)
    world.ticks(6)
    assert (world.phase, world.split()) == ("Progressing", (50, 50))
    held["why"] = ""
    world.until("Succeeded")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "A/B testing": ({"match": [{"headers": {}}]}, "A/B testing (analysis.match) is not supported yet"),
    "blue/green": ({"iterations": 10, "stepWeight": None}, "blue/green (analysis.iterations) is not supported yet"),
    "mirroring": ({"mirror": True}, "traffic mirroring (analysis.mirror) is not supported yet"),
    "session affinity": ({"sessionAffinity": {"cookieName": "c"}}, "session affinity (analysis.sessionAffinity) is not supported yet"),
    "steps that fall": ({"stepWeights": [50, 20], "stepWeight": None}, "stepWeights [50, 20] do not rise"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_in_condition_event_and_log(name: str) -> None:
    analysis, sentence = REFUSED[name]
    world = World()
    world.cluster.put(deployment(), canary_doc(analysis=analysis))
    world.run_for(60)
    condition = world.status["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "Refused")
    assert sentence in condition["message"]
    assert sentence in world.cluster.story()[0]
    assert len(world.cluster.story()) == 1
    assert world.replicas(world.target) == 2
    world.cluster.change(
        world.canary,
        {"spec": canary_doc()["spec"] | {"analysis": {**canary_doc()["spec"]["analysis"], **dict.fromkeys(analysis), "stepWeight": 5}}},
    )
    world.until("Initialized")
    assert world.status["conditions"][0]["reason"] == "Initialized"


def test_one_failing_canary_delays_no_other() -> None:
    world = World().initialised()
    world.cluster.put(deployment("other"), canary_doc("other", analysis={"mirror": True}))
    world.deploy(NEW)
    world.until("Succeeded")


def test_a_stuck_replica_set_fails_the_canary_at_its_deadline_with_that_reason() -> None:
    world = World().initialised(deployment(), canary_doc(progressDeadlineSeconds=120))
    world.controllers.never_ready.add(NEW)
    world.deploy(NEW)
    world.until("Failed")
    assert world.recorded[0]["reason"] == "progress deadline exceeded: 0 of 2 updated replicas are available"
    assert world.notices.sent[-1].severity == "error"
    assert world.split() == (100, 0)
