"""The seed's seven reasons for a failed canary, each told in an Event, the status, the result's commit and file, and a notification."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3
import yaml

from gitops_canary.sandbox.world import PODINFO, REPOSITORY, Shape
from tests.operator.stage import Stage
from tests.seed.failing import GOOD, IMAGES, NAMES, NEXT, REASONS, Reason, files


@dataclass
class Failed:
    """All seven have failed."""

    stage: Stage
    notes: list[dict[str, Any]]
    silent: threading.Event
    """Set = nobody calls `silent`."""

    def status(self, name: str) -> dict[str, Any]:
        return (self.stage.world.canary(name) or {}).get("status") or {}

    def result(self, name: str) -> dict[str, Any]:
        content = self.stage.world.git.repository(REPOSITORY).read(f".gitops-canary/default/test/{name}.yaml")
        found: dict[str, Any] = yaml.safe_load(content)
        return found

    def events(self, name: str, type_: str) -> list[str]:
        """Of the Canary, as `kubectl get events` lists them."""
        found = self.stage.world.cluster.list("v1", "Event", "test")
        about = [one for one in found if (one["involvedObject"]["kind"], one["involvedObject"]["name"]) == ("Canary", name)]
        return [str(one["message"]) for one in sorted(about, key=lambda one: str(one["metadata"]["name"])) if one["type"] == type_]

    def notices(self, name: str, says: str) -> list[dict[str, Any]]:
        told = [one for note in self.notes for one in note["attachments"]]
        return [one for one in told if one["title"].endswith(f" {name}.test") and one["text"].startswith(says)]


@contextlib.contextmanager
def _receiver(notes: list[dict[str, Any]]) -> Iterator[str]:
    """A Slack webhook of our own; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notes.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _visitors(stage: Stage, silent: threading.Event) -> Iterator[None]:
    """People who call all of them, and `silent` only once it is not silent any more."""
    ended = threading.Event()

    def call() -> None:
        http = urllib3.ProxyManager(stage.world.mesh.proxy_for("test", "visitor"))
        while not ended.wait(0.03):
            for name in (one for one in NAMES if one != "silent" or not silent.is_set()):
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    http.request("GET", f"http://{name}.test:9898/", retries=False, timeout=5)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.control_plane)])
def failed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failed]:
    notes: list[dict[str, Any]] = []
    silent = threading.Event()
    silent.set()
    with contextlib.ExitStack() as ends:
        settings = {"slack-url": ends.enter_context(_receiver(notes)), "git-poll-interval": "1s"}
        shape = Shape(control_plane=request.param, tags=(GOOD,))
        stage = Stage(tmp_path_factory.mktemp("seven"), shape=shape, files=files({}), settings=settings)
        ends.enter_context(stage.begun())
        for tag, behaviour in IMAGES.items():
            stage.world.push(PODINFO, tag, behaviour=behaviour)
        stage.play()
        here = Failed(stage, notes, silent)
        stage.wait("all to be initialized", lambda: all(here.status(name).get("phase") == "Initialized" for name in NAMES))
        ends.enter_context(_visitors(stage, silent))
        stage.world.git.repository(REPOSITORY).commit(files({one.name: one.tag for one in REASONS}), "Take the next tags")
        stage.wait("seven results", lambda: all(any(s.startswith(f"Roll back {n}.test") for _, s in stage.pushes) for n in NAMES))
        stage.wait("seven notices", lambda: all(here.notices(name, "Canary failed, rolled back: ") for name in NAMES))
        yield here


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_a_failed_canary_tells_its_reason_everywhere(failed: Failed, reason: Reason) -> None:
    status = failed.status(reason.name)
    assert (status["phase"], status["canaryWeight"]) == ("Failed", 0)
    condition = status["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Promoted", "False", "Failed")
    assert reason.words in condition["message"]
    warnings = failed.events(reason.name, "Warning")
    assert any(reason.words in message for message in warnings)
    assert warnings[-1] == f"Canary failed! Scaling down {reason.name}.test"
    subject = next(subject for _, subject in failed.stage.pushes if subject.startswith(f"Roll back {reason.name}.test"))
    head = f"Roll back {reason.name}.test {reason.tag} to {GOOD}: "
    assert subject.startswith(head)
    told = subject.removeprefix(head).rstrip("…")
    assert len(told) >= min(20, len(reason.words))
    assert told[: len(reason.words)] == reason.words[: len(told)]
    result = failed.result(reason.name)
    assert reason.words in result["run"]["reason"]
    assert [one["tag"] for one in result["quarantine"]] == [reason.tag]
    file = failed.stage.world.git.repository(REPOSITORY).read(f"releases/test/{reason.name}.yaml")
    assert (reason.tag.encode() in file, GOOD.encode() in file) == (False, True)
    (note,) = failed.notices(reason.name, "Canary failed, rolled back: ")
    assert reason.words in note["text"].replace("&lt;", "<").replace("&gt;", ">")
    assert note["color"] == "danger"


def test_the_next_tag_runs_the_whole_process_again(failed: Failed) -> None:
    """The causes that lie beside the image are mended by a commit; that alone starts no run."""
    stage, before = failed.stage, len(failed.stage.pushes)
    failed.silent.clear()
    stage.world.git.repository(REPOSITORY).commit(files({}, mended=True), "Mend webhook and metrics server")
    stage.world.push(PODINFO, NEXT)
    wanted = {f"Promote {name}.test {NEXT}" for name in NAMES}
    stage.wait("seven promotions", lambda: wanted <= {subject for _, subject in stage.pushes[before:]})
    subjects = [subject for _, subject in stage.pushes[before:] if "Roll back" in subject or "Auto-release" in subject]
    assert subjects == [f"Auto-release {PODINFO}:{NEXT}"]
    good = "Canary analysis completed successfully"
    stage.wait("seven good notices", lambda: all(failed.notices(name, good) for name in NAMES))
    for name in NAMES:
        assert (failed.status(name)["phase"], len(failed.notices(name, good))) == ("Succeeded", 1)
        assert failed.events(name, "Normal")[-len(_whole(name)) :] == _whole(name)


def _whole(name: str) -> list[str]:
    """What a run tells from its begin to its end, but what holds it."""
    about = f"{name}.test"
    weights = [f"Advance {about} canary weight {weight}" for weight in (25, 50)]
    begins = [f"New revision detected! Scaling up {about}", f"Starting canary analysis for {about}"]
    copies = [f"Copying {about} template spec to {name}-primary.test", "Routing all traffic to primary"]
    return [*begins, *weights, *copies, f"Promotion completed! Scaling down {about}"]
