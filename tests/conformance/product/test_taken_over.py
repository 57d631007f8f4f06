"""Stories of statuses that another tool wrote: what Flagger left is compared, not mistaken for a change (rule R12)."""

import json

import pytest

from tests.conformance.product.apps import App, Cast
from tests.conformance.product.scripts import plain
from tests.conformance.product.seen import Doc
from tests.conformance.product.stage import Stage

APPS = [plain(name, automated=False) for name in ("equal", "failed", "halfway", "moved")]
FOREIGN = "7c9d5b6f4d"
OURS = ("run", "runNumber", "pendingResults", "lastResult", "differs", "says", "promotedConfigs")


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    """Four canaries as Flagger would leave them, found by an operator that starts."""
    cast = Cast(stage, APPS)
    equal, failed, halfway, moved = (cast[script.name] for script in APPS)
    stage.scale_operator(0)
    flaggers(equal, {"phase": "Succeeded"})
    for app, phase, weight in ((failed, "Failed", 0), (halfway, "Progressing", 20), (moved, "Succeeded", 0)):
        app.push("1.0.1")
        app.edit(f"shop/{app.name}:1.0.0", f"shop/{app.name}:1.0.1", "A newer one")
        containers = [{"name": "podinfo", "image": f"shop/{app.name}:1.0.1"}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        stage.kubectl("-n", app.name, "patch", "deployment", "app", "--type=strategic", f"--patch={json.dumps(patch)}")
        flaggers(app, {"phase": phase, "canaryWeight": weight})
    stage.scale_operator(1)
    return cast


def flaggers(app: App, status: Doc) -> None:
    theirs = {**dict.fromkeys(OURS), "lastAppliedSpec": FOREIGN, "lastPromotedSpec": "5d8f7c9b6", "trackedConfigs": {}, **status}
    app.stage.kubectl(
        "-n", app.name, "patch", "canary", "app", "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': theirs})}"
    )


def adopted(app: App) -> bool:
    return str(app.status.get("lastAppliedSpec", "")).startswith("sha256:")


def test_R12_a_run_that_was_under_way_is_begun_anew_and_has_one_result(cast: Cast) -> None:
    app = cast["halfway"]
    app.wait_promoted("1.0.1")
    assert app.subjects() == ["Promote app.halfway 1.0.1"]
    assert app.results["run"]["number"] == 1


def test_R12_what_changed_while_nobody_looked_is_analysed(cast: Cast) -> None:
    app = cast["moved"]
    app.wait_promoted("1.0.1")
    assert app.subjects() == ["Promote app.moved 1.0.1"]


def test_R12_a_target_equal_to_its_primary_is_adopted_without_a_run(cast: Cast) -> None:
    app = cast["equal"]
    app.wait("adoption", lambda: adopted(app))
    assert (app.phase, app.status.get("run"), app.weight, app.replicas()) == ("Succeeded", None, 0, 0)
    assert app.subjects() == []


def test_R12_a_failed_one_stays_failed_without_a_run_and_git_is_said_to_differ(cast: Cast) -> None:
    app = cast["failed"]
    app.wait("adoption", lambda: adopted(app))
    app.wait("no pods", lambda: app.replicas() == 0)
    assert (app.phase, app.status.get("run"), app.status.get("differs"), app.weight) == ("Failed", None, True, 0)
    assert (app.image(), app.image("app")) == ("1.0.0", "1.0.1")
    assert app.subjects() == []
