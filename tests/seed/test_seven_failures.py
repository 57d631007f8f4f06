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

    def events(self, name: str) -> list[str]:
        found = self.stage.world.cluster.list("v1", "Event", "test")
        return [str(one["message"]) for one in found if one["involvedObject"]["name"] == name]


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
        stage.wait("seven notices", lambda: all(any(_about(note, name) for note in notes) for name in NAMES))
        yield here


def _about(note: dict[str, Any], name: str) -> bool:
    return any(one["fallback"].startswith(f"{name}.test: Canary failed") for one in note["attachments"])


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_a_failed_canary_tells_its_reason_everywhere(failed: Failed, reason: Reason) -> None:
    status = failed.status(reason.name)
    assert status["phase"] == "Failed"
    assert reason.words in status["conditions"][0]["message"]
    assert any(reason.words in message for message in failed.events(reason.name))
    subject = next(subject for _, subject in failed.stage.pushes if subject.startswith(f"Roll back {reason.name}.test"))
    head = f"Roll back {reason.name}.test {reason.tag} to {GOOD}: "
    assert subject.startswith(head)
    assert reason.words.startswith(subject.removeprefix(head).rstrip("…")[: len(reason.words)])
    result = failed.result(reason.name)
    assert reason.words in result["run"]["reason"]
    assert [one["tag"] for one in result["quarantine"]] == [reason.tag]
    note = next(note for note in failed.notes if _about(note, reason.name))
    text = note["attachments"][0]["text"].replace("&lt;", "<").replace("&gt;", ">")
    assert reason.words in text


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
