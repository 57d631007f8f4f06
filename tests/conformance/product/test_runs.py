"""Stories of runs: newer tags, reverts and failures, in the middle of a run and after it."""

import pytest

from tests.conformance.product.apps import Cast
from tests.conformance.product.scripts import plain
from tests.conformance.product.stage import Stage

APPS = [plain("promote", judged=True), plain("rollback", judged=True)]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def test_B1_a_pushed_tag_is_bumped_analysed_promoted_and_recorded(cast: Cast) -> None:
    app = cast["promote"]
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    assert app.subjects() == ["Auto-release shop/promote:1.0.1", "Promote app.promote 1.0.1"]
    assert (app.weight, app.replicas(), app.image()) == (0, 0, "1.0.1")


def test_G5_a_failing_tag_is_rolled_back_in_git_and_in_the_cluster(cast: Cast) -> None:
    app = cast["rollback"]
    app.push("1.0.1", "errors=0.5")
    app.wait_commit("Roll back app.rollback 1.0.1 to 1.0.0: success rate")
    app.wait_phase("Failed")
    assert (app.weight, app.replicas(), app.image()) == (0, 0, "1.0.0")
    assert "image: shop/rollback:1.0.0\n" in app.file
