"""Coming from Flux v1, the Helm Operator and Flagger: what they left is taken over, on the sandbox and on a real control plane."""

import contextlib
import copy
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.data import definitions
from gitops_canary.sandbox.world import PODINFO, Shape
from tests.migration.left import CANARIES, Left, helmrelease
from tests.operator.stage import Stage

ROUTE = Ref("networking.istio.io/v1beta1", "VirtualService", "test", "frontend")
DROPS = "would drop status."
FOREIGN = ("canaries.flagger.app", "helmreleases.flux.weave.works")
OURS = ("run", "pendingResults", "differs", "operation", "record", "failure")
"""Fields of a status that our definitions name and theirs do not have."""
SERVING = ("frontend", "failing", "backend")


@dataclass
class Visitor:
    """Somebody who calls all three all the time; `refused` is what she got instead of an answer below 500."""

    stage: Stage
    refused: list[str] = field(default_factory=list)
    answers: int = 0

    def __enter__(self) -> "Visitor":
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._call)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _call(self) -> None:
        http = urllib3.ProxyManager(self.stage.world.mesh.proxy_for("test", "visitor"))
        while not self._ended.wait(0.01):
            for name in SERVING:
                try:
                    status = http.request("GET", f"http://{name}.test:9898/", retries=False, timeout=5).status
                except urllib3.exceptions.HTTPError as error:
                    self.refused.append(f"{name}: {error}")
                    continue
                self.answers += 1
                if status >= 500:
                    self.refused.append(f"{name}: {status}")


@dataclass
class TakenOver:
    """The cluster before and after; `weights` are all that frontend's route ever said in between."""

    stage: Stage
    visitor: Visitor
    pods: dict[str, set[str]]
    weights: set[int]
    untouched: dict[str, dict[str, Any]]
    """The canaries while the other tools' definitions were installed."""
    revisions: dict[str, list[int]]
    """The Helm releases' revisions at that time."""

    def status(self, name: str) -> dict[str, Any]:
        return (self.stage.world.canary(name) or {}).get("status") or {}

    def said(self, words: str) -> bool:
        return any(words in line.text for line in self.stage.lines)


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.control_plane)])
def taken_over(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TakenOver]:
    files = {f"releases/test/{name}.yaml": json.dumps(helmrelease(name, tag)).encode() for name, (tag, _) in CANARIES.items()}
    stage = Stage(tmp_path_factory.mktemp("migration"), shape=Shape(control_plane=request.param, tags=("3.1.0", "3.1.1")), files=files)
    with contextlib.ExitStack() as ends:
        ends.enter_context(stage.begun())
        stage.world.push(PODINFO, "3.1.9", behaviour="errors=0.5")
        Left(stage.world).leave()
        stage.wait("what Flagger made to serve", lambda: all(_serving(stage, name) for name in SERVING))
        before = {name: _pods(stage, f"{name}-primary") for name in SERVING}
        weights = ends.enter_context(_weights(stage))
        visitor = ends.enter_context(Visitor(stage))
        for name in FOREIGN:
            stage.world.cluster.apply(_definition(name, pruning=True), manager="sandbox")
        stage.play()
        stage.wait("the definitions to be refused", lambda: sum(DROPS in line.text for line in stage.lines) == 2 * len(SERVING))
        untouched = {name: stage.world.canary(name) or {} for name in SERVING}
        revisions = {name: _revisions(stage, name) for name in SERVING}
        for name in FOREIGN:
            stage.world.cluster.apply(_definition(name, pruning=False), manager="sandbox")
        stage.wait("all to be taken over", lambda: all(_ours(stage, name) for name in SERVING))
        yield TakenOver(stage, visitor, before, weights, untouched, revisions)


def _definition(name: str, *, pruning: bool) -> dict[str, Any]:
    """Ours, or one that keeps of the status what the other tool's does."""
    found = next(doc for doc in definitions() if doc["metadata"]["name"] == name)
    made = copy.deepcopy(found)
    if pruning:
        status = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
        del status["x-kubernetes-preserve-unknown-fields"]
        status["properties"] = {key: value for key, value in status["properties"].items() if key not in OURS}
    return made


def _revisions(stage: Stage, name: str) -> list[int]:
    secrets = stage.world.cluster.list("v1", "Secret", "test", {"owner": "helm", "name": name})
    return sorted(int(one["metadata"]["labels"]["version"]) for one in secrets)


def _serving(stage: Stage, name: str) -> bool:
    doc = stage.world.cluster.live(Ref("apps/v1", "Deployment", "test", f"{name}-primary")) or {}
    return bool(int((doc.get("status") or {}).get("readyReplicas", 0)) == doc["spec"]["replicas"])


def _ours(stage: Stage, name: str) -> bool:
    canary = ((stage.world.canary(name) or {}).get("status")) or {}
    release = stage.world.cluster.live(Ref("flux.weave.works/v1beta1", "HelmRelease", "test", name)) or {}
    helm = (release.get("status") or {}).get("phase")
    return str(canary.get("lastAppliedSpec", "")).startswith("sha256:") and helm == "Succeeded"


def _pods(stage: Stage, app: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stage.world.cluster.list("v1", "Pod", "test", {"app": app})}


@contextlib.contextmanager
def _weights(stage: Stage) -> Iterator[set[int]]:
    found: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            doc = stage.world.cluster.live(ROUTE) or {"spec": {"http": []}}
            for route in doc["spec"]["http"]:
                found.update(one.get("weight", 100) for one in route["route"] if one["destination"]["host"].endswith("-canary"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def test_another_tools_definition_is_named_with_the_command_and_nothing_is_done_until_ours_is_there(taken_over: TakenOver) -> None:
    assert taken_over.said("kubectl apply --server-side --force-conflicts -k deploy/crds")
    for doc in taken_over.untouched.values():
        assert not doc["status"]["lastAppliedSpec"].startswith("sha256:")
    assert taken_over.said("the installed definition helmreleases.flux.weave.works, another tool's, would drop status.")
    assert taken_over.revisions == {name: [1] for name in SERVING}


def test_R12_a_promoted_canary_is_adopted_without_a_run_a_restart_or_a_moved_weight(taken_over: TakenOver) -> None:
    status = taken_over.status("frontend")
    assert (status["phase"], status.get("runNumber", 0), bool(status.get("differs"))) == ("Succeeded", 0, False)
    assert _pods(taken_over.stage, "frontend-primary") == taken_over.pods["frontend"]
    assert taken_over.weights == {0}
    assert not taken_over.said("New revision detected! Scaling up frontend.test")


def test_R12_a_failed_canary_stays_failed_and_git_is_said_to_differ(taken_over: TakenOver) -> None:
    status = taken_over.status("failing")
    assert (status["phase"], status.get("runNumber", 0), bool(status.get("differs"))) == ("Failed", 0, True)
    assert _pods(taken_over.stage, "failing-primary") == taken_over.pods["failing"]
    target = taken_over.stage.world.cluster.live(Ref("apps/v1", "Deployment", "test", "failing"))
    assert target is not None
    assert target["spec"]["replicas"] == 0


def test_R12_a_run_that_was_under_way_is_begun_anew_and_ends_with_one_result(taken_over: TakenOver) -> None:
    stage = taken_over.stage
    stage.wait("backend's promotion", lambda: taken_over.status("backend").get("phase") == "Succeeded")
    stage.wait("its result", lambda: any(subject == "Promote backend.test 3.1.1" for _, subject in stage.pushes))
    assert [subject for _, subject in stage.pushes if "backend" in subject] == ["Promote backend.test 3.1.1"]


def test_the_helm_releases_go_on_with_their_history(taken_over: TakenOver) -> None:
    assert _revisions(taken_over.stage, "frontend") == [1, 2], "\n".join(
        line.text[:150] for line in taken_over.stage.lines if "drop" not in line.text
    )


def test_a_new_tag_is_released_and_promoted_and_nobody_lost_a_request(taken_over: TakenOver) -> None:
    stage = taken_over.stage
    stage.world.push(PODINFO, "3.1.2")
    stage.wait("the promotion", lambda: any(subject == "Promote frontend.test 3.1.2" for _, subject in stage.pushes))
    assert taken_over.visitor.answers > 100
    assert taken_over.visitor.refused == []
