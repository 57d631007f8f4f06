"""Stories of runs: newer tags, reverts and failures, in the middle of a run and after it."""

import urllib.request

import pytest

from gitops_canary.sandbox.mesh.workloads import real_port
from tests.conformance.product.apps import App, Cast
from tests.conformance.product.scripts import chart, plain
from tests.conformance.product.stage import Stage

APPS = [
    plain("promote", judged=True),
    plain("newest", automated=False),
    plain("back", judged=True),
    plain("older", judged=True),
    plain("recorded", judged=True),
    plain("newer", step=5),
    plain("human", slow=3),
    plain("busy", slow=2),
    plain("taken", step=5),
    chart("config", analysis={"threshold": 10}),
    chart("reconfigured", analysis={"stepWeight": 10, "threshold": 10}),
    chart("undone", analysis={"stepWeight": 5}),
    chart("set-back", analysis={"stepWeight": 5}),
    plain("deserted", step=5),
]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def test_B1_a_pushed_tag_is_bumped_analysed_promoted_and_recorded(cast: Cast) -> None:
    app = cast["promote"]
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    assert app.subjects() == ["Auto-release shop/promote:1.0.1", "Promote app.promote 1.0.1"]
    assert (app.weight, app.replicas(), app.image()) == (0, 0, "1.0.1")


def test_F27_pods_that_die_in_mid_run_get_no_traffic_until_they_are_back(cast: Cast) -> None:
    app = cast["deserted"]
    app.push("1.0.1")
    app.wait_weight(10)
    _be(app, "disable")
    try:
        app.wait("the primary to serve everybody", lambda: app.weight == 0)
        assert (app.phase, app.status["canaryWeight"] >= 10, app.status["failedChecks"]) == ("Progressing", True, 0)
    finally:
        _be(app, "enable")
    app.wait("the share that it had", lambda: app.weight >= 10)
    app.wait_promoted("1.0.1")


def test_B1_of_many_tags_the_newest_is_the_candidate_and_no_older_one_follows(cast: Cast) -> None:
    app = cast["newest"]
    for tag in ("1.0.1", "1.2.0", "1.10.0", "1.9.0", "0.9.0", "latest"):
        app.push(tag)
    app.edit('automated: "false"', 'automated: "true"', "Follow the versions")
    app.wait_promoted("1.10.0")
    app.push("1.8.0")
    app.stage.polls(5)
    assert app.subjects() == ["Auto-release shop/newest:1.10.0", "Promote app.newest 1.10.0"]


def test_B1_after_a_failed_tag_no_older_one_follows_but_another_digest_of_it_does(cast: Cast) -> None:
    app = cast["older"]
    app.push("1.0.2", "errors=0.5")
    app.wait_commit("Roll back app.older 1.0.2 to 1.0.0: ")
    mark = app.stage.mark()
    app.push("1.0.1")
    app.stage.polls(3)
    assert app.subjects(mark) == []
    app.push("1.0.2")
    app.wait_promoted("1.0.2")
    assert [subject.partition(":")[0] for subject in app.subjects(mark)] == ["Auto-release shop/older", "Promote app.older 1.0.2"]
    assert f"image: shop/older:1.0.2@{app.digests['1.0.2']}\n" in app.file


def test_B3_a_tag_pushed_while_the_canary_promotes_is_bumped_after_it(cast: Cast) -> None:
    app = cast["busy"]
    app.push("1.0.1")
    app.wait_phase("Promoting")
    app.push("1.0.2")
    app.wait_commit("Auto-release shop/busy:1.0.2")
    assert app.subjects()[:2] == ["Auto-release shop/busy:1.0.1", "Promote app.busy 1.0.1"], "recorded first, then bumped"
    app.wait_promoted("1.0.2")
    assert app.subjects() == [
        "Auto-release shop/busy:1.0.1",
        "Promote app.busy 1.0.1",
        "Auto-release shop/busy:1.0.2",
        "Promote app.busy 1.0.2",
    ]


def test_R5_a_newer_tag_mid_run_supersedes_it_with_one_result_each(cast: Cast) -> None:
    app = cast["newer"]
    app.push("1.0.1")
    app.wait_weight(5)
    app.push("1.0.2")
    app.wait_said("New revision detected! Restarting analysis")
    app.wait_promoted("1.0.2")
    results = [one for one in app.subjects() if not one.startswith("Auto-release")]
    assert [one.split(":")[0] for one in results] == ["Supersede app.newer 1.0.1", "Promote app.newer 1.0.2"]
    assert app.results["run"]["id"] == "newer.app-2"
    assert "quarantine" not in app.results


def test_R5_a_changed_config_mid_run_supersedes_it_like_a_tag(cast: Cast) -> None:
    app = cast["reconfigured"]
    app.push("1.0.1")
    app.wait_weight(10)
    app.edit("values:\n", "values:\n    httpServer:\n      timeout: 7s\n", "A shorter time limit")
    app.wait_said("New revision detected! Restarting analysis")
    app.wait_promoted("1.0.1")
    assert [one.split(":")[0] for one in app.subjects()[1:]] == ["Supersede app.reconfigured 1.0.1", "Promote app.reconfigured 1.0.1"]
    assert "http-server-timeout: 7s" in app.get("configmap", "app-primary")["data"]["config.yaml"]


def test_R6_a_commit_while_the_canary_promotes_waits_and_users_stay_on_the_primary(cast: Cast) -> None:
    app = cast["human"]
    app.push("1.0.1")
    app.wait_phase("Promoting")
    app.edit("command: [./podinfo]", "command: [./podinfo, --level=debug]", "Say more")
    app.wait("users to be back on the primary", lambda: app.weight == 0)
    assert app.phase == "Promoting", "the primary is not ready yet, and nobody is sent to the revision that nobody analysed"
    app.wait("two promotions", lambda: len(app.subjects()) == 3 and app.phase == "Succeeded")
    assert app.subjects() == ["Auto-release shop/human:1.0.1", "Promote app.human 1.0.1", "Promote app.human pod template"]
    container = app.get("deployment", "app-primary")["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["./podinfo", "--level=debug"]


def test_R7_after_a_rollback_ten_polls_make_no_run_no_commit_and_no_write(cast: Cast) -> None:
    app = cast["back"]
    app.push("1.0.1", "errors=0.5")
    app.wait_commit("Roll back app.back 1.0.1 to 1.0.0: ")
    assert "image: shop/back:1.0.0\n" in app.file
    app.wait("rest", lambda: app.phase == "Failed" and (app.image("app"), app.replicas()) == ("1.0.0", 0) and _one_revision(app))
    at_rest = app.stage.mark()
    app.stage.polls(10)
    since = app.stage.since(at_rest)
    assert since.subjects == []
    assert [one for one in since.writes if one.namespace in (app.name, "gitops-canary")] == []
    assert (app.phase, app.weight, app.image()) == ("Failed", 0, "1.0.0")
    # Forgotten: a person who wants it all the same gets another run, and another rollback of what a person committed (rule G5).
    app.edit("shop/back:1.0.0", "shop/back:1.0.1", "Once more")
    app.wait_commit("Roll back app.back 1.0.1 to 1.0.0: ", at_rest)
    assert ("image: shop/back:1.0.0\n" in app.file, app.results["run"]["number"]) == (True, 2)


def test_G9_the_record_of_a_run_says_all_that_is_known_of_it(cast: Cast) -> None:
    app = cast["recorded"]
    app.push("1.0.1", "errors=0.5")
    recorded = app.results_at(app.wait_commit("Roll back app.recorded 1.0.1 to 1.0.0: success rate"))
    run, cluster = recorded["run"], app.stage.get("namespace", "kube-system")
    assert cluster is not None
    assert (recorded["cluster"], recorded["clusterId"]) == ("default", cluster["metadata"]["uid"])
    assert (run["number"], run["id"], run["outcome"]) == (1, "recorded.app-1", "rolled-back")
    assert run["from"]["image"] == "shop/recorded:1.0.0"
    assert (run["to"]["image"], run["to"]["digest"]) == ("shop/recorded:1.0.1", app.digests["1.0.1"])
    assert run["started"] < run["ended"]
    (check,) = [one for one in run["checks"] if one["name"] == "request-success-rate"]
    assert (check["limit"], check["failed"] >= 1, check["value"] != "") == (">= 99%", True, True)
    assert recorded["counts"] == {"rolled-back": 1}
    barred = [(one["tag"], one["digest"], one["reason"]) for one in recorded["quarantine"]]
    assert barred == [("1.0.1", app.digests["1.0.1"], run["reason"])]


def test_R8_a_persons_revert_mid_run_aborts_it_and_the_tag_is_not_bumped_again(cast: Cast) -> None:
    app = cast["taken"]
    app.push("1.0.1")
    app.wait_weight(5)
    revert = app.edit(":1.0.1", ":1.0.0", "Take it back")
    app.wait_commit("Abort app.taken 1.0.1")
    app.wait("rest", lambda: app.phase == "Succeeded" and app.replicas() == 0)
    app.stage.polls(4)
    assert sorted(app.subjects()) == [
        "Abort app.taken 1.0.1: the target went back to shop/taken:1.0.0",
        "Auto-release shop/taken:1.0.1",
        f"Quarantine shop/taken:1.0.1: taken back by {revert[:7]}",
    ]
    assert (app.weight, app.image(), [one["tag"] for one in app.results["quarantine"]]) == (0, "1.0.0", ["1.0.1"])


def test_R8_helm_rollback_mid_run_aborts_it_and_says_that_git_differs(cast: Cast) -> None:
    app = cast["undone"]
    app.push("1.0.1")
    app.wait_weight(5)
    app.stage.helm("-n", app.name, "rollback", "app", "1")
    app.wait_commit("Abort app.undone 1.0.1")
    app.wait_phase("Failed")
    assert (app.weight, app.image(), app.results["run"]["differs"]) == (0, "1.0.0", True)


def test_R8_kubectl_mid_run_aborts_it_and_says_that_git_differs(cast: Cast) -> None:
    app = cast["set-back"]
    app.push("1.0.1")
    app.wait_weight(5)
    app.stage.kubectl("-n", app.name, "set", "image", "deployment/app", "podinfo=shop/set-back:1.0.0")
    app.wait_commit("Abort app.set-back 1.0.1: the target went back to shop/set-back:1.0.0")
    app.wait_phase("Failed")
    assert (app.weight, app.replicas(), app.image(), app.results["run"]["differs"]) == (0, 0, "1.0.0", True)
    assert ("tag: 1.0.1\n" in app.file, app.results.get("quarantine")) == (True, None)


def test_a_changed_config_of_a_chart_is_analysed_and_promoted_like_an_image(cast: Cast) -> None:
    app = cast["config"]
    app.edit("values:\n", "values:\n    httpServer:\n      timeout: 7s\n", "A shorter time limit")
    app.wait_commit("Promote app.config ConfigMap app")
    app.wait_phase("Succeeded")
    assert "http-server-timeout: 7s" in app.get("configmap", "app-primary")["data"]["config.yaml"]
    assert app.subjects() == ["Promote app.config ConfigMap app"]


def _one_revision(app: App) -> bool:
    """The failed revision is forgotten: what was applied last is what was promoted last."""
    return bool(app.status.get("lastAppliedSpec")) and app.status["lastAppliedSpec"] == app.status.get("lastPromotedSpec")


def _be(app: App, what: str) -> None:
    """`/readyz/disable` or `enable` of the canary's pods: podinfo's own switch of its readiness."""
    for pod in app.stage.world.cluster.list("v1", "Pod", app.name, {"app": "app"}):
        url = f"http://{pod['status']['podIP']}:{real_port(pod, 9898)}/readyz/{what}"
        with urllib.request.urlopen(urllib.request.Request(url, b"", method="POST"), timeout=10) as answer:
            assert answer.status == 202
