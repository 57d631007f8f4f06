"""Stories of Canaries that somebody deletes in the middle of a run (rule R13)."""

import pytest

from tests.conformance.product.apps import Cast
from tests.conformance.product.scripts import plain
from tests.conformance.product.stage import Stage

APPS = [plain("removed", step=2), plain("lost", step=2)]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def test_R13_a_canary_deleted_in_mid_run_is_recorded_as_aborted_and_let_go(cast: Cast, stage: Stage) -> None:
    app = cast["removed"]
    app.push("1.0.1")
    app.wait_weight(2)
    assert app.get("canary")["metadata"]["finalizers"] == ["gitops-canary/result"]
    head, marker, _ = app.file.partition("---\napiVersion: flagger.app")
    assert marker
    stage.person.commit({app.script.path: head}, "No canary any more")
    app.wait_commit("Abort app.removed 1.0.1: canary deleted")
    app.wait("the Canary to be gone", lambda: app.find("canary") is None)
    assert "image: shop/removed:1.0.1\n" in app.file
    run = app.results["run"]
    assert (run["outcome"], run["reason"], "quarantine" in app.results) == ("aborted", "canary deleted", False)


def test_R13_without_git_it_is_let_go_after_its_time_with_the_whole_result_in_an_event_and_the_log(cast: Cast, stage: Stage) -> None:
    app = cast["lost"]
    app.push("1.0.1")
    app.wait_weight(2)
    uid, mark = app.get("canary")["metadata"]["uid"], stage.mark()
    with stage.git_away():
        stage.kubectl("-n", "lost", "delete", "canary", "app", "--wait=false")
        app.wait("the run's end", lambda: app.phase == "Terminating" and app.status.get("pendingResults"))
        assert app.get("canary")["metadata"]["uid"] == uid, "it waits for Git"
        app.wait("the Canary to be let go", lambda: (app.find("canary") or {"metadata": {}})["metadata"].get("uid") != uid)
        app.wait_said("Result not recorded in Git", "canary deleted", "shop/lost:1.0.1", since=mark)
        told = [text for text in stage.events("lost") if text.startswith("Result not recorded in Git")]
        assert len(told) == 1
        assert "shop/lost:1.0.1" in told[0]
