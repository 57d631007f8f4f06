"""Stories of what sync applied: put right when others change it, duplicates, and a Helm release that fails (rules O2, H1)."""

import json

import pytest
import yaml

from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.sandbox.world import NAMESPACE
from tests.conformance.product.apps import Cast
from tests.conformance.product.scripts import Script, chart, namespace
from tests.conformance.product.stage import Stage


def config(name: str, text: str) -> str:
    meta = {"name": name, "namespace": "synced"}
    return str(yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"text": text}}))


FILES = {"apps/synced.yaml": namespace("synced"), "apps/synced-one.yaml": config("one", "from Git")}
APPS = [Script("synced", FILES, "shop/none", "apps/synced-one.yaml", canary=False), chart("refused")]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def text(cast: Cast, name: str) -> str | None:
    found = cast["synced"].find("configmap", name)
    return found["data"]["text"] if found else None


def test_O2_what_others_change_or_delete_is_put_right_at_once(cast: Cast, stage: Stage) -> None:
    stage.wait("the ConfigMap", lambda: text(cast, "one") == "from Git")
    mark = stage.mark()
    cast["synced"].patch("configmap", {"data": {"text": "by hand", "more": "kept"}}, "one")
    stage.wait("Git's text", lambda: text(cast, "one") == "from Git")
    assert cast["synced"].get("configmap", "one")["data"]["more"] == "kept", "a field that Git does not say is its owner's"
    uid = cast["synced"].get("configmap", "one")["metadata"]["uid"]
    stage.kubectl("-n", "synced", "delete", "configmap", "one")
    stage.wait("the ConfigMap again", lambda: text(cast, "one") == "from Git")
    assert cast["synced"].get("configmap", "one")["metadata"]["uid"] != uid
    own = [one for one in stage.since(mark).writes if (one.resource, one.name) == ("configmaps", "one")]
    assert len(own) == 2


def test_O2_of_a_duplicate_neither_is_applied_and_the_rest_is(cast: Cast, stage: Stage) -> None:
    mark = stage.mark()
    files = {"apps/synced-a.yaml": config("two", "a"), "apps/synced-b.yaml": config("two", "b"), "apps/synced-c.yaml": config("three", "c")}
    skipped = stage.person.commit(files, "Twice the same")
    stage.wait("the rest", lambda: text(cast, "three") == "c")
    stage.wait_said("apps/synced-a.yaml", "apps/synced-b.yaml", since=mark)
    assert text(cast, "two") is None
    assert InventoryStore(stage.world.cluster, NAMESPACE).load().revision != skipped, "it moves only when nothing was skipped"
    stage.person.commit({"apps/synced-b.yaml": None}, "Once is enough")
    stage.wait("the other", lambda: text(cast, "two") == "a")
    stage.person.commit({"apps/synced-a.yaml": None, "apps/synced-c.yaml": None}, "Neither")
    stage.wait("pruning", lambda: (text(cast, "two"), text(cast, "three")) == (None, None))


def test_H1_a_release_that_fails_makes_no_run_says_helms_sentence_and_is_still_bumped(cast: Cast, stage: Stage) -> None:
    app = cast["refused"]
    app.edit("nameOverride: app", "nameOverride: app\n    resources:\n      requests:\n        cpu: nonsense", "Less")
    app.wait("the failure", lambda: condition(cast, "Released")[0] == "False")
    message = condition(cast, "Released")[1]
    assert "quantities must match" in message or "resources" in message, message
    assert "Git differs from what serves" in message
    assert app.get("helmrelease")["status"].get("differs") is True
    app.push("1.0.1")
    stage.wait_commit("Auto-release shop/refused:1.0.1")
    app.wait(
        "the failure of the bump too",
        lambda: app.get("helmrelease")["status"]["failure"]["count"] >= 1 and releases(cast)[-1][1] == "failed",
    )
    assert (app.phase, app.status.get("run"), app.image()) == ("Initialized", None, "1.0.0")
    app.edit("\n      requests:\n        cpu: nonsense", " {}", "No nonsense")
    app.wait_promoted("1.0.1")
    assert app.subjects() == ["Auto-release shop/refused:1.0.1", "Promote app.refused 1.0.1"]
    app.wait("success", lambda: condition(cast, "Released")[0] == "True")


def condition(cast: Cast, kind: str) -> tuple[str, str]:
    conditions = cast["refused"].get("helmrelease").get("status", {}).get("conditions", [])
    return next(((one["status"], one.get("message", "")) for one in conditions if one["type"] == kind), ("", ""))


def releases(cast: Cast) -> list[tuple[int, str]]:
    found = json.loads(cast["refused"].stage.helm("-n", "refused", "history", "app", "-o", "json"))
    return [(one["revision"], one["status"]) for one in found]
