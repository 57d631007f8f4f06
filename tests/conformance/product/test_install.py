"""Stories of an installation: the manifests of deploy/ and their rights, the first release, what Git drops, and what other tools own."""

import json

import pytest
import yaml

from gitops_canary.sandbox.data import folder
from gitops_canary.sandbox.world import NAMESPACE
from tests.conformance.product.apps import App, Cast
from tests.conformance.product.scripts import FIRST, chart, deployment, namespace, plain
from tests.conformance.product.seen import ACCOUNT, APPLIER, Doc
from tests.conformance.product.stage import Stage

EXTRA = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n  namespace: pruned\ndata:\n  a: b\n"


def by_kubectl(name: str) -> list[Doc]:
    """A namespace and a workload as somebody applied them before there was a cluster repository, with a field that Git will not say."""
    doc = yaml.safe_load(deployment(name, f"shop/{name}", replicas=1))
    doc["metadata"]["annotations"] = {"team": "shop"}
    doc["spec"]["template"]["spec"]["containers"][0]["command"] = ["./podinfo", "--level=debug"]
    return [yaml.safe_load(namespace(name)), doc]


APPS = [
    chart("first"),
    plain("deleted", step=5),
    plain("resting"),
    plain("pruned"),
    plain("client-side", before=by_kubectl("client-side")),
]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def test_the_manifests_applied_by_kubectl_are_all_that_an_installation_needs(stage: Stage) -> None:
    made = {line.split()[0] for line in stage.installed.splitlines()}
    assert {"namespace/gitops-canary", "serviceaccount/gitops-canary", "serviceaccount/gitops-canary-applier"} <= made
    assert "deployment.apps/gitops-canary" in made
    stage.kubectl("-n", NAMESPACE, "wait", "--for=condition=Available", "deployment/gitops-canary", "--timeout=60s")
    assert stage.operator_pods()[0]["spec"]["serviceAccountName"] == "gitops-canary"
    again = stage.kubectl("apply", "-k", str(stage.overlay)).splitlines()
    assert [line for line in again if line.split()[0].startswith("deployment")] == ["deployment.apps/gitops-canary unchanged"]


def test_a_workload_applied_client_side_is_taken_over_and_git_has_the_last_word(cast: Cast) -> None:
    app = cast["client-side"]
    live = app.get("deployment")
    assert live["spec"]["template"]["spec"]["containers"][0]["command"] == ["./podinfo"]
    assert live["metadata"]["annotations"]["team"] == "shop"
    assert {"gitops-canary", "kubectl-client-side-apply"} <= {one["manager"] for one in live["metadata"]["managedFields"]}
    app.push("1.0.1")
    app.wait_promoted("1.0.1")


def test_the_first_release_of_a_chart_is_initialised(cast: Cast) -> None:
    app = cast["first"]
    selectors = {name: app.get("service", name)["spec"]["selector"]["app"] for name in ("app", "app-canary", "app-primary")}
    assert selectors == {"app": "app-primary", "app-canary": "app", "app-primary": "app-primary"}
    assert {app.get("destinationrule", name)["spec"]["host"] for name in ("app-canary", "app-primary")} == {"app-canary", "app-primary"}
    assert (app.weight, app.replicas(), app.image()) == (0, 0, FIRST)
    assert app.get("deployment", "app-primary")["status"]["availableReplicas"] >= 1
    assert "http-server-timeout" in app.get("configmap", "app-primary")["data"]["config.yaml"]
    assert "Initialization done! app.first" in app.stage.events("first")
    row = app.stage.kubectl("-n", "first", "get", "canaries", "--no-headers").split()
    assert row[:3] == ["app", "Initialized", "0"]
    assert [one["status"] for one in app.history()] == ["deployed"]
    assert app.subjects() == []


def test_O5_what_git_says_is_written_by_the_applier_and_the_rest_by_the_operator_and_nothing_is_refused(cast: Cast) -> None:
    app = cast["resting"]
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    asked = app.stage.asked()
    assert [one for one in asked if one.code == 403] == []
    writers: dict[tuple[str, str], set[str]] = {}
    for one in asked:
        if one.namespace == app.name and one.writes:
            writers.setdefault((one.resource, one.name), set()).add(one.user)
    assert writers["deployments", "app"] == {APPLIER}
    assert writers["canaries", "app"] - {ACCOUNT} == {APPLIER}
    assert writers["deployments", "app-primary"] == writers["canaries/status", "app"] == {ACCOUNT}
    assert writers["virtualservices", "app"] == writers["deployments/scale", "app"] == {ACCOUNT}


OUTSIDE = {
    "a namespace": ["create", "namespace", "mine", "--dry-run=server"],
    "a canary's end": ["-n", "test", "delete", "canary", "any", "--dry-run=server"],
    "a pod's end": ["-n", "test", "delete", "pod", "any", "--dry-run=server"],
    "a role": ["-n", "test", "create", "role", "any", "--verb=get", "--resource=pods", "--dry-run=server"],
    "a release": ["-n", "test", "delete", "helmrelease", "loadtester", "--dry-run=server"],
    "a command in a pod": ["-n", NAMESPACE, "exec", "deployment/gitops-canary", "--", "true"],
}


@pytest.mark.parametrize("what", list(OUTSIDE))
def test_O5_what_the_manifests_do_not_grant_is_refused_to_the_operator(stage: Stage, what: str) -> None:
    stage.kubectl(f"--as={ACCOUNT}", *OUTSIDE[what], refused="forbidden")


def test_O5_the_operator_may_be_its_applier_and_nobody_else(stage: Stage) -> None:
    token = stage.kubectl("-n", NAMESPACE, "create", "token", "gitops-canary").strip()
    stage.kubectl(f"--token={token}", f"--as={APPLIER}", "-n", "test", "get", "pods")
    for other in ("system:serviceaccount:kube-system:default", "admin"):
        stage.kubectl(f"--token={token}", f"--as={other}", "-n", "test", "get", "pods", refused="cannot impersonate")


def test_O5_a_right_that_is_missing_is_named_and_once_it_is_given_everything_goes_on(stage: Stage) -> None:
    role = json.loads(stage.kubectl("get", "clusterrole", "gitops-canary", "-o", "json"))
    rules = [rule for rule in role["rules"] if "virtualservices" not in rule.get("resources", ())]
    assert len(rules) == len(role["rules"]) - 1
    stage.kubectl("patch", "clusterrole", "gitops-canary", "--type=merge", f"--patch={json.dumps({'rules': rules})}")
    try:
        app = App(stage, plain("unrouted"))
        Cast(stage, [app.script])
        said = app.wait_said("cannot", "destinationrules", "forbidden")
        assert said.level in ("warning", "error")
        assert app.phase != "Initialized"
    finally:
        stage.kubectl("apply", "-k", str(stage.overlay))
    app.wait_phase("Initialized")


def test_a_canary_deleted_mid_run_ends_it_as_aborted_and_is_let_go_once_that_is_recorded(cast: Cast) -> None:
    app = cast["deleted"]
    app.push("1.0.1")
    app.wait_weight(5)
    assert "gitops-canary/result" in app.get("canary")["metadata"].get("finalizers", [])
    text = app.file
    app.stage.person.commit({app.script.path: text[: text.index("---\napiVersion: flagger.app")]}, "No canary any more")
    app.wait_commit("Abort app.deleted 1.0.1: canary deleted")
    app.wait("the canary's end", lambda: app.find("canary") is None)
    assert "image: shop/deleted:1.0.1" in app.file
    assert app.results["run"]["outcome"] == "aborted"
    app.wait("what the canary owned to go with it", lambda: app.find("deployment", "app-primary") is None)


def test_sync_prunes_what_git_drops_and_nothing_that_it_did_not_apply(cast: Cast) -> None:
    app, stage = cast["pruned"], cast["pruned"].stage
    stage.kubectl("-n", app.name, "create", "configmap", "by-hand", "--from-literal=a=b")
    stage.wait_synced(stage.person.commit({app.script.path: app.file + EXTRA}, "One more object"))
    assert app.find("configmap", "extra")
    stage.wait_synced(stage.person.edit(app.script.path, EXTRA, "", "And away with it"))
    app.wait("the pruning", lambda: app.find("configmap", "extra") is None)
    assert app.find("configmap", "by-hand")
    stage.person.commit({app.script.path: None}, "The whole app")
    app.wait("the namespace's end", lambda: stage.get("namespace", app.name) is None)


def test_a_release_installed_by_hand_is_taken_over_with_its_history_and_its_pods(stage: Stage) -> None:
    script = chart("by-helm")
    values = yaml.safe_load_all(script.files[script.path])
    release = next(doc for doc in values if doc["kind"] == "HelmRelease")["spec"]["values"]
    stage.world.push(script.image, FIRST)
    stage.kubectl("apply", "-f", "-", docs=[yaml.safe_load(namespace("by-helm"))])
    given = [f"--set-json={name}={json.dumps(value)}" for name, value in {**release, "canary": {"enabled": False}}.items()]
    stage.helm("-n", "by-helm", "install", "app", str(folder("repo-template") / "charts" / "podinfo"), *given)
    before = stage.get("deployment", "app", "by-helm")
    assert before is not None
    app = Cast(stage, [script])["by-helm"]
    assert app.get("deployment")["metadata"]["uid"] == before["metadata"]["uid"]
    assert [one["status"] for one in app.history()] == ["superseded", "deployed"]
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
