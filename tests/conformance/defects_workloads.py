"""Defects of the controllers, and of what tools are shown of workloads; the API server's own stand beside this file."""

from typing import Any

from gitops_canary.sandbox.apiserver import handling
from gitops_canary.sandbox.apiserver.handling import Handler
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.streams import Streams
from gitops_canary.sandbox.controllers import proposing
from gitops_canary.sandbox.controllers.autoscalers import Autoscalers
from gitops_canary.sandbox.controllers.deployments import Deployments
from gitops_canary.sandbox.controllers.jobs import Jobs
from gitops_canary.sandbox.controllers.pacing import Pace
from gitops_canary.sandbox.controllers.replicasets import ReplicaSets
from gitops_canary.sandbox.telling import Correlator, Recorder
from tests.conformance.planting import Defect, around, instead


async def _idle(*_: Any) -> None:
    """A controller that looks away."""


async def _always_rolling(original: Any, self: Any, doc: Any) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await original(self, {**doc, "spec": {**doc["spec"], "strategy": strategy}})


def _forgetful(original: Any, self: Any, *arguments: Any) -> Any:
    self.recommended.clear()
    return original(self, *arguments)


async def _by_one_metric(original: Any, self: Any, doc: Any, target: Any) -> None:
    await original(self, {**doc, "spec": {**doc["spec"], "metrics": doc["spec"]["metrics"][:1]}}, target)


async def _never_suspended(original: Any, self: Any, doc: Any) -> None:
    await original(self, {**doc, "spec": {**doc["spec"], "suspend": False}})


def _decimal(original: Any, thousandths: int, resource: str) -> Any:
    return original(thousandths, "cpu")


def _without_conditions(original: Any, self: Any, request: Any, meant: Any, doc: Any, code: int = 200) -> Any:
    if meant.kind.kind != "Deployment" or "status" not in doc:
        return original(self, request, meant, doc, code)
    status = {key: value for key, value in doc["status"].items() if key != "conditions"}
    return original(self, request, meant, {**doc, "status": status}, code)


async def _no_log(*_: Any) -> Any:
    raise Problem(400, "BadRequest", "the pod does not have a host assigned")


def _pods_stand_still(original: Any, self: Any, kind: Any, old: Any, *rest: Any) -> Any:
    if kind.kind == "Pod":
        raise Problem(403, "Forbidden", "pods are as they were made")
    return original(self, kind, old, *rest)


def _pods_never_fail(original: Any, self: Any, kind: Any, old: Any, doc: Any, options: Any) -> Any:
    if kind.kind == "Pod" and (doc.get("status") or {}).get("phase") == "Failed":
        doc = {**doc, "status": {**doc["status"], "phase": "Succeeded"}}
    return original(self, kind, old, doc, options)


def _no_scale(*_: Any) -> Any:
    raise Problem(404, "NotFound", "there is no scale")


DEFECTS = (
    Defect(
        "no Recreate: every Deployment rolls", around(Deployments, "sync", _always_rolling), ("test_recreate_ends_the_old_before_the_new",)
    ),
    Defect("ReplicaSets make no pods", instead(ReplicaSets, "sync", _idle), ("test_a_pod_that_is_deleted_is_made_again",)),
    Defect(
        "Deployments are not looked at",
        instead(Deployments, "sync", _idle),
        (
            "test_a_deployment_becomes_available",
            "test_a_pod_counts_as_available_when_it_was_ready_long_enough",
            "test_a_new_image_rolls_and_the_old_set_stays_empty",
            "test_a_template_that_comes_back_adopts_its_old_set",
            "test_a_scale_goes_up_down_and_to_nothing",
            "test_a_rollout_that_does_not_move_exceeds_its_deadline",
            "test_a_bad_image_leaves_the_old_pods_at_work",
        ),
    ),
    Defect("nobody writes a pod's status", around(Objects, "_update", _pods_stand_still), (r"test_helm_tests_a_release\[success\]",)),
    Defect("no pod ever fails", around(Objects, "_update", _pods_never_fail), (r"test_helm_tests_a_release\[failure\]",)),
    Defect("Jobs are not looked at", instead(Jobs, "sync", _idle), ("test_a_job_completes", "test_a_job_fails_.*")),
    Defect(
        "autoscalers do not hold still within a tolerance",
        instead(proposing.Tolerances, "hold", lambda self, ratio: False),
        ("test_an_autoscaler_leaves_a_use_within_its_tolerance_alone",),
    ),
    Defect(
        "an autoscaler forgets what it recommended",
        around(Pace, "paced", _forgetful),
        ("test_an_autoscaler_remembers_what_it_recommended_before_it_scales_down",),
    ),
    Defect(
        "an autoscaler goes at any pace",
        instead(Pace, "_limit", lambda self, rules, current, now, way: 0 if way < 0 else 1000),
        ("test_an_autoscaler_scales_down_at_the_pace_of_its_policies",),
    ),
    Defect(
        "an autoscaler looks at its first metric only",
        around(Autoscalers, "sync", _by_one_metric),
        ("test_an_autoscaler_of_two_metrics_follows_the_larger",),
    ),
    Defect(
        "what a pod does not request is nothing",
        instead(proposing, "_request", lambda pod, resource: 100),
        ("test_an_autoscaler_of_pods_that_request_nothing_says_so",),
    ),
    Defect(
        "memory is written in powers of ten", around(proposing, "quantity", _decimal), ("test_an_autoscaler_follows_memory_by_its_value",)
    ),
    Defect("autoscalers are not looked at", instead(Autoscalers, "sync", _idle), (r"test_an_autoscaler_.*",)),
    Defect(
        "nobody tells anything",
        instead(Recorder, "tell", lambda *_: None),
        (
            "test_a_deployment_tells_how_it_rolls",
            "test_a_replica_set_tells_of_its_pods",
            "test_pods_that_may_not_be_are_told_of",
            "test_an_event_names_its_object",
            "test_a_job_tells_of_its_pod_and_its_end",
            "test_a_job_that_fails_warns",
        ),
    ),
    Defect(
        "similar Events are told one by one",
        instead(Correlator, "_joined", lambda self, sentence, now: sentence),
        ("test_similar_events_are_joined_from_the_tenth_on",),
    ),
    Defect("no Job is suspended", around(Jobs, "sync", _never_suspended), ("test_a_suspended_job_.*", "test_a_job_that_is_suspended_.*")),
    Defect("a Deployment's conditions are not shown", around(Handler, "_shown", _without_conditions), ("test_kubectl_describes",)),
    Defect("the log of a pod on no node is refused", instead(Streams, "log", _no_log), ("test_a_pod_on_no_node_has_said_nothing",)),
    Defect("a scale cannot be read", instead(handling, "scale_of", _no_scale), ("test_kubectl_waits_scales_restarts_and_deletes",)),
)
