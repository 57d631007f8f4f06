"""Claims about checks, durations, specs and templates: the exact words, limits and sequences."""

from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.domain.canary.checks import judge, window
from gitops_canary.domain.canary.durations import go_duration, seconds
from gitops_canary.domain.canary.model import Answered, Check
from gitops_canary.domain.canary.reading import canary_spec
from gitops_canary.domain.canary.spec import Hook, Metric
from gitops_canary.domain.canary.workloads import (
    Selector,
    config_refs,
    original_template,
    primary_template,
    readiness,
    template_hash,
)
from gitops_canary.domain.errors import UserError
from tests.managers.canaries.world import canary_doc

SPEC = canary_spec(canary_doc())
RATE, TIME = Metric("request-success-rate", 60.0, least=99.0), Metric("request-duration", 60.0, most=500.0)
CUSTOM = Metric("errors", 60.0, most=1.0, query="errors")

DURATIONS = {"2.415s": 2415, "2.42s": 2420.9, "500ms": 500, "0s": 0.4, "1m0s": 60_000, "1m30.5s": 90_500, "1h0m1s": 3_601_000}


@pytest.mark.parametrize("text", DURATIONS)
def test_durations_are_printed_as_go_prints_them(text: str) -> None:
    assert go_duration(DURATIONS[text]) == text


@given(st.integers(0, 10**8))
def test_a_printed_duration_reads_back(milliseconds: int) -> None:
    assert round(seconds(go_duration(milliseconds)) * 1000) == milliseconds


JUDGED: dict[str, tuple[Metric, Answered, str, str]] = {
    "rate under": (RATE, Answered("value", 62.5), "failed", "Halt frontend.test advancement success rate 62.50% < 99%"),
    "rate at its limit": (RATE, Answered("value", 99.0), "passed", ""),
    "duration over": (TIME, Answered("value", 2415.0), "failed", "Halt frontend.test advancement request duration 2.415s > 500ms"),
    "duration at its limit": (TIME, Answered("value", 500.0), "passed", ""),
    "custom over": (CUSTOM, Answered("value", 1.23), "failed", "Halt frontend.test advancement errors 1.23 > 1"),
    "custom without data": (CUSTOM, Answered("no-data"), "no-data", "Halt advancement no values found for metric: errors"),
    "custom unreachable": (CUSTOM, Answered("unreachable", None, "503"), "failed", "Prometheus query failed for errors: 503"),
}


@pytest.mark.parametrize("name", JUDGED)
def test_a_metric_is_judged_against_inclusive_limits_in_flaggers_words(name: str) -> None:
    metric, answer, outcome, sentence = JUDGED[name]
    verdict = judge(SPEC, Check("k", "metric", metric=metric), answer)
    assert (verdict.outcome, verdict.sentence) == (outcome, sentence)


A31: dict[str, tuple[str, Literal["passed", "failed"], str, str]] = {
    "pre-rollout passes": ("pre-rollout", "passed", "passed", ""),
    "pre-rollout fails": ("pre-rollout", "failed", "failed", "Halt frontend.test advancement pre-rollout check w failed 403"),
    "rollout fails": ("rollout", "failed", "failed", "Halt frontend.test advancement external check w failed 403"),
    "gate closed": ("confirm-promotion", "failed", "closed", "Halt frontend.test advancement waiting for promotion approval w"),
    "traffic gate": (
        "confirm-traffic-increase",
        "failed",
        "closed",
        "Halt frontend.test advancement waiting for traffic increase approval w",
    ),
}


@pytest.mark.parametrize("name", A31)
def test_A31_a_webhooks_answer_passes_fails_or_holds_by_its_type(name: str) -> None:
    type_, answer, outcome, sentence = A31[name]
    given = Answered(answer, message="403" if answer == "failed" else "")
    verdict = judge(SPEC, Check("k", "hook", hook=Hook(type_, "w", "http://w/")), given)
    assert (verdict.outcome, verdict.sentence) == (outcome, sentence)


@given(st.floats(1, 600), st.floats(10, 120), st.floats(0, 2000))
def test_R9_a_window_never_reaches_back_further_than_the_run_but_for_a_ticks_jitter(metric: float, interval: float, elapsed: float) -> None:
    looked = window(Metric("request-success-rate", metric), interval, elapsed)
    assert looked <= max(metric, 1.0)
    assert looked <= max(elapsed, 1.0) + interval / 10


STEPS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "step 5 max 50": ({"stepWeight": 5, "maxWeight": 50}, tuple(range(5, 55, 5))),
    "step 20 max 50: a gate, not a cap": ({"stepWeight": 20, "maxWeight": 50}, (20, 40, 60)),
    "step 30 max 100: clamped": ({"stepWeight": 30, "maxWeight": 100}, (30, 60, 90, 100)),
    "step 10 max 5": ({"stepWeight": 10, "maxWeight": 5}, (10,)),
    "steps": ({"stepWeight": None, "stepWeights": [1, 2, 10, 80]}, (1, 2, 10, 80)),
    "steps beyond maxWeight": ({"stepWeight": None, "stepWeights": [10, 60], "maxWeight": 50}, (10, 60)),
}


@pytest.mark.parametrize("name", STEPS)
def test_A5_the_weights_follow_flaggers_sequences(name: str) -> None:
    given_, steps = STEPS[name]
    assert canary_spec(canary_doc(analysis=given_)).steps == steps


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "interval": ({"analysis": {"interval": "soon"}}, "interval 'soon' is not a duration"),
    "threshold": ({"analysis": {"threshold": "ten"}}, "threshold 'ten' is not a whole number"),
    "no step": ({"analysis": {"stepWeight": None}}, "neither stepWeight nor stepWeights"),
    "weight": ({"analysis": {"stepWeight": 101}}, "stepWeight 101 is not between 0 and 100"),
    "metric": ({"analysis": {"metrics": [{"name": "latency"}]}}, "metric 'latency' is neither built in"),
    "hook": ({"analysis": {"webhooks": [{"name": "w", "url": "tester"}]}}, "webhook 'w' has the URL 'tester'"),
    "port": ({"service": {"port": None}}, "service.port is missing"),
    "kind": ({"targetRef": {"kind": "DaemonSet", "name": "x"}}, "targetRef kind DaemonSet is not supported yet"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_cannot_be_used_is_named_with_its_canary(name: str) -> None:
    changes, words = WRONG[name]
    with pytest.raises(UserError) as raised:
        canary_spec(canary_doc(**changes))
    assert str(raised.value).startswith("cannot analyse Canary test/frontend: ")
    assert words in str(raised.value)


def test_the_interval_never_falls_below_the_floor() -> None:
    assert canary_spec(canary_doc(analysis={"interval": "1s"})).interval == 10.0
    assert canary_spec(canary_doc(analysis={"interval": "1s"}), interval_floor=1.0).interval == 1.0


NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
TEMPLATES = st.builds(
    lambda volumes, envs, image: {
        "metadata": {"labels": {"app": "frontend"}},
        "spec": {
            "containers": [{"name": "c", "image": image, "envFrom": [{"secretRef": {"name": name}} for name in envs]}],
            "volumes": [{"name": name, "configMap": {"name": name}} for name in volumes],
            "topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "frontend"}}}],
        },
    },
    st.lists(NAMES, max_size=3),
    st.lists(NAMES, max_size=3),
    NAMES,
)


@settings(max_examples=60)
@given(TEMPLATES)
def test_A34_R7_the_primarys_template_with_the_renames_undone_is_the_targets(template: dict[str, Any]) -> None:
    selector = Selector("app", "frontend")
    tracked = frozenset(config.key for config in config_refs(template))
    primary = primary_template(template, selector, "frontend", "sha256:r", tracked)
    assert primary["metadata"]["labels"]["app"] == "frontend-primary"
    assert primary["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["app"] == "frontend-primary"
    assert all(config.name.endswith("-primary") for config in config_refs(primary))
    assert template_hash(original_template(primary, selector, "frontend")) == template_hash(template)


ROLLOUTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "not observed": ({"observedGeneration": 1}, 100, "observed deployment generation less than desired generation"),
    "not updated": ({"updatedReplicas": 1, "replicas": 2}, 100, "1 out of 2 new replicas have been updated"),
    "old ones left": ({"updatedReplicas": 2, "replicas": 3}, 100, "1 old replicas are pending termination"),
    "not available": ({"updatedReplicas": 2, "replicas": 2}, 100, "0 of 2 updated replicas are available"),
    "half of them": ({"updatedReplicas": 2, "replicas": 2}, 50, "0 of 2 (readyThreshold 50%) updated replicas are available"),
    "ready": ({"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}, 100, ""),
    "half is enough": ({"updatedReplicas": 2, "replicas": 2, "availableReplicas": 1}, 50, ""),
}


@pytest.mark.parametrize("name", ROLLOUTS)
def test_a_rollout_is_waited_for_in_flaggers_order_and_the_seeds_words(name: str) -> None:
    status, threshold, waits = ROLLOUTS[name]
    doc = {"metadata": {"name": "frontend", "generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": 2, **status}}
    found = readiness(doc, threshold)
    assert (found.ready, found.waits) == (not waits, waits)
