"""The definitions in deploy/crds are structural, keep our status fields, and take what the template's charts render."""

import json
from typing import Any

import pytest

from tests.deploy.kubectl import Kubectl
from tests.repo_template.charts import release, render


def test_canaries_show_the_guides_columns_and_keep_our_status(kubectl: Kubectl, namespace: str) -> None:
    canary = render("podinfo", {"canary": {"enabled": True, "loadtest": {"enabled": True}, "helmtest": {"enabled": True}}})[
        "Canary/frontend"
    ]
    kubectl("-n", namespace, "create", "-f", "-", docs=[canary])
    status = {"phase": "Progressing", "canaryWeight": 5, "run": {"number": 3}, "pendingResults": [{"number": 2}], "differs": "values"}
    kubectl("-n", namespace, "patch", "canary", "frontend", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    assert json.loads(kubectl("-n", namespace, "get", "canary", "frontend", "-o", "json"))["status"] == status
    heading, row = kubectl("-n", namespace, "get", "canaries").splitlines()
    assert heading.split() == ["NAME", "STATUS", "WEIGHT", "LASTTRANSITIONTIME"]
    assert row.split()[:3] == ["frontend", "Progressing", "5"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"interval": "1h"}, "interval", id="an interval in hours"),
        pytest.param({"iterations": 5}, "oneOf|must validate one", id="two strategies at once"),
    ],
)
def test_a_canary_that_cannot_work_is_refused(kubectl: Kubectl, namespace: str, change: dict[str, Any], sentence: str) -> None:
    canary = render("podinfo", {"canary": {"enabled": True}})["Canary/frontend"]
    canary["spec"]["analysis"] |= change
    with pytest.raises(AssertionError, match=sentence):
        kubectl("-n", namespace, "create", "-f", "-", docs=[canary])


@pytest.mark.parametrize("api_version", ["flux.weave.works/v1beta1", "helm.fluxcd.io/v1"])
@pytest.mark.parametrize("name", ["frontend", "backend", "loadtester", "helmtester"])
def test_the_templates_releases_are_taken_in_both_groups(kubectl: Kubectl, namespace: str, api_version: str, name: str) -> None:
    doc = release(f"releases/test/{name}.yaml")
    doc["apiVersion"], doc["metadata"]["namespace"] = api_version, namespace
    kubectl("create", "-f", "-", docs=[doc])
    kind = "helmreleases." + api_version.split("/")[0]
    kept = json.loads(kubectl("-n", namespace, "get", kind, name, "-o", "json"))
    assert kept["spec"] == doc["spec"]
