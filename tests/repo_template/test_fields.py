"""Every field of the originals is kept as it is written, their oddities are refused or dropped as there, and our status fits."""

import json
from copy import deepcopy
from typing import Any

import pytest

from gitops_canary.domain.canary.status import status_sample
from tests.deploy.kubectl import Kubectl
from tests.repo_template.every_field import ANALYSIS, CANARY, EVERY, Doc


def create(kubectl: Kubectl, namespace: str, doc: Doc, *words: str) -> Doc:
    made: Doc = json.loads(kubectl("-n", namespace, "create", "-o", "json", *words, "-f", "-", docs=[doc]))
    return made


@pytest.mark.parametrize("doc", EVERY, ids=lambda doc: f"{doc['apiVersion']} {doc['kind']}")
def test_every_field_of_the_originals_is_kept(kubectl: Kubectl, namespace: str, doc: Doc) -> None:
    """kubectl asks for strict validation: a field that the definition does not know is refused."""
    assert create(kubectl, namespace, doc)["spec"] == doc["spec"]


def test_an_unknown_field_is_refused_when_strict_and_dropped_otherwise(kubectl: Kubectl, namespace: str) -> None:
    """Flagger's definition drops the `canaryAnalysis` of its first versions silently; whoever asks for strictness is told."""
    doc = deepcopy(CANARY)
    doc["spec"] |= {"canaryAnalysis": ANALYSIS, "sepc": 1}
    with pytest.raises(AssertionError, match=r'unknown field "spec\.canaryAnalysis"'):
        create(kubectl, namespace, doc)
    assert create(kubectl, namespace, doc, "--validate=ignore")["spec"] == CANARY["spec"]


def changed(**analysis: Any) -> Doc:
    doc = deepcopy(CANARY)
    doc["spec"]["analysis"] = {key: value for key, value in (ANALYSIS | analysis).items() if value is not None}
    return doc


@pytest.mark.parametrize("interval", ["15s", "1m", "1m30s", "90s"])
def test_an_interval_in_minutes_and_seconds_is_taken(kubectl: Kubectl, namespace: str, interval: str) -> None:
    assert create(kubectl, namespace, changed(interval=interval))["spec"]["analysis"]["interval"] == interval


@pytest.mark.parametrize(
    ("doc", "sentence"),
    [
        pytest.param(changed(interval="1h"), "spec.analysis.interval", id="hours"),
        pytest.param(changed(interval="10seconds"), "spec.analysis.interval", id="words"),
        pytest.param(changed(stepWeight=None), "spec.analysis.iterations: Required value|must validate one and only one", id="no strategy"),
        pytest.param(changed(iterations=5), "must validate one and only one schema|oneOf", id="two strategies"),
        pytest.param(changed(threshold=None), "spec.analysis.threshold|oneOf|one and only one", id="no threshold"),
        pytest.param({**CANARY, "spec": {"analysis": ANALYSIS}}, "spec.targetRef: Required value", id="no target"),
        pytest.param({**CANARY, "spec": {"targetRef": CANARY["spec"]["targetRef"]}}, "spec.analysis: Required value", id="no analysis"),
        pytest.param(
            {**CANARY, "spec": {**CANARY["spec"], "targetRef": {"kind": "StatefulSet", "name": "a"}}}, "spec.targetRef.kind", id="a kind"
        ),
        pytest.param({**CANARY, "apiVersion": "flagger.app/v1alpha3"}, "no matches for kind|no kind", id="an old version"),
    ],
)
def test_what_the_original_refuses_is_refused(kubectl: Kubectl, namespace: str, doc: Doc, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        create(kubectl, namespace, doc)


def test_all_of_our_status_is_kept(kubectl: Kubectl, namespace: str) -> None:
    create(kubectl, namespace, CANARY)
    written = {key: value for key, value in status_sample().items() if value is not None}
    patch = json.dumps({"status": written})
    kubectl("-n", namespace, "patch", "canary", "every", "--subresource=status", "--type=merge", "-p", patch)
    kept = json.loads(kubectl("-n", namespace, "get", "canary", "every", "-o", "json"))["status"]
    assert kept == written


def test_get_all_shows_canaries_and_they_have_no_short_name(kubectl: Kubectl, namespace: str) -> None:
    create(kubectl, namespace, CANARY)
    assert "canary.flagger.app/every" in kubectl("-n", namespace, "get", "all", "-o", "name")
    row = next(line for line in kubectl("api-resources", "--api-group=flagger.app").splitlines() if line.startswith("canaries"))
    assert row.split() == ["canaries", "flagger.app/v1beta1", "true", "Canary"]
    columns = kubectl("-n", namespace, "get", "canaries", "-o", "wide").splitlines()[0].split()
    assert columns == [
        *("NAME", "STATUS", "WEIGHT", "SUSPENDED", "FAILEDCHECKS", "INTERVAL"),
        *("MIRROR", "STEPWEIGHT", "STEPWEIGHTS", "MAXWEIGHT", "LASTTRANSITIONTIME"),
    ]
