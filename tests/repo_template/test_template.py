"""What a user copies renders with Helm as it stands, and has one owner for every field."""

import pytest
from helm_python import lint

from tests.repo_template.charts import ROOT, release, render

RELEASES = ("frontend", "backend", "loadtester", "helmtester")
GUARDED = {"nameOverride": "frontend", "canary": {"enabled": True, "loadtest": {"enabled": True}, "helmtest": {"enabled": True}}}


@pytest.mark.parametrize("name", RELEASES)
def test_every_release_renders_with_helm_from_a_chart_of_this_repository(name: str) -> None:
    doc = release(f"releases/test/{name}.yaml")
    chart = doc["spec"]["chart"]["path"]
    assert doc["apiVersion"] == "flux.weave.works/v1beta1"
    rendered = render(chart.removeprefix("charts/"), doc["spec"]["values"], doc["spec"]["releaseName"], doc["metadata"]["namespace"])
    assert f"Deployment/{doc['spec']['releaseName']}" in rendered


@pytest.mark.parametrize("chart", ["podinfo", "loadtester"])
def test_the_charts_pass_helm_lint(chart: str) -> None:
    report = lint(str(ROOT / "charts" / chart))
    assert [message for message in report["messages"] if message["severity"] > 1] == []


def test_the_tree_is_the_guides() -> None:
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()}
    chart: tuple[str, ...] = ("Chart.yaml", "README.md", "values.yaml")
    chart += ("templates/NOTES.txt", "templates/_helpers.tpl", "templates/canary.yaml")
    chart += ("templates/configmap.yaml", "templates/deployment.yaml", "templates/hpa.yaml", "templates/service.yaml")
    chart += ("templates/tests/test-config.yaml", "templates/tests/test-pod.yaml")
    assert {"namespaces/test.yaml", *(f"releases/test/{name}.yaml" for name in RELEASES)} <= found
    assert {f"charts/podinfo/{file}" for file in chart} <= found


def test_O1_under_a_canary_the_chart_renders_neither_replicas_nor_service() -> None:
    rendered = render("podinfo", GUARDED)
    assert "replicas" not in rendered["Deployment/frontend"]["spec"]
    outside_tests = {name for name, doc in rendered.items() if "helm.sh/hook" not in doc["metadata"].get("annotations", {})}
    assert outside_tests == {"ConfigMap/frontend", "Deployment/frontend", "HorizontalPodAutoscaler/frontend", "Canary/frontend"}


def test_without_a_canary_the_chart_renders_a_service_and_replicas_only_without_an_autoscaler() -> None:
    assert "Service/frontend" in render("podinfo", {})
    assert "replicas" not in render("podinfo", {})["Deployment/frontend"]["spec"]
    assert render("podinfo", {"hpa": {"enabled": False}})["Deployment/frontend"]["spec"]["replicas"] == 2


def test_the_canary_has_the_guides_pace_and_hooks() -> None:
    spec = render("podinfo", GUARDED)["Canary/frontend"]["spec"]
    analysis = spec["analysis"]
    assert (analysis["interval"], analysis["threshold"], analysis["maxWeight"], analysis["stepWeight"]) == ("15s", 10, 50, 5)
    assert [metric["thresholdRange"] for metric in analysis["metrics"]] == [{"min": 99}, {"max": 500}]
    hooks = {hook["name"]: hook for hook in analysis["webhooks"]}
    assert (hooks["helm test"]["type"], hooks["helm test"]["timeout"]) == ("pre-rollout", "3m")
    assert hooks["helm test"]["url"] == "http://flagger-helmtester.kube-system/"
    assert hooks["load test"]["timeout"] == "5s"
    assert spec["autoscalerRef"]["name"] == "frontend"


def test_a_demo_may_tick_every_second() -> None:
    values = {"canary": {"enabled": True, "analysis": {"interval": "1s"}}}
    assert render("podinfo", values)["Canary/frontend"]["spec"]["analysis"]["interval"] == "1s"


def test_a_gateway_is_never_alone_so_traffic_in_the_mesh_follows_the_weights() -> None:
    values = {"canary": {"enabled": True, "istioIngress": {"enabled": True, "gateway": "g.ns", "host": "frontend.example.com"}}}
    service = render("podinfo", values)["Canary/frontend"]["spec"]["service"]
    assert service["gateways"] == ["g.ns", "mesh"]
    assert service["hosts"] == ["frontend.example.com"]


def test_a_config_value_moves_the_config_map_and_under_a_canary_not_the_pods() -> None:
    before, after = (render("podinfo", {**GUARDED, "httpServer": {"timeout": time}}) for time in ("30s", "25s"))
    assert before["ConfigMap/frontend"] != after["ConfigMap/frontend"]
    assert before["Deployment/frontend"] == after["Deployment/frontend"]


def test_values_that_the_chart_does_not_know_are_refused_with_their_place() -> None:
    with pytest.raises(Exception, match=r"canary.*interval"):
        render("podinfo", {"canary": {"analysis": {"interval": "1 hour"}}})


def test_the_automated_release_bumps_patch_tags_only() -> None:
    annotations = release("releases/test/frontend.yaml")["metadata"]["annotations"]
    assert annotations == {"fluxcd.io/automated": "true", "filter.fluxcd.io/chart-image": "semver:~3.1"}
