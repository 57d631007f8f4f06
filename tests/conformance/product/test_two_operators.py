"""Stories of two operators: the leader takes the webhooks; one that was frozen past its lease writes nothing when it wakes."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from gitops_canary.adapters.cluster.leadership import LEADER_LABEL
from tests.conformance.product.apps import Cast
from tests.conformance.product.scripts import plain
from tests.conformance.product.seen import Doc
from tests.conformance.product.stage import Stage

APPS = [plain("frozen", step=5)]
FROZEN = 60.0
"""Seconds; longer than the lease."""


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


@pytest.fixture(scope="module")
def pair(stage: Stage, cast: Cast) -> Iterator[tuple[Doc, Doc]]:
    """The leader's pod and the follower's; one operator again at the end."""
    leader = stage.operator_pods()[0]["metadata"]["name"]
    stage.scale_operator(2)
    yield named(stage, leader), next(pod for pod in stage.operator_pods() if pod["metadata"]["name"] != leader)
    stage.scale_operator(1)


def named(stage: Stage, name: str) -> Doc:
    return next(pod for pod in stage.operator_pods() if pod["metadata"]["name"] == name)


def leading(stage: Stage) -> list[str]:
    """Pods that carry the leader's label."""
    labelled = [pod for pod in stage.operator_pods() if LEADER_LABEL in pod["metadata"]["labels"]]
    return [pod["metadata"]["name"] for pod in labelled]


def hook(stage: Stage, pod: Doc) -> tuple[int, str]:
    """Status and Retry-After of a registry's webhook to that pod."""
    url = f"http://{pod['status']['podIP']}:8080/hook/registry"
    request = urllib.request.Request(url, b"{}", {"Authorization": f"Bearer {stage.world.webhook_secret}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Retry-After", "")


def test_O4_only_the_leader_is_labelled_and_a_follower_sends_webhooks_on_their_way_again(stage: Stage, pair: tuple[Doc, Doc]) -> None:
    leader, follower = pair
    assert leading(stage) == [leader["metadata"]["name"]]
    code, after = hook(stage, follower)
    assert code == 503
    assert int(after) > 0
    assert hook(stage, leader)[0] != 503
    selector = (stage.get("service", "gitops-canary", "gitops-canary") or {})["spec"]["selector"]
    assert selector[LEADER_LABEL] == "true"


def test_O3_a_leader_frozen_past_its_lease_writes_nothing_when_it_wakes_and_ends(cast: Cast, stage: Stage, pair: tuple[Doc, Doc]) -> None:
    app, (leader, follower) = cast["frozen"], pair
    app.push("1.0.1")
    app.wait_weight(5)
    pid = stage.pid(leader)
    with stage.freeze(leader, least=FROZEN):
        stage.wait("the other to lead", lambda: leading(stage) == [follower["metadata"]["name"]])
        app.wait_promoted("1.0.1")
        stage.polls(2)
        mark = stage.mark()
    stage.wait("the end of the frozen process", lambda: restarts(named(stage, leader["metadata"]["name"])) > restarts(leader))
    stage.polls(3)
    assert stage.pid(named(stage, leader["metadata"]["name"])) != pid
    written = [one for one in stage.since(mark).writes if one.resource != "pods"]
    assert written == []
    assert app.subjects() == ["Auto-release shop/frozen:1.0.1", "Promote app.frozen 1.0.1"]
    assert leading(stage) == [follower["metadata"]["name"]]


def restarts(pod: Doc) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"])
