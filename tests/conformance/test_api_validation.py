"""What is wrong with a built-in object: every server refuses it with the same code, and names the same causes at the same fields."""

import re

import pytest

from tests.conformance.changing import changed
from tests.conformance.client import Answer, Api, Doc
from tests.conformance.objects import deployment, job, pod
from tests.conformance.wrong_objects import SOUND, WRONG


def _told(answer: Answer) -> tuple[int, tuple[str, ...]]:
    """The code, and each cause as `Reason field`."""
    if answer.code < 400:
        return answer.code, ()
    causes = answer.body["details"].get("causes") or ()
    return answer.code, tuple(sorted(f"{one['reason'].removeprefix('FieldValue')} {one['field']}" for one in causes))


@pytest.mark.parametrize("plural", WRONG)
def test_a_wrong_object_is_refused_for_what_is_wrong(api: Api, plural: str) -> None:
    assert api.create(plural, SOUND[plural], dryRun="All").code == 201
    seen, told = {}, {}
    for name, (changes, causes) in WRONG[plural].items():
        seen[name] = _told(api.create(plural, changed(SOUND[plural], changes), dryRun="All"))
        told[name] = (422 if causes else 201, tuple(sorted(causes)))
    assert seen == told


FILLED: dict[str, Doc] = {
    "ingresses": {"status": {"loadBalancer": {}}},
    "networkpolicies": {"spec": {**SOUND["networkpolicies"]["spec"], "policyTypes": ["Ingress"]}},
    "persistentvolumeclaims": {
        "spec": {**SOUND["persistentvolumeclaims"]["spec"], "volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    },
    "storageclasses": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
    "priorityclasses": {"preemptionPolicy": "PreemptLowerPriority"},
}


@pytest.mark.parametrize("plural", FILLED)
def test_what_is_left_out_of_rarer_kinds_is_filled_in(api: Api, plural: str) -> None:
    made, sent = api.create(plural, SOUND[plural], dryRun="All").body, SOUND[plural]
    assert {name: value for name, value in made.items() if name != "metadata" and sent.get(name) != value} == FILLED[plural]


def test_a_refusal_says_why_in_the_same_words(api: Api) -> None:
    body = changed(SOUND["deployments"], {"spec.replicas": -1, "spec.template.spec.containers[0].name": "A_b"})
    refused = api.create("deployments", body)
    form = "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    assert refused.message == (
        'Deployment.apps "web" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, '
        'spec.template.spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of lower case '
        f"alphanumeric characters or '-', and must start and end with an alphanumeric character {form}]"
    )


def test_what_may_not_change_is_refused_when_it_does(api: Api) -> None:
    assert api.create("deployments", deployment("web", 0)).code == 201
    assert api.create("jobs", job("x", suspend=True, completions=2)).code == 201
    assert api.create("services", SOUND["services"]).code == 201
    assert api.create("pods", pod("x")).code == 201
    seen = {
        "a selector": api.patch("deployments", "web", {"spec": {"selector": {"matchLabels": {"app": None, "b": "c"}}}}),
        "completions": api.patch("jobs", "x", {"spec": {"completions": 3}}),
        "an address": api.patch("services", "x", {"spec": {"clusterIP": "10.0.200.200", "clusterIPs": ["10.0.200.200"]}}),
        "a pod's restart policy": api.patch("pods", "x", {"spec": {"restartPolicy": "Never"}}),
        "an image": api.patch("pods", "x", {"spec": {"containers": [{"name": "main", "image": "app:2"}]}}),
    }
    assert {name: _told(answer) for name, answer in seen.items()} == {
        "a selector": (422, ("Invalid spec.selector", "Invalid spec.template.metadata.labels")),
        "completions": (422, ("Invalid spec.completions",)),
        "an address": (422, ("Invalid spec.clusterIPs[0]",)),
        "a pod's restart policy": (422, ("Forbidden spec",)),
        "an image": (200, ()),
    }
    assert re.match(
        r"pod updates may not change fields other than", seen["a pod's restart policy"].body["details"]["causes"][0]["message"][11:]
    )
