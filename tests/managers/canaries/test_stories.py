"""Claims about whole runs in virtual time, by the rows of the acceptance table: what users see, and what the objects say."""

from typing import Any

import pytest

from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Answer, Ask, HookAsk, QueryAsk
from tests.managers.canaries.world import NEW, NEWER, OLD, World, canary_doc, config_map, deployment, scaler
from tests.memory.checks import all_good

SCALED: Doc = {"autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "frontend"}}


def bad_rate(value: float = 62.5) -> Any:
    def judge(ask: Ask) -> Answer | None:
        if isinstance(ask, QueryAsk) and ask.builtin == "request-success-rate":
            return Answer(ask.key, "value", value)
        return all_good(ask)

    return judge


def test_A1_a_new_canary_gets_its_objects_and_rests_with_the_primary_serving() -> None:
    world = World().initialised(deployment(config="frontend"), canary_doc(**SCALED), config_map(timeout="30s"), scaler())
    kinds = {(one[1], one[3]) for one in world.cluster.objects if one[1] not in ("ReplicaSet",)}
    assert kinds == {
        ("Canary", "frontend"),
        ("ConfigMap", "frontend"),
        ("ConfigMap", "frontend-primary"),
        ("Deployment", "frontend"),
        ("Deployment", "frontend-primary"),
        ("DestinationRule", "frontend-canary"),
        ("DestinationRule", "frontend-primary"),
        ("HorizontalPodAutoscaler", "frontend"),
        ("HorizontalPodAutoscaler", "frontend-primary"),
        ("Service", "frontend"),
        ("Service", "frontend-canary"),
        ("Service", "frontend-primary"),
        ("VirtualService", "frontend"),
    }
    assert world.cluster.whole(Ref("v1", "Service", "test", "frontend"))["spec"]["selector"] == {"app": "frontend-primary"}
    assert (world.replicas(world.target), world.replicas(world.primary), world.split()) == (0, 2, (100, 0))
    assert world.status["conditions"][0]["status"] == "True"
    assert world.cluster.story()[-1] == "Initialization done! frontend.test"


def test_A2_a_new_image_scales_the_target_up_and_sends_it_nothing_yet() -> None:
    world = World().initialised()
    world.deploy(NEW)
    status = world.status
    assert (world.phase, world.split(), world.replicas(world.target)) == ("Progressing", (100, 0), 2)
    assert (status["canaryWeight"], status["failedChecks"]) == (0, 0)


def test_A3_weights_10_to_50_one_tick_each_then_the_copy_then_the_target_at_zero() -> None:
    world = World().initialised(deployment(), canary_doc(analysis={"stepWeight": 10}))
    world.deploy(NEW)
    seen = []
    for _ in range(5):
        world.ticks()
        seen.append((world.phase, world.split()))
    assert seen == [("Progressing", (100 - weight, weight)) for weight in (10, 20, 30, 40, 50)]
    assert world.image(world.primary) == OLD
    world.ticks()
    assert world.end() == {
        "phase": "Succeeded",
        "split": (100, 0),
        "target": (NEW, 0),
        "primary": NEW,
        "results": [(1, "promoted")],
        "pending": 0,
        "weight": 0,
    }


def test_A4_traffic_goes_back_to_the_primary_by_steps_when_asked_to() -> None:
    world = World().initialised(deployment(), canary_doc(analysis={"stepWeight": 100, "maxWeight": 100, "stepWeightPromotion": 50}))
    world.deploy(NEW)
    weights = []
    for _ in range(5):
        world.ticks()
        weights.append((world.phase, world.status["canaryWeight"]))
    assert weights[:4] == [("Progressing", 100), ("Promoting", 100), ("Promoting", 50), ("Succeeded", 0)]
    assert {f"Advance frontend.test primary weight {weight}" for weight in (50, 100)} <= set(world.cluster.story())


def test_A6_R5_a_new_template_in_mid_run_restarts_at_100_0_with_its_own_number() -> None:
    world = World(judge=bad_rate()).initialised()
    world.deploy(NEW)
    world.ticks(3)
    assert world.status["failedChecks"] == 2
    world.deploy(NEWER)
    assert (world.phase, world.split(), world.status["failedChecks"]) == ("Progressing", (100, 0), 0)
    assert "New revision detected! Restarting analysis for frontend.test" in world.cluster.story()
    assert [(one["number"], one["outcome"], one["now"]["image"]) for one in world.recorded] == [(1, "superseded", NEW)]
    world.judge = all_good
    world.until("Succeeded")
    assert (world.image(world.primary), world.recorded[-1]["number"], world.recorded[-1]["was"]["image"]) == (NEWER, 2, OLD)


def test_A7_R5_changed_configs_restart_the_run_and_reach_the_primary_only_by_promotion() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "test"},
        "type": "Opaque",
        "data": {"k": "MQ=="},
    }
    target = deployment(config="frontend")
    target["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "key"}}]
    world = World().initialised(target, canary_doc(), config_map(timeout="30s"), secret)
    world.deploy(NEW)
    world.ticks(2)
    world.cluster.put(config_map(timeout="25s"), {**secret, "data": {"k": "Mg=="}})
    world.settle()
    assert world.cluster.story()[-1] != "New revision detected! Scaling up frontend.test"
    assert {"ConfigMap frontend has changed", "Secret key has changed"} <= set(world.cluster.story())
    copy = Ref("v1", "ConfigMap", "test", "frontend-primary")
    assert world.cluster.whole(copy)["data"] == {"timeout": "30s"}
    world.until("Succeeded")
    assert world.cluster.whole(copy)["data"] == {"timeout": "25s"}
    assert world.cluster.whole(Ref("v1", "Secret", "test", "key-primary"))["data"] == {"k": "Mg=="}


def test_A8_A9_threshold_n_takes_n_failed_ticks_and_rolls_back_on_the_next() -> None:
    world = World(judge=bad_rate()).initialised(deployment(), canary_doc(analysis={"threshold": 3}))
    world.deploy(NEW)
    counted = []
    for _ in range(5):
        world.ticks()
        counted.append((world.phase, world.status["failedChecks"], world.status["canaryWeight"]))
    assert counted == [
        ("Progressing", 0, 5),
        ("Progressing", 1, 5),
        ("Progressing", 2, 5),
        ("Progressing", 3, 5),
        ("Failed", 0, 0),
    ]
    assert (world.split(), world.replicas(world.target), world.image(world.primary)) == ((100, 0), 0, OLD)
    assert world.status["conditions"][0]["status"] == "False"
    result = world.recorded[0]
    assert (result["outcome"], result["reason"]) == ("rolled-back", "success rate 62.50% < 99%")
    assert (result["put_back"], result["quarantine"], result["failed_checks"], result["weight"]) == (True, True, 3, 5)
    assert world.cluster.story()[-2:] == [
        "Rolling back frontend.test failed checks threshold reached 3",
        "Canary failed! Scaling down frontend.test",
    ]
    assert [notice.severity for notice in world.notices.sent][-1] == "error"
    assert "success rate 62.50% < 99%" in world.notices.sent[-1].text


def test_A10_good_ticks_between_bad_ones_do_not_reset_the_counter() -> None:
    answers = iter([62.5, 100.0, 62.5, 100.0, 62.5, 100.0, 62.5])
    world = World(
        judge=lambda ask: bad_rate(next(answers))(ask) if getattr(ask, "builtin", "") == "request-success-rate" else all_good(ask)
    )
    world.initialised(deployment(), canary_doc(analysis={"threshold": 3}))
    world.deploy(NEW)
    world.ticks(6)
    assert (world.status["failedChecks"], world.status["canaryWeight"]) == (3, 15)
    world.ticks()
    assert world.phase == "Failed"


A11 = {
    "no samples": (
        "no-data",
        "",
        "Halt advancement no values found for istio metric request-success-rate probably frontend.test is not receiving traffic",
    ),
    "server down": ("unreachable", "connection refused", "Prometheus query failed: connection refused"),
}


@pytest.mark.parametrize("name", A11)
def test_A11_R10_no_data_and_a_dead_metrics_server_are_failed_checks_with_their_own_sentence(name: str) -> None:
    kind, words, sentence = A11[name]
    world = World(judge=lambda ask: Answer(ask.key, kind, message=words) if isinstance(ask, QueryAsk) else all_good(ask))  # type: ignore[arg-type]
    world.initialised(deployment(), canary_doc(analysis={"threshold": 2}))
    world.deploy(NEW)
    world.until("Failed")
    assert sentence in world.cluster.story()
    assert world.recorded[0]["reason"] == sentence.removeprefix("Halt advancement ")


def test_R9_no_data_yet_waits_uncounted_for_one_metric_interval() -> None:
    world = World(judge=lambda ask: Answer(ask.key, "no-data") if isinstance(ask, QueryAsk) else all_good(ask)).initialised()
    world.deploy(NEW)
    world.ticks(4)
    assert (world.status["canaryWeight"], world.status["failedChecks"]) == (5, 0)
    world.ticks(2)
    assert world.status["failedChecks"] == 2


def test_R9_a_check_never_looks_back_before_its_own_runs_first_weight() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(7)
    windows = [ask.window for ask in world.checks.asked if isinstance(ask, QueryAsk) and ask.builtin == "request-success-rate"]
    assert windows == [15.0, 30.0, 45.0, 60.0, 60.0, 60.0]


def test_A15_a_closed_gate_before_the_run_keeps_the_target_at_zero_until_it_opens() -> None:
    gate = {"name": "gate", "type": "confirm-rollout", "url": "http://gate/"}
    world = World(judge=lambda ask: Answer(ask.key, "failed", message="403") if isinstance(ask, HookAsk) else all_good(ask))
    world.initialised(deployment(), canary_doc(analysis={"webhooks": [gate]}))
    world.deploy(NEW)
    world.ticks(3)
    assert (world.phase, world.replicas(world.target)) == ("Waiting", 0)
    assert world.cluster.story().count("Halt frontend.test advancement waiting for approval gate") == 1
    world.judge = all_good
    world.until("Succeeded")
    story = world.cluster.story()
    assert story.index("Confirm-rollout check gate passed") < story.index("New revision detected! Scaling up frontend.test")


def test_A16_checks_go_on_while_the_promotion_waits_and_may_roll_back() -> None:
    gate = {"name": "gate", "type": "confirm-promotion", "url": "http://gate/"}
    world = World(judge=lambda ask: Answer(ask.key, "failed") if isinstance(ask, HookAsk) else all_good(ask))
    world.initialised(deployment(), canary_doc(analysis={"stepWeight": 50, "threshold": 2, "webhooks": [gate]}))
    world.deploy(NEW)
    world.ticks(3)
    assert (world.phase, world.split(), world.status["canaryWeight"]) == ("WaitingPromotion", (50, 50), 50)
    world.judge = bad_rate()
    world.until("Failed")
    assert world.recorded[0]["outcome"] == "rolled-back"


def test_A17_a_rollback_hook_that_answers_rolls_back() -> None:
    hook = {"name": "stop", "type": "rollback", "url": "http://stop/"}
    world = World(judge=lambda ask: Answer(ask.key, "failed") if isinstance(ask, HookAsk) else all_good(ask))
    world.initialised(deployment(), canary_doc(analysis={"webhooks": [hook]}))
    world.deploy(NEW)
    world.ticks(3)
    assert world.status["canaryWeight"] == 15
    world.judge = all_good
    world.ticks()
    assert (world.phase, world.recorded[0]["reason"]) == ("Failed", "manual webhook invoked")
    notice = world.notices.sent[-1]
    assert (notice.severity, notice.text) == ("warn", "Canary failed, rolled back: manual webhook invoked")


def test_A18_without_analysis_a_good_image_is_promoted_at_once_and_a_bad_one_fails_after_the_deadline() -> None:
    post = {"name": "after", "type": "post-rollout", "url": "http://after/"}
    world = World().initialised(deployment(), canary_doc(skipAnalysis=True, progressDeadlineSeconds=120, analysis={"webhooks": [post]}))
    world.deploy(NEW)
    assert (world.phase, world.image(world.primary), world.split()) == ("Succeeded", NEW, (100, 0))
    assert world.cluster.story()[-2:] == [
        "Promotion completed! Canary analysis was skipped for frontend.test",
        "Post-rollout check after passed",
    ]
    world.controllers.never_ready.add(NEWER)
    world.deploy(NEWER)
    world.until("Failed", limit=700)
    assert world.recorded[-1]["reason"].startswith("progress deadline exceeded: ")


def test_A19_A20_A21_R7_after_a_failure_a_revert_runs_nothing_and_the_same_image_runs_again() -> None:
    world = World(judge=bad_rate()).initialised(deployment(), canary_doc(analysis={"threshold": 1}))
    world.deploy(NEW)
    world.until("Failed")
    pods = world.cluster.whole(world.primary)["metadata"]["generation"]
    world.deploy(OLD)
    requests = len(world.cluster.requests)
    world.run_for(150)
    assert (world.phase, world.cluster.requests[requests:], len(world.recorded)) == ("Failed", [], 1)
    assert world.cluster.whole(world.primary)["metadata"]["generation"] == pods
    world.deploy(NEW)
    assert world.phase == "Progressing"
    world.until("Failed")
    world.deploy(NEW, again="1")
    assert (world.phase, world.status["run"]["number"]) == ("Progressing", 3)


def test_A22_R11_a_promotion_whose_primary_does_not_come_up_leaves_the_target_serving_until_it_does() -> None:
    world = World().initialised(deployment(), canary_doc(analysis={"stepWeight": 50}, progressDeadlineSeconds=60))
    world.deploy(NEW)
    world.ticks(1)
    world.controllers.never_ready.add(f"frontend-primary@{NEW}")
    world.until("Failed")
    assert (world.split(), world.status["canaryWeight"], world.replicas(world.target)) == ((0, 100), 100, 2)
    assert [(one["outcome"], one["put_back"], one["quarantine"]) for one in world.recorded] == [("aborted", False, False)]
    world.run_for(300)
    assert world.phase == "Failed"
    world.controllers.never_ready.clear()
    world.until("Succeeded")
    assert (world.split(), world.replicas(world.target), world.image(world.primary), len(world.recorded)) == ((100, 0), 0, NEW, 1)


def test_A24_the_primarys_autoscaler_follows_only_at_promotion_with_its_own_limits() -> None:
    reference = {**SCALED["autoscalerRef"], "primaryScalerReplicas": {"minReplicas": 3}}
    world = World().initialised(deployment(), canary_doc(autoscalerRef=reference), scaler(most=4))
    copy = Ref("autoscaling/v2", "HorizontalPodAutoscaler", "test", "frontend-primary")
    world.cluster.put(scaler(most=9))
    world.settle()
    assert (world.cluster.whole(copy)["spec"]["minReplicas"], world.cluster.whole(copy)["spec"]["maxReplicas"]) == (3, 4)
    world.deploy(NEW)
    world.until("Succeeded")
    assert (world.cluster.whole(copy)["spec"]["minReplicas"], world.cluster.whole(copy)["spec"]["maxReplicas"]) == (3, 9)
    assert world.replicas(world.primary) == 3


def test_A27_opted_out_optional_and_foreign_configs_are_left_alone() -> None:
    target = deployment(config="frontend")
    container = target["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"configMapRef": {"name": "absent", "optional": True}}, {"secretRef": {"name": "registry"}}]
    opted_out = config_map(timeout="30s")
    opted_out["metadata"]["annotations"] = {"flagger.app/config-tracking": "disabled"}
    docker = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry", "namespace": "test"}, "data": {}}
    world = World().initialised(target, canary_doc(), opted_out, {**docker, "type": "kubernetes.io/dockerconfigjson"})
    assert world.status.get("trackedConfigs", {}) == {}
    pod = world.cluster.whole(world.primary)["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == "frontend"
    assert pod["containers"][0]["envFrom"][1]["secretRef"]["name"] == "registry"


def test_A27_a_required_config_that_is_missing_holds_the_canary_and_is_named() -> None:
    world = World()
    world.cluster.put(deployment(config="frontend"), canary_doc())
    world.run_for(60)
    assert world.status["says"] == "Deployment test/frontend uses ConfigMap test/frontend, which is missing"
    world.cluster.put(config_map(timeout="30s"))
    world.until("Initialized")


def test_A32_a_suspended_canary_stands_still_and_goes_on_at_the_same_weight() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(3)
    world.cluster.change(world.canary, {"spec": {"suspend": True}})
    world.ticks(5)
    assert (world.split(), world.phase) == ((85, 15), "Progressing")
    world.cluster.change(world.canary, {"spec": {"suspend": False}})
    world.ticks(1)
    assert world.split() == (80, 20)


def test_A35_the_frontends_story_is_the_seeds() -> None:
    hooks = [{"name": "helm test", "type": "pre-rollout", "url": "http://t/"}, {"name": "load test", "type": "rollout", "url": "http://l/"}]
    world = World().initialised(deployment(), canary_doc(analysis={"webhooks": hooks}))
    before = len(world.cluster.told)
    world.deploy(NEW)
    world.until("Succeeded")
    assert world.since(before) == [
        "New revision detected! Scaling up frontend.test",
        "Halt advancement frontend.test waiting for rollout to finish: 0 of 2 updated replicas are available",
        "Starting canary analysis for frontend.test",
        "Pre-rollout check helm test passed",
        *[f"Advance frontend.test canary weight {weight}" for weight in range(5, 55, 5)],
        "Copying frontend.test template spec to frontend-primary.test",
        "Halt advancement frontend-primary.test waiting for rollout to finish: 1 old replicas are pending termination",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down frontend.test",
    ]


def test_A35_the_backends_story_is_the_seeds() -> None:
    """A config change; bad success rates at 35 %, bad durations at 45 %, and the weights go on when the numbers are good again."""
    world = World(name="backend")
    bad = {35: iter([("request-success-rate", 62.5), ("request-success-rate", 88.2353)])}
    bad[45] = iter([("request-duration", 2415.0), ("request-duration", 2420.0)])
    trouble: dict[str, tuple[str, float]] = {}

    def judge(ask: Ask) -> Answer:
        tick = ask.key.split("/")[1]
        if tick not in trouble:
            trouble[tick] = next(bad.get(world.status["canaryWeight"], iter(())), ("", 0.0))
        name, value = trouble[tick]
        return Answer(ask.key, "value", value) if getattr(ask, "builtin", "-") == name else all_good(ask)

    world.judge = judge
    docs = (deployment("backend", config="backend"), canary_doc("backend"), config_map("backend", timeout="30s"))
    world.initialised(*docs)
    before = len(world.cluster.told)
    world.cluster.put(config_map("backend", timeout="25s"))
    world.until("Succeeded")
    waits = "Halt advancement backend"
    assert [line for line in world.since(before) if not line.startswith(waits)] == [
        "ConfigMap backend has changed",
        "New revision detected! Scaling up backend.test",
        "Starting canary analysis for backend.test",
        *[f"Advance backend.test canary weight {weight}" for weight in range(5, 40, 5)],
        "Halt backend.test advancement success rate 62.50% < 99%",
        "Halt backend.test advancement success rate 88.24% < 99%",
        "Advance backend.test canary weight 40",
        "Advance backend.test canary weight 45",
        "Halt backend.test advancement request duration 2.415s > 500ms",
        "Halt backend.test advancement request duration 2.42s > 500ms",
        "Advance backend.test canary weight 50",
        "ConfigMap backend-primary synced",
        "Copying backend.test template spec to backend-primary.test",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down backend.test",
    ]
    assert world.recorded[0]["changed"] == "ConfigMap backend"
