"""Defects of how canaries are run: the machine's decisions, the objects that are made for them, and what is looked at again."""

from dataclasses import replace
from typing import Any

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.domain.canary import analysis, machine
from gitops_canary.domain.canary.model import Create, Route, Scale, Step
from gitops_canary.domain.canary.starting import current, start
from gitops_canary.domain.canary.status import HASH
from gitops_canary.domain.canary.transitions import RESTING, RUNNING, Phase
from gitops_canary.domain.resources import Ref, ref_of
from gitops_canary.managers.canaries import apply
from gitops_canary.managers.canaries.apply import Effects
from gitops_canary.managers.canaries.configs import Configs
from gitops_canary.managers.canaries.manager import CanaryManager
from gitops_canary.managers.canaries.observe import Observer
from tests.conformance.product.seen import APPLIER
from tests.conformance.product.sleeping import UNHURRIED, Defect, Part


def _looked_away(original: Any, spec: Any, status: Any, *rest: Any) -> Any:
    return Step(status)


def _as_if_git_agreed(original: Any, spec: Any, status: Any, seen: Any, now: Any) -> Any:
    return original(spec, status, replace(seen, file_image=None), now)


def _held_by_what_is_newer(original: Any, spec: Any, status: Any, run: Any, seen: Any, *rest: Any) -> Any:
    if current(seen) != (run.now.template, dict(run.now.configs)) and not run.diverted:
        return Step(status, (Route(status.weight),))
    return original(spec, status, run, seen, *rest)


def _runs_what_is_promoted(original: Any, spec: Any, status: Any, seen: Any, verdicts: Any, now: Any) -> Any:
    revision, applied = current(seen), (status.applied, dict(status.configs))
    if revision == (status.promoted, dict(status.promoted_configs)) != applied and status.applied.startswith(HASH):
        return start(spec, status, seen, now)
    return original(spec, status, seen, verdicts, now)


def _back_to_a_primary_that_is_not_there(original: Any, spec: Any, status: Any, *rest: Any) -> Any:
    step = original(spec, status, *rest)
    after = replace(step.status, weight=0, run=replace(step.status.run, serves=False))
    return Step(after, (Route(0), *step.effects[1:]), step.story)


def _forgotten(original: Any, spec: Any, status: Any, *rest: Any) -> Any:
    step = original(spec, status, *rest)
    return replace(step, status=replace(step.status, pending=status.pending))


def _never_deserted(original: Any, *arguments: Any) -> Any:
    found = original(*arguments)
    return replace(found, deserted=False) if found.deserted else found


def _waits_for_ever(original: Any, spec: Any, status: Any, seen: Any, now: Any) -> Any:
    over = seen.deleted is not None and seen.deleted >= seen.patience
    return Step(status) if over else original(spec, status, seen, now)


def _adopted_in_mid_run(original: Any, spec: Any, status: Any, seen: Any, *rest: Any) -> Any:
    if status.phase not in RUNNING:
        return original(spec, status, seen, *rest)
    template, configs = current(seen)
    after = replace(status, phase=Phase.SUCCEEDED, weight=0, run=None, applied=template, promoted=template, configs=configs)
    return Step(replace(after, promoted_configs=configs), (Create(), Route(0), Scale(0)))


def _run_anew(phase: Phase, *, equal: bool) -> Any:
    def change(original: Any, spec: Any, status: Any, seen: Any, target: Any, now: Any) -> Any:
        if status.phase is not phase or (seen.primary.template == target.template) is not equal:
            return original(spec, status, seen, target, now)
        return start(spec, replace(status, promoted=seen.primary.template), seen, now)

    return change


def _not_compared(original: Any, spec: Any, status: Any, seen: Any, target: Any, now: Any) -> Any:
    if status.phase is not Phase.SUCCEEDED or seen.primary.template == target.template:
        return original(spec, status, seen, target, now)
    template, configs = current(seen)
    after = replace(status, run=None, applied=template, promoted=template, configs=configs, promoted_configs=configs)
    return Step(after, (Create(), Route(0), Scale(0)))


# ------------------------------------------------------------ objects


def _for_the_target(original: Any, spec: Any, canary: Any, target: Any, selector: Any) -> Any:
    doc = original(spec, canary, target, selector)
    return {**doc, "spec": {**doc["spec"], "selector": {selector.label: selector.value}}}


def _scaling_the_target(original: Any, spec: Any, canary: Any, scaler: Any) -> Any:
    doc = original(spec, canary, scaler)
    return {**doc, "spec": {**doc["spec"], "scaleTargetRef": {**doc["spec"]["scaleTargetRef"], "name": spec.target.name}}}


def _with_the_old_limit(original: Any, spec: Any, canary: Any, scaler: Any) -> Any:
    doc = original(spec, canary, scaler)
    return {**doc, "spec": {**doc["spec"], "maxReplicas": 4}}


def _as_the_applier(original: Any, self: Any, doc: Any, **how: Any) -> Any:
    if doc["kind"] == "Deployment" and doc["metadata"]["name"].endswith("-primary"):
        return original(self, doc, **{**how, "as_user": APPLIER})
    return original(self, doc, **how)


def _never_held(original: Any, self: Any, world: Any, held: Any) -> Any:
    return None if held else original(self, world, held)


def _one_pod(original: Any, self: Any, world: Any) -> bool:
    if world.spec.scaler is not None or world.primary is None or world.primary["spec"].get("replicas", 1) == 1:
        return False
    self._cluster.scale(world.spec.primary, 1)
    return True


def _left_running(original: Any, self: Any, world: Any, replicas: Any) -> Any:
    up = world.target is not None and world.target["spec"].get("replicas", 1)
    return None if not replicas and up and world.status.phase in RESTING else original(self, world, replicas)


def _respecting_what_is_there(original: Any, self: Any, world: Any, doc: Any) -> Any:
    live = self._cluster.get(ref_of(doc))
    if doc["kind"] in ("Service", "VirtualService") and live is not None and not live["metadata"].get("ownerReferences"):
        return None
    return original(self, world, doc)


def _taking_from_charts(original: Any, self: Any, world: Any, generated: Any) -> Any:
    found = original(self, world, generated)
    return "" if "is rendered by the Helm release" in found else found


def _as_first_read(original: Any, self: Any, ref: Ref, seen: Any) -> Any:
    known = self._known.get(ref)
    found = original(self, ref, seen)
    if known is None or known[1] == found:
        return found
    self._known[ref] = (self._known[ref][0], known[1])
    return known[1]


def _no_ones(original: Any, self: Any, kind: str, *rest: Any) -> Any:
    found = original(self, kind, *rest)
    return found if kind == "Canary" or not found else frozenset[str]()


def _nobody(original: Any, self: Any, *rest: Any) -> bool:
    return bool(original(self, *rest) and False)


DEFECTS = (
    Defect(
        "a newer revision in mid-run is not noticed",
        (Part(analysis, "supersede", _looked_away),),
        {"test_R5_a_newer_tag_mid_run_.*": "New revision detected"},
    ),
    Defect(
        "what is newer than the promotion holds it, and users stay on the target",
        (Part(machine, "_promote", _held_by_what_is_newer),),
        {"test_R6_.*": "users to be back on the primary"},
    ),
    Defect(
        "a canary without a pod keeps its share of the users",
        (Part(Observer, "_readiness", _never_deserted),),
        {"test_F27_.*": "the primary to serve everybody"},
    ),
    Defect("a revert is a run", (Part(machine, "_rest", _runs_what_is_promoted),), {"test_R7_.*": "rest"}),
    Defect(
        "a revert in mid-run is not noticed",
        (Part(analysis, "revert", _looked_away),),
        {"test_R8_a_persons_revert_.*": "the commit 'Abort app.taken"},
    ),
    Defect(
        "a revert past Git is taken for Git's",
        (Part(analysis, "revert", _as_if_git_agreed),),
        {"test_R8_helm_rollback_.*": "phase Failed", "test_R8_kubectl_.*": "phase Failed"},
    ),
    Defect(
        "a changed config is not noticed",
        (Part(Configs, "_hash", _as_first_read),),
        {
            "test_a_changed_config_.*": "the commit 'Promote app.config ConfigMap",
            "test_R5_a_changed_config_.*": "New revision detected",
        },
    ),
    Defect(
        "a promotion that fails sends users to the primary that is not there",
        (Part(machine, "fail_promotion", _back_to_a_primary_that_is_not_there),),
        {"test_R11_the_target_serves_.*": "the target to serve"},
    ),
    Defect(
        "the run of a deleted canary has no result",
        (Part(machine, "terminate", _forgotten),),
        {"test_R13_a_canary_deleted_.*": "the commit 'Abort app.removed"},
    ),
    Defect(
        "a deleted canary waits for Git for ever",
        (Part(machine, "_deleted", _waits_for_ever),),
        {"test_R13_without_git_.*": "the Canary to be let go"},
    ),
    Defect(
        "nothing holds a canary that is being deleted",
        (Part(Effects, "_finalizer", _never_held),),
        {"test_a_canary_deleted_mid_run_.*": '"gitops-canary/result" in'},
    ),
    Defect(
        "another tool's run that was under way counts as promoted",
        (Part(machine, "_adopt", _adopted_in_mid_run),),
        {"test_R12_a_run_that_was_under_way_.*": "the commit 'Promote app.halfway"},
        early=True,
    ),
    Defect(
        "what another tool promoted is run again",
        (Part(machine, "_adopt", _run_anew(Phase.SUCCEEDED, equal=True)),),
        {"test_R12_a_target_equal_.*": "app.status.get"},
        early=True,
        haste=UNHURRIED,
    ),
    Defect(
        "what another tool left is not compared with what serves",
        (Part(machine, "_adopt", _not_compared),),
        {"test_R12_what_changed_.*": "the commit 'Promote app.moved"},
        early=True,
    ),
    Defect(
        "what another tool rolled back is run again",
        (Part(machine, "_adopt", _run_anew(Phase.FAILED, equal=False)),),
        {"test_R12_a_failed_one_.*": "no pods|app.phase"},
        early=True,
    ),
    Defect(
        "the apex Service points at the target",
        (Part(apply, "apex_service", _for_the_target),),
        {"test_the_first_release_of_a_chart_.*": "selectors =="},
        early=True,
        haste=UNHURRIED,
    ),
    Defect(
        "the operator writes the primary as its applier",
        (Part(KubernetesCluster, "apply", _as_the_applier),),
        {"test_O5_what_git_says_is_written_by_the_applier_.*": 'writers."deployments", "app-primary"'},
    ),
    Defect(
        "the copied autoscaler scales the target",
        (Part(apply, "primary_scaler", _scaling_the_target),),
        {"test_O1_an_autoscaler_in_git_.*": '"scaleTargetRef"'},
    ),
    Defect(
        "the copied autoscaler keeps its first limit",
        (Part(apply, "primary_scaler", _with_the_old_limit),),
        {"test_O1_the_autoscaler_of_a_chart_.*": '"maxReplicas"'},
        haste=UNHURRIED,
    ),
    Defect(
        "a promotion leaves the primary one pod",
        (Part(Effects, "_resize_primary", _one_pod),),
        {"test_O1_replicas_in_git_of_a_new_workload_.*": r'replicas\("app-primary"\)'},
    ),
    Defect(
        "a target that is scaled up at rest stays so",
        (Part(Effects, "_scale", _left_running),),
        {"test_O1_a_chart_with_two_replicas_.*": "the target's end"},
    ),
    Defect(
        "a Service or route made by hand is left as it is",
        (Part(Effects, "_put", _respecting_what_is_there),),
        {"test_O1_a_service_made_by_hand_.*": '"selector"', "test_O1_a_route_made_by_hand_.*": '"ownerReferences"'},
        early=True,
    ),
    Defect(
        "a Service is taken from the chart that renders it",
        (Part(Observer, "_obstacle", _taking_from_charts),),
        {"test_O1_a_service_rendered_by_a_chart_.*": "is rendered by the Helm release"},
        early=True,
    ),
    Defect(
        "what others do to generated objects is not looked at",
        (Part(CanaryManager, "keys_of", _no_ones), Part(CanaryManager, "_everybody", _nobody)),
        {
            r"test_O1_what_a_person_edits_.*": "to be put right",
            r"test_O1_a_generated_object_.*": "another one",
            "test_O1_the_targets_scale_.*": "the target's end",
        },
    ),
)
