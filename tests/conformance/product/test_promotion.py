"""Stories of a promotion that fails: the primary does not come up while the target, judged good, serves (rule R11)."""

import json

import pytest

from tests.conformance.product.apps import App, Cast
from tests.conformance.product.scripts import chart, plain
from tests.conformance.product.stage import Stage

SOON = {"progressDeadlineSeconds": 10}
APPS = [
    plain("stuck", step=10, spec=SOON),
    plain("held", step=10, spec=SOON),
    chart("waits", analysis={"stepWeight": 10, "threshold": 10}, values={"canary": SOON}),
    chart("returns", analysis={"stepWeight": 10, "threshold": 10}, values={"canary": SOON}),
]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def fail_promotion(app: App) -> None:
    """The tag moves to an image that never gets ready, after the target's pods have started from the good one."""
    app.push("1.0.1")
    app.wait_weight(10)
    app.push("1.0.1", "unready")
    app.wait_commit(f"Abort app.{app.name} 1.0.1: primary not ready")
    app.wait("the target to serve", lambda: (app.phase, app.weight) == ("Failed", 100))


def heal(app: App) -> None:
    app.push("1.0.1")
    app.stage.kubectl("-n", app.name, "delete", "pods", "-l", "app=app-primary", "--wait=false")


def revisions(app: App) -> list[int]:
    return [one["revision"] for one in json.loads(app.stage.helm("-n", app.name, "history", "app", "-o", "json"))]


def test_R11_the_target_serves_until_the_primary_comes_up_and_there_is_one_result(cast: Cast) -> None:
    app = cast["stuck"]
    fail_promotion(app)
    assert app.replicas() >= 1
    assert "image: shop/stuck:1.0.1\n" in app.file
    assert ("quarantine" in app.results, app.results["run"]["outcome"]) == (False, "aborted")
    heal(app)
    app.wait("the primary to serve", lambda: (app.phase, app.weight, app.replicas()) == ("Succeeded", 0, 0))
    assert app.image() == "1.0.1"
    assert [subject.partition(":")[0] for subject in app.subjects()] == ["Auto-release shop/stuck", "Abort app.stuck 1.0.1"]


def test_B3_while_the_target_serves_nothing_is_bumped(cast: Cast, stage: Stage) -> None:
    app = cast["held"]
    fail_promotion(app)
    mark = stage.mark()
    app.push("1.0.2")
    stage.polls(3)
    assert app.subjects(mark) == []
    heal(app)
    app.wait_promoted("1.0.2")
    assert [subject.partition(":")[0] for subject in app.subjects(mark)] == ["Auto-release shop/held", "Promote app.held 1.0.2"]


def test_R11_meanwhile_the_release_waits_unless_a_person_retries(cast: Cast, stage: Stage) -> None:
    app = cast["waits"]
    fail_promotion(app)
    mark = stage.mark()
    app.edit("nameOverride: app", "nameOverride: app\n    message: hello", "A greeting")
    stage.wait_said("app is not upgraded yet: canary waits/app serves from its target", since=mark)
    assert revisions(app) == [1, 2]
    app.push("1.0.1")  # what is upgraded now must come up; the primary's pods run what they pulled
    stage.command("retry", "waits/app")
    app.wait("the upgrade", lambda: revisions(app) == [1, 2, 3])
    app.wait_commit("Retry app.waits 1.0.1", mark)
    heal(app)
    app.wait("what was committed to be promoted after it", lambda: "Promote app.waits pod template" in app.subjects(mark))
    assert "hello" in json.dumps(app.get("deployment", "app-primary")["spec"]["template"])


def test_R11_a_release_that_goes_back_to_what_was_promoted_does_not_wait_and_heals(cast: Cast) -> None:
    app = cast["returns"]
    fail_promotion(app)
    app.edit("tag: 1.0.1", "tag: 1.0.0", "Back to what served")
    app.wait("the primary to serve", lambda: (app.phase, app.weight, app.replicas()) == ("Succeeded", 0, 0))
    assert revisions(app) == [1, 2, 3]
    assert (app.image(), app.image("app")) == ("1.0.0", "1.0.0")
