"""The definitions take what Flagger's and the Helm Operator's took, keep or drop fields as those, and refuse what those refuse."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_canary.domain.helmrelease import parse_helmrelease
from tests.deploy.kubectl import Kubectl
from tests.deploy.manifests import DEPLOY

GROUPS = ["helm.fluxcd.io/v1", "flux.weave.works/v1beta1"]


@pytest.fixture(scope="module")
def kubectl(kubeconfig: Path) -> Kubectl:
    run = Kubectl(kubeconfig)
    run("apply", "--server-side", "-k", str(DEPLOY / "crds"))
    run("wait", "--for=condition=Established", "crd", "--all")
    return run


def release(group: str, **spec: Any) -> dict[str, Any]:
    chart = {"repository": "https://charts.example.com", "name": "web", "version": "1.0.0"}
    return {
        "apiVersion": group,
        "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"chart": chart, **spec},
    }


def taken(kubectl: Kubectl, doc: dict[str, Any], *how: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(
        kubectl("apply", *how, "--dry-run=server", "--validate=warn", "-o", "yaml", "-f", "-", docs=[doc])
    )
    return read


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("how", [[], ["--server-side"]], ids=["client-side", "server-side"])
def test_a_release_may_leave_its_values_empty(kubectl: Kubectl, group: str, how: list[str]) -> None:
    """`values:` with nothing below it, as the Helm Operator took it."""
    assert parse_helmrelease(taken(kubectl, release(group, values=None), *how)).values == {}


def test_a_null_among_the_values_reaches_helm(kubectl: Kubectl) -> None:
    """By it a release takes a chart's default away."""
    doc = taken(kubectl, release(GROUPS[0], values={"livenessProbe": None, "a": {"b": None}}), "--server-side")
    assert parse_helmrelease(doc).values == {"livenessProbe": None, "a": {"b": None}}


CANARY = yaml.safe_load("""
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web, namespace: default}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 1m, threshold: 5, stepWeight: 10, maxWeight: 50}
""")


def canary(*path: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(yaml.safe_dump(CANARY))
    at = made
    for step in path[:-1]:
        at = at.setdefault(step, {})
    at[path[-1]] = value
    return made


def test_unknown_fields_of_a_canary_are_dropped_as_flaggers_definition_does(kubectl: Kubectl) -> None:
    doc = canary("spec", "canaryAnalysis", value={"interval": "1m"})
    doc["spec"]["service"]["prot"] = 1
    assert taken(kubectl, doc)["spec"].keys() == {"targetRef", "service", "analysis"}
    assert "prot" not in taken(kubectl, doc)["spec"]["service"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        pytest.param(("spec", "analysis", "interval"), "1h", "spec.analysis.interval", id="an interval in hours"),
        pytest.param(("spec", "analysis", "stepWeights"), [10, 20], "spec.analysis", id="two kinds of steps"),
        pytest.param(("spec", "targetRef", "kind"), "StatefulSet", 'supported values: "Deployment", "DaemonSet", "Service"', id="target"),
        pytest.param(
            ("spec", "analysis", "webhooks"), [{"name": "a"}], "spec.analysis.webhooks[0].url: Required", id="webhook without URL"
        ),
        pytest.param(
            ("spec", "analysis", "metrics"), [{"interval": "1m"}], "spec.analysis.metrics[0].name: Required", id="nameless metric"
        ),
        pytest.param(("spec", "service", "port"), "http", "spec.service.port", id="a port by name"),
        pytest.param(("spec", "autoscalerRef"), {"kind": "Pod", "name": "a"}, "spec.autoscalerRef.kind", id="an autoscaler that is none"),
    ],
)
def test_what_flaggers_definition_refuses_is_refused(kubectl: Kubectl, path: tuple[str, ...], value: Any, words: str) -> None:
    with pytest.raises(AssertionError) as refused:
        taken(kubectl, canary(*path, value=value))
    assert words in str(refused.value)


def test_a_canary_without_service_or_apiversion_of_its_target_is_taken(kubectl: Kubectl) -> None:
    del (doc := canary("spec", "suspend", value=True))["spec"]["service"]
    assert taken(kubectl, doc)["spec"]["suspend"] is True
