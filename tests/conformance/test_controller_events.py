"""What controllers tell of their objects as Events: reasons, sentences, counts, and whom they come from."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.client import SECONDS, Api
from tests.conformance.figures import Figures
from tests.conformance.objects import deployment, job
from tests.conformance.stand_in import StandIn

WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


@dataclass(frozen=True)
class Told:
    type: str
    reason: str
    message: str
    count: int
    component: str


def told(api: Api, kind: str, enough: Callable[[list[Told]], Any]) -> list[Told]:
    """What was said of the namespace's objects of `kind`, oldest first, as soon as it is enough."""
    end, pause = time.monotonic() + SECONDS, threading.Event()
    while not enough(found := _listed(api, kind)):
        assert time.monotonic() < end, found
        pause.wait(0.05)
    return found


def _listed(api: Api, kind: str) -> list[Told]:
    listed = api.list("events", fieldSelector=f"involvedObject.kind={kind}").body["items"]
    listed.sort(key=lambda one: one["metadata"]["name"].rpartition(".")[2])
    return [Told(one["type"], one["reason"], one["message"], one["count"], one["source"]["component"]) for one in listed]


def _said(*reasons: str) -> Callable[[list[Told]], bool]:
    return lambda all_: set(reasons) <= {one.reason for one in all_}


def _rolled(replicas: int) -> Callable[[Any], bool]:
    def check(doc: Any) -> bool:
        status = doc["status"]
        return (status.get("updatedReplicas"), status.get("availableReplicas"), status.get("replicas")) == (replicas,) * 3

    return check


def test_a_deployment_tells_how_it_rolls(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 2))
    api.until("deployments", "web", _rolled(2))
    old = api.list("replicasets").names[0]
    api.patch(
        "deployments", "web", {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/app:2.0"}]}}}}
    )
    found = told(api, "Deployment", lambda all_: len(all_) == 5)
    new = next(name for name in api.list("replicasets").names if name != old)
    assert [one.message for one in found] == [
        f"Scaled up replica set {old} from 0 to 2",
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {old} from 2 to 1",
        f"Scaled up replica set {new} from 1 to 2",
        f"Scaled down replica set {old} from 1 to 0",
    ]
    assert {(one.type, one.reason, one.count, one.component) for one in found} == {
        ("Normal", "ScalingReplicaSet", 1, "deployment-controller")
    }


def test_a_replica_set_tells_of_its_pods(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    api.until("deployments", "web", _rolled(1))
    name = api.list("pods").names[0]
    api.patch("deployments", "web", {"spec": {"replicas": 0}})
    assert told(api, "ReplicaSet", _said("SuccessfulDelete")) == [
        Told("Normal", "SuccessfulCreate", f"Created pod: {name}", 1, "replicaset-controller"),
        Told("Normal", "SuccessfulDelete", f"Deleted pod: {name}", 1, "replicaset-controller"),
    ]


def test_similar_events_are_joined_from_the_tenth_on(api: Api) -> None:
    api.create("deployments", deployment("web", 12))
    found = told(api, "ReplicaSet", lambda all_: sum(one.count for one in all_) == 12)
    assert [one.count for one in found] == [1] * 9 + [3]
    assert found[-1].message.startswith("(combined from similar events): Created pod: web-")
    assert not any(one.message.startswith("(") for one in found[:-1])


def test_pods_that_may_not_be_are_told_of(api: Api) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.patch("namespaces", api.ns, {"metadata": {"labels": labels}})
    api.create("deployments", deployment("web", 1))
    first = told(api, "ReplicaSet", _said("FailedCreate"))[0]
    assert (first.type, first.component) == ("Warning", "replicaset-controller")
    assert first.message.startswith('Error creating: pods "web-')
    assert 'is forbidden: violates PodSecurity "restricted:latest"' in first.message


def test_an_event_names_its_object(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    told(api, "Deployment", _said("ScalingReplicaSet"))
    event = api.list("events", fieldSelector="involvedObject.kind=Deployment").body["items"][0]
    meta = api.get("deployments", "web").meta
    involved = event["involvedObject"]
    assert {key: involved[key] for key in ("apiVersion", "kind", "namespace", "name", "uid")} == {
        **WEB,
        "namespace": api.ns,
        "uid": meta["uid"],
    }
    assert involved["resourceVersion"]
    assert event["metadata"]["name"].startswith("web.")
    assert event["reportingComponent"] == "deployment-controller"
    assert event["firstTimestamp"] == event["lastTimestamp"]
    assert event["eventTime"] is None


def test_a_job_tells_of_its_pod_and_its_end(api: Api, node: StandIn) -> None:
    node.decide = lambda pod: "Succeeded"
    api.create("jobs", job())
    found = told(api, "Job", _said("Completed"))
    name = api.list("pods").names[0]
    assert found == [
        Told("Normal", "SuccessfulCreate", f"Created pod: {name}", 1, "job-controller"),
        Told("Normal", "Completed", "Job completed", 1, "job-controller"),
    ]


def test_a_job_that_fails_warns(api: Api, node: StandIn) -> None:
    node.decide = lambda pod: "Failed"
    api.create("jobs", job(backoffLimit=0))
    last = told(api, "Job", _said("BackoffLimitExceeded"))[-1]
    assert last == Told("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit", 1, "job-controller")


def test_a_suspended_job_has_no_pods_until_it_is_resumed(api: Api, node: StandIn) -> None:
    api.create("jobs", job(suspend=True))
    found = api.until("jobs", "task", lambda doc: bool(doc["status"].get("conditions")))["status"]
    assert [(one["type"], one["status"], one["reason"], one["message"]) for one in found["conditions"]] == [
        ("Suspended", "True", "JobSuspended", "Job suspended")
    ]
    assert "startTime" not in found
    assert api.list("pods").names == []
    node.decide = lambda pod: "Succeeded"
    api.patch("jobs", "task", {"spec": {"suspend": False}})
    ended = api.until("jobs", "task", lambda doc: doc["status"].get("succeeded") == 1 and doc["status"].get("completionTime"))["status"]
    assert ended["startTime"]
    assert ("Suspended", "False", "JobResumed") in [(one["type"], one["status"], one["reason"]) for one in ended["conditions"]]
    reasons = [one.reason for one in told(api, "Job", _said("Suspended", "Resumed", "Completed"))]
    assert sorted(reasons) == ["Completed", "Resumed", "SuccessfulCreate", "Suspended"]


def test_a_job_that_is_suspended_ends_its_pods(api: Api, node: StandIn) -> None:
    api.create("jobs", job())
    api.until("jobs", "task", lambda doc: doc["status"].get("active") == 1)
    api.patch("jobs", "task", {"spec": {"suspend": True}})
    api.until("jobs", "task", lambda doc: not doc["status"].get("active") and bool(doc["status"].get("conditions")))
    told(api, "Job", _said("SuccessfulCreate", "Suspended", "SuccessfulDelete"))


def test_an_autoscaler_tells_why_it_scales(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    spec = {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": WEB}
    api.create("horizontalpodautoscalers", {"metadata": {"name": "web"}, "spec": spec})
    api.until("deployments", "web", lambda doc: doc["spec"]["replicas"] == 2)
    why = "New size: 2; reason: Current number of replicas below Spec.MinReplicas"
    first = told(api, "HorizontalPodAutoscaler", _said("SuccessfulRescale"))[0]
    assert first == Told("Normal", "SuccessfulRescale", why, 1, "horizontal-pod-autoscaler")
    api.patch("deployments", "web", {"spec": {"replicas": 7}})
    why = "New size: 4; reason: Current number of replicas above Spec.MaxReplicas"
    told(api, "HorizontalPodAutoscaler", lambda all_: why in [one.message for one in all_])


def test_an_autoscaler_without_figures_warns(api: Api, node: StandIn, figures: Figures) -> None:
    api.create("deployments", deployment("web", 1))
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    spec = {"minReplicas": 1, "maxReplicas": 4, "scaleTargetRef": WEB, "metrics": [metric]}
    api.create("horizontalpodautoscalers", {"metadata": {"name": "web"}, "spec": spec})
    found = {
        one.reason: one for one in told(api, "HorizontalPodAutoscaler", _said("FailedGetResourceMetric", "FailedComputeMetricsReplicas"))
    }
    one = found["FailedGetResourceMetric"]
    assert (one.type, one.component) == ("Warning", "horizontal-pod-autoscaler")
    assert one.message.startswith("failed to get cpu utilization: ")
    start = "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: "
    assert found["FailedComputeMetricsReplicas"].message.startswith(start)


def test_an_autoscaler_without_a_target_warns(api: Api) -> None:
    spec = {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": WEB}
    api.create("horizontalpodautoscalers", {"metadata": {"name": "web"}, "spec": spec})
    first = told(api, "HorizontalPodAutoscaler", _said("FailedGetScale"))[0]
    assert first == Told("Warning", "FailedGetScale", 'deployments.apps "web" not found', first.count, "horizontal-pod-autoscaler")
