"""HorizontalPodAutoscalers: what they make of what pods use, and what they say of it."""

from typing import Any

from tests.conformance.client import Api, Doc
from tests.conformance.figures import Figures
from tests.conformance.objects import container, deployment
from tests.conformance.stand_in import StandIn

AUTOSCALERS = "horizontalpodautoscalers"
CPU = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
MEMORY = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "64Mi"}}


def _condition(doc: Doc, type_: str) -> Doc:
    return next((one for one in doc.get("status", {}).get("conditions") or [] if one["type"] == type_), {})


def _told(doc: Doc, type_: str) -> tuple[str, str]:
    found = _condition(doc, type_)
    return found.get("status", ""), found.get("reason", "")


def _running(api: Api, replicas: int, requests: Doc | None = None) -> None:
    """A Deployment `web` with all its pods ready."""
    asked = {"cpu": "100m", "memory": "128Mi"} if requests is None else requests
    api.create("deployments", deployment("web", replicas, container(resources={"requests": asked})))
    api.until("deployments", "web", lambda doc: doc["status"].get("readyReplicas") == replicas)


def _scaler(api: Api, *resources: Doc, most: int = 10, least: int = 1, **more: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metrics = [{"type": "Resource", "resource": one} for one in resources]
    spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": metrics, **more}
    made = api.create(AUTOSCALERS, {"metadata": {"name": "web"}, "spec": spec})
    assert made.code == 201, made.body


def _replicas(api: Api) -> int:
    return int(api.get("deployments", "web").body["spec"]["replicas"])


def test_an_autoscaler_scales_up_by_cpu_as_far_as_it_may(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 1)
    figures.uses("web", 0.2)
    _scaler(api, CPU, most=3)
    api.until("deployments", "web", lambda doc: doc["spec"]["replicas"] == 3)
    done = api.until(AUTOSCALERS, "web", lambda doc: doc["status"].get("currentReplicas") == 3 and doc["status"].get("currentMetrics"))
    assert done["status"]["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 200, "averageValue": "200m"}}}
    ]
    assert done["status"]["desiredReplicas"] == 3
    assert done["status"]["lastScaleTime"]
    assert _told(done, "ScalingLimited") == ("True", "TooManyReplicas")
    assert _told(done, "ScalingActive") == ("True", "ValidMetricFound")
    why = "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"
    assert _condition(done, "ScalingActive")["message"] == why


def test_an_autoscaler_leaves_a_use_within_its_tolerance_alone(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 2)
    figures.uses("web", 0.052)
    _scaler(api, CPU)
    done = api.until(AUTOSCALERS, "web", lambda doc: _told(doc, "ScalingActive")[0] == "True")
    assert done["status"]["currentMetrics"][0]["resource"]["current"] == {"averageUtilization": 52, "averageValue": "52m"}
    assert (done["status"]["currentReplicas"], done["status"]["desiredReplicas"], _replicas(api)) == (2, 2, 2)
    assert _told(done, "AbleToScale") == ("True", "ReadyForNewScale")
    assert _told(done, "ScalingLimited") == ("False", "DesiredWithinRange")
    assert "lastScaleTime" not in done["status"]


def test_an_autoscaler_remembers_what_it_recommended_before_it_scales_down(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 3)
    figures.uses("web", 0.01)
    _scaler(api, CPU)
    done = api.until(AUTOSCALERS, "web", lambda doc: _told(doc, "AbleToScale")[1] == "ScaleDownStabilized")
    assert done["status"]["desiredReplicas"] == 3
    assert _replicas(api) == 3


def test_an_autoscaler_scales_down_at_the_pace_of_its_policies(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 4)
    figures.uses("web", 0.01)
    policy = {"type": "Pods", "value": 1, "periodSeconds": 600}
    _scaler(api, CPU, behavior={"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [policy]}})
    done = api.until(AUTOSCALERS, "web", lambda doc: doc["status"].get("currentReplicas") == 3 and doc["status"].get("currentMetrics"))
    assert (done["status"]["desiredReplicas"], _replicas(api)) == (3, 3)
    assert _told(done, "ScalingLimited") == ("True", "ScaleDownLimit")


def test_an_autoscaler_scales_down_to_its_minimum(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 4)
    figures.uses("web", 0.001)
    _scaler(api, CPU, least=2, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    api.until("deployments", "web", lambda doc: doc["spec"]["replicas"] == 2)
    done = api.until(AUTOSCALERS, "web", lambda doc: _told(doc, "ScalingLimited") == ("True", "TooFewReplicas"))
    assert done["status"]["desiredReplicas"] == 2


def test_an_autoscaler_follows_memory_by_its_value(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 1)
    figures.uses("web", 0.0, 128 * 2**20)
    _scaler(api, MEMORY, most=2)
    api.until("deployments", "web", lambda doc: doc["spec"]["replicas"] == 2)
    done = api.until(AUTOSCALERS, "web", lambda doc: doc["status"].get("currentMetrics"))
    assert done["status"]["currentMetrics"][0]["resource"] == {"name": "memory", "current": {"averageValue": "128Mi"}}
    assert _condition(done, "ScalingActive")["message"].endswith("from memory resource")


def test_an_autoscaler_of_two_metrics_follows_the_larger(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 1)
    figures.uses("web", 0.05, 192 * 2**20)
    _scaler(api, CPU, MEMORY, most=3)

    def both(doc: Doc) -> bool:
        return doc["status"].get("desiredReplicas") == 3 and len(doc["status"].get("currentMetrics") or ()) == 2

    done = api.until(AUTOSCALERS, "web", both)
    assert [one["resource"]["name"] for one in done["status"]["currentMetrics"]] == ["cpu", "memory"]


def test_an_autoscaler_without_figures_says_so_and_leaves_its_target_alone(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 2)
    _scaler(api, CPU)
    done = api.until(AUTOSCALERS, "web", lambda doc: bool(_condition(doc, "ScalingActive")))
    assert _told(done, "ScalingActive") == ("False", "FailedGetResourceMetric")
    why = "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"
    assert why in _condition(done, "ScalingActive")["message"]
    assert _told(done, "AbleToScale") == ("True", "SucceededGetScale")
    assert (done["status"]["currentReplicas"], _replicas(api)) == (2, 2)


def test_an_autoscaler_of_pods_that_request_nothing_says_so(api: Api, node: StandIn, figures: Figures) -> None:
    _running(api, 1, {})
    figures.uses("web", 0.2)
    _scaler(api, CPU)
    done = api.until(AUTOSCALERS, "web", lambda doc: "missing request" in _condition(doc, "ScalingActive").get("message", ""))
    assert "missing request for cpu in container main of Pod web-" in _condition(done, "ScalingActive")["message"]


def test_an_autoscaler_of_nothing_cannot_scale(api: Api) -> None:
    _scaler(api, CPU)
    done = api.until(AUTOSCALERS, "web", lambda doc: bool(_condition(doc, "AbleToScale")))
    assert _told(done, "AbleToScale") == ("False", "FailedGetScale")
    why = 'the HPA controller was unable to get the target\'s current scale: deployments.apps "web" not found'
    assert _condition(done, "AbleToScale")["message"] == why
