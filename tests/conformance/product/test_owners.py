"""Stories of owners: one field has one owner, whatever the chart, Git, an autoscaler or a person says of it (rule O1)."""

import json
from collections.abc import Mapping

import pytest

from gitops_canary.routers.istio import API
from gitops_canary.sandbox.data import template_files
from tests.conformance.product.apps import App, Cast
from tests.conformance.product.scripts import FIRST, canary, chart, deployment, namespace, plain
from tests.conformance.product.seen import Doc
from tests.conformance.product.stage import Stage
from tests.conformance.product.watching import Watching

STUBBORN = "charts/stubborn"
SERVICE = """{{- if .Values.ownService }}
apiVersion: v1
kind: Service
metadata:
  name: app
spec:
  selector:
    app: app
  ports:
    - port: 9898
{{- end }}
"""
HPA = {"enabled": True, "minReplicas": 3, "maxReplicas": 4, "cpu": 99}


def stubborn() -> Mapping[str, str]:
    """The template's chart, but it always renders `replicas` (2 of its own accord), and a Service when it is asked to."""
    files = {path: text.decode() for path, text in template_files().items() if path.startswith("charts/podinfo/")}
    made = {path.replace("charts/podinfo", STUBBORN): text for path, text in files.items() if not path.endswith("schema.json")}
    guard = "{{- if not (or .Values.canary.enabled .Values.hpa.enabled) }}"
    path = f"{STUBBORN}/templates/deployment.yaml"
    assert guard in made[path]
    made[path] = made[path].replace(guard, "{{- if true }}")
    assert "\nreplicaCount: 2\n" in made[f"{STUBBORN}/values.yaml"]
    return {**made, f"{STUBBORN}/templates/service.yaml": SERVICE}


def service(name: str, *, of: str = "app") -> Doc:
    meta = {"name": "app", "namespace": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": of}, "ports": [{"port": 9898}]}}


def route(name: str) -> Doc:
    """Everybody to the workload itself."""
    routes = [{"route": [{"destination": {"host": "app"}, "weight": 100}]}]
    meta = {"name": "app", "namespace": name}
    return {"apiVersion": API, "kind": "VirtualService", "metadata": meta, "spec": {"hosts": ["app"], "http": routes}}


def ns(name: str) -> Doc:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}}


APPS = [
    plain("five-hpa", replicas=5, hpa=(2, 4)),
    plain("copied", replicas=2),
    plain("edited"),
    plain("drifted"),
    plain("by-hand", before=[ns("by-hand"), service("by-hand"), route("by-hand")]),
    chart("stubborn", path=STUBBORN, values={"replicaCount": 5, "hpa": HPA}),
    chart("serving", path=STUBBORN, values={"ownService": True}, initialises=False),
    chart("scaled", values={"hpa": HPA}),
]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    stage.person.commit(stubborn(), "A chart that renders what is not its own")
    return Cast(stage, APPS)


def test_O1_a_service_made_by_hand_is_taken_over(cast: Cast) -> None:
    app = cast["by-hand"]
    taken = app.get("service")
    assert taken["spec"]["selector"] == {"app": "app-primary"}
    assert [owner["kind"] for owner in taken["metadata"]["ownerReferences"]] == ["Canary"]


def test_O1_a_route_made_by_hand_is_taken_over(cast: Cast) -> None:
    app = cast["by-hand"]
    assert [owner["kind"] for owner in app.get("virtualservice")["metadata"]["ownerReferences"]] == ["Canary"]
    split = [(one["destination"]["host"], one["weight"]) for one in app.get("virtualservice")["spec"]["http"][0]["route"]]
    assert split == [("app-primary", 100), ("app-canary", 0)]


def test_O1_a_service_rendered_by_a_chart_keeps_the_canary_from_starting_and_is_named(cast: Cast) -> None:
    app = cast["serving"]
    app.wait_said("is rendered by the Helm release app")
    assert app.phase in ("", "Initializing")
    app.edit("ownService: true", "ownService: false", "Leave the Service to the canary")
    app.wait_phase("Initialized")
    assert app.get("service")["spec"]["selector"] == {"app": "app-primary"}


def test_O1_five_replicas_in_git_never_go_below_five_before_the_primary_is_ready(stage: Stage) -> None:
    """The workload runs first; the Canary comes later, as with every app that is moved to canaries."""
    script = plain("five")
    workload = deployment("five", script.image, replicas=5)
    stage.world.push(script.image, FIRST)
    stage.person.commit({script.path: f"{namespace('five')}---\n{workload}"}, "Five pods")
    app = App(stage, script)
    app.wait("five pods", lambda: (app.find("deployment") or {}).get("status", {}).get("availableReplicas") == 5)
    with Watching(stage, "five") as seen:
        workload = workload.replace("semver:>=1", "semver:>=1.0")
        stage.person.commit({script.path: f"{namespace('five')}---\n{workload}---\n{canary('five')}"}, "Analyse it")
        app.wait_phase("Initialized")
        app.wait("the target's end", lambda: app.replicas() == 0)
    early = seen.before("app-primary", lambda doc: doc.get("status", {}).get("availableReplicas") == 5)
    target = [doc for doc in early if doc["metadata"]["name"] == "app"]
    assert [(doc["spec"]["replicas"], doc["status"].get("availableReplicas")) for doc in target] == [(5, 5)] * len(target)
    assert (app.replicas("app-primary"), app.replicas()) == (5, 0)
    # Handed over, not only left out: leaving out a field that one alone owns resets it.
    assert "gitops-canary-replicas" in {one["manager"] for doc in target for one in doc["metadata"]["managedFields"]}


def test_O1_replicas_in_git_of_a_new_workload_are_the_primarys_from_the_start(cast: Cast) -> None:
    app = cast["copied"]
    assert (app.replicas("app-primary"), app.replicas()) == (2, 0)
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    assert (app.replicas("app-primary"), app.replicas()) == (2, 0)


def test_O1_an_autoscaler_in_git_owns_the_primarys_replicas_and_five_in_the_file_count_nothing(cast: Cast) -> None:
    app = cast["five-hpa"]
    scaler = app.get("hpa", "app-primary")["spec"]
    assert (scaler["scaleTargetRef"]["name"], scaler["minReplicas"], scaler["maxReplicas"]) == ("app-primary", 2, 4)
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    assert app.get("hpa", "app-primary")["spec"]["scaleTargetRef"]["name"] == "app-primary"
    assert (app.replicas("app-primary") in range(2, 5), app.replicas()) == (True, 0)


def test_O1_a_chart_with_two_replicas_five_in_git_and_an_autoscaler_have_one_owner_each(cast: Cast) -> None:
    app = cast["stubborn"]
    app.wait("the autoscaler's range", lambda: app.replicas("app-primary") in range(3, 5))
    assert app.replicas() == 0
    app.edit("replicaCount: 5", "replicaCount: 4", "Another number that nobody obeys")
    app.wait("the upgrade", lambda: len(app.history()) == 2 and app.history()[-1]["status"] == "deployed")
    app.wait("the target's end", lambda: app.replicas() == 0)
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    app.wait("the target's end", lambda: app.replicas() == 0)
    assert app.replicas("app-primary") in range(3, 5)
    assert app.subjects() == ["Auto-release shop/stubborn:1.0.1", "Promote app.stubborn 1.0.1"]


def test_O1_the_autoscaler_of_a_chart_is_copied_for_the_primary_and_follows_git(cast: Cast) -> None:
    app = cast["scaled"]
    assert app.get("hpa", "app-primary")["spec"]["scaleTargetRef"]["name"] == "app-primary"
    app.wait("the autoscaler's minimum", lambda: app.replicas("app-primary") == 3)
    app.edit("maxReplicas: 4", "maxReplicas: 6", "More room")
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    assert app.get("hpa", "app-primary")["spec"]["maxReplicas"] == 6
    assert (app.replicas("app-primary"), app.replicas()) == (3, 0)


def test_O1_a_service_in_git_is_left_out_by_sync_once_it_is_taken(cast: Cast) -> None:
    app = cast["by-hand"]
    mark = app.stage.mark()
    app.stage.wait_synced(app.stage.person.commit({"apps/by-hand-service.yaml": json.dumps(service("by-hand"))}, "Our own Service"))
    written = app.stage.since(mark).writes
    assert [one for one in written if (one.namespace, one.resource) == ("by-hand", "services")] == []
    assert app.get("service")["spec"]["selector"] == {"app": "app-primary"}


EDITS = {
    "the weights of the route": ("virtualservice", "app"),
    "the apex Service's selector": ("service", "app"),
    "the primary's image": ("deployment", "app-primary"),
}


@pytest.mark.parametrize("what", list(EDITS))
def test_O1_what_a_person_edits_of_a_generated_object_is_put_right(cast: Cast, what: str) -> None:
    app = cast["edited"]
    kind, name = EDITS[what]
    before = app.get(kind, name)["spec"]
    app.patch(kind, edited(kind, before), name)
    app.wait(f"{what} to be put right", lambda: app.get(kind, name)["spec"] == before)
    assert (app.phase, app.subjects()) == ("Initialized", [])


def test_O1_an_image_that_a_person_sets_past_git_is_put_right_and_never_promoted(cast: Cast) -> None:
    """It may be seen as a new revision before Git's word is back: then the run that began ends as a revert does."""
    app = cast["drifted"]
    app.patch("deployment", edited("deployment", app.get("deployment")["spec"]))
    app.wait("Git's image", lambda: app.image("app") == FIRST)
    app.stage.polls(2)
    app.wait("rest", lambda: app.phase in ("Initialized", "Succeeded") and app.replicas() == 0)
    assert not [one for one in app.subjects() if one.startswith("Promote")]
    assert (app.weight, app.image(), "image: shop/drifted:1.0.0" in app.file) == (0, FIRST, True)


def edited(kind: str, spec: Doc) -> Doc:
    """A person's merge patch."""
    if kind == "virtualservice":
        routes = [{**one, "weight": 50} for one in spec["http"][0]["route"]]
        return {"spec": {"http": [{**spec["http"][0], "route": routes}]}}
    if kind == "service":
        return {"spec": {"selector": {"app": "nobody"}}}
    containers = [{**one, "image": "shop/edited:9.9.9"} for one in spec["template"]["spec"]["containers"]]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


@pytest.mark.parametrize(("kind", "name"), [("service", "app-canary"), ("destinationrule", "app-primary"), ("deployment", "app-primary")])
def test_O1_a_generated_object_that_a_person_deletes_is_made_again(cast: Cast, kind: str, name: str) -> None:
    app = cast["edited"]
    uid = app.get(kind, name)["metadata"]["uid"]
    app.stage.kubectl("-n", app.name, "delete", kind, name, "--wait=false")
    app.wait("another one", lambda: (app.find(kind, name) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid)
    if kind == "deployment":
        app.wait("its pods", lambda: app.get(kind, name).get("status", {}).get("availableReplicas"))
    assert (app.phase, app.subjects()) == ("Initialized", [])


def test_O1_the_targets_scale_is_the_canary_managers(cast: Cast) -> None:
    app = cast["edited"]
    app.stage.kubectl("-n", app.name, "scale", "deployment/app", "--replicas=3")
    app.wait("the target's end", lambda: app.replicas() == 0)
    assert (app.phase, app.subjects()) == ("Initialized", [])
