"""The operator's HTTP server, asked over real sockets."""

import hashlib
import hmac
import io
import json
import queue
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from gitops_canary.adapters.log import make_log
from gitops_canary.adapters.serving import listen_address
from gitops_canary.domain.errors import UserError
from gitops_canary.web.metrics import Sample
from gitops_canary.web.server import WebhookSecrets, WebServer

HTTP = urllib3.PoolManager(retries=False)
STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "cluster": "default",
    "leader": True,
    "revision": "0123456789abcdef",
    "lanes": [{"name": "sync", "says": "Synced 0123456 <b>now</b>", "ran_ago": 3.2, "due_in": 57}],
    "canaries": [
        {"namespace": "test", "name": "backend", "phase": "Succeeded", "weight": 0, "why": "", "age": 7200},
        {"namespace": "test", "name": "<script>alert(1)</script>", "phase": "Failed", "weight": None, "link": "javascript:alert(1)"},
        {"namespace": "test", "name": "frontend", "phase": "Progressing", "weight": 35, "why": "success rate 62.50% < 99%", "age": 90,
         "link": "https://git.example.com/c/1"},
    ],
}  # fmt: skip


class World:
    def __init__(self, folder: Path) -> None:
        self.woken: queue.Queue[tuple[str, str]] = queue.Queue()
        self.leads, self.lives, self.status, self.log = True, True, STATUS, io.StringIO()
        (folder / "generic").write_text("s3cret\n")
        self.server = WebServer(
            "127.0.0.1",
            0,
            wake=lambda lane, key: self.woken.put((lane, key)),
            status=lambda: self.status,
            samples=self.samples,
            log=make_log(stream=self.log),
            secrets=WebhookSecrets(str(folder), {"GITOPS_CANARY_WEBHOOK_SECRET_DOCKERHUB": "hubtoken"}),
            alive=lambda: self.lives,
            is_leader=lambda: self.leads,
            aliases={"http://127.0.0.1:5000/": "docker.io"},
            pause=0.05,
        )

    def samples(self) -> Iterator[Sample]:
        yield Sample("flagger_canary_status", 0, {"name": "frontend", "namespace": "test"}, "Last known canary analysis status.")
        yield Sample("flagger_canary_status", 1, {"name": 'back"end\n', "namespace": "test"})
        yield Sample("flagger_canary_successes_total", 3, {"name": "frontend"}, kind="counter")

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return HTTP.request("GET", self.server.url + path, redirect=False)

    def hook(self, body: bytes, path: str = "/hook/generic", secret: bytes = b"s3cret") -> urllib3.BaseHTTPResponse:
        signature = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
        return HTTP.request("POST", self.server.url + path, body=body, headers={"X-Signature": signature})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.server.start()
    yield made
    made.server.stop()


def test_health_follows_the_loops_progress(world: World) -> None:
    assert (world.get("/healthz").status, world.get("/readyz").status) == (200, 200)
    world.lives = False
    assert (world.get("/healthz").status, world.get("/readyz").status) == (503, 200)


def test_samples_are_told_in_prometheus_words(world: World) -> None:
    families = {family.name: family for family in text_string_to_metric_families(world.get("/metrics").data.decode())}
    status = families["flagger_canary_status"]
    assert status.documentation == "Last known canary analysis status."
    assert {sample.labels["name"]: sample.value for sample in status.samples} == {"frontend": 0, 'back"end\n': 1}
    assert families["flagger_canary_successes"].samples[0].name == "flagger_canary_successes_total"
    assert "process_resident_memory_bytes" in families


def test_the_api_tells_what_the_page_shows(world: World) -> None:
    answer = world.get("/api/v1/status")
    assert (answer.headers["Content-Type"].split(";")[0], json.loads(answer.data)) == ("application/json", STATUS)


def test_b71_the_page_shows_words_and_never_runs_them(world: World) -> None:
    answer = world.get("/")
    text = answer.data.decode()
    assert "default-src 'none'; style-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in text
    assert "javascript:" not in text
    assert "&lt;b&gt;now&lt;/b&gt;" in text
    assert 'href="https://git.example.com/c/1"' in text
    assert "success rate 62.50% &lt; 99%" in text
    assert world.get("/style.css").headers["Content-Type"].startswith("text/css")


def test_a_row_that_a_phone_shows_as_a_card_names_its_columns(world: World) -> None:
    """The style takes the head of a table away there and shows each cell's own name."""
    text = world.get("/").data.decode()
    for table in text.split("<table")[1:]:
        heads = re.findall(r'role="columnheader"[^>]*>([^<]+)', table)
        rows = re.findall(r'<tr role="row">(.*?)</tr>', table, re.DOTALL)[1:]
        assert rows
        assert [re.findall(r'<td role="cell" data-column="([^"]+)"', row) for row in rows] == [heads] * len(rows)


def test_the_page_puts_what_wants_attention_first(world: World) -> None:
    text = world.get("/").data.decode()
    assert text.index("alert(1)") < text.index("frontend.test") < text.index("backend.test")


def test_an_empty_status_is_a_page_too(world: World) -> None:
    world.status = {}
    assert b"No canaries yet" in world.get("/").data


def test_a_bug_in_the_status_is_logged_and_not_shown(world: World) -> None:
    world.status = None  # type: ignore[assignment]
    answer = world.get("/")
    assert (answer.status, answer.data) == (500, b"this could not be answered; the operator's log says why")
    assert "Traceback" in world.log.getvalue()


def test_a_genuine_message_wakes_a_lane(world: World) -> None:
    answer = world.hook(b'{"image": "ghcr.io/a/b"}')
    assert (answer.status, answer.data) == (202, b"woke images ghcr.io/a/b")
    assert world.woken.get(timeout=5) == ("images", "ghcr.io/a/b")
    assert world.hook(b'{"repository": {"repo_name": "a/b"}}', "/hook/dockerhub/hubtoken").status == 202
    assert world.woken.get(timeout=5) == ("images", "index.docker.io/a/b")
    assert 'gitops_canary_webhooks_total{source="generic",status="202"} 1.0' in world.get("/metrics").data.decode()


def test_a_push_to_a_mirror_wakes_the_image_that_it_mirrors(world: World, tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("r")
    event = {"action": "push", "target": {"repository": "a/b", "tag": "1"}, "request": {"host": "127.0.0.1:5000"}}
    body = json.dumps({"events": [event]})
    answer = HTTP.request("POST", f"{world.server.url}/hook/registry", body=body, headers={"Authorization": "Bearer r"})
    assert (answer.status, world.woken.get(timeout=5)) == (202, ("images", "index.docker.io/a/b"))


REFUSED = {
    "B65 wrong signature": ("/hook/generic", b"guess", 401),
    "wrong path": ("/hook/dockerhub/guess", b"", 401),
    "no path": ("/hook/dockerhub", b"", 401),
    "no secret": ("/hook/github", b"", 403),
    "unknown": ("/hook/elsewhere", b"", 404),
    "B75 dots": ("//..%2f..%2fetc/passwd", b"", 404),
}


@pytest.mark.parametrize(("path", "secret", "status"), REFUSED.values(), ids=REFUSED)
def test_a_stranger_wakes_nobody(world: World, path: str, secret: bytes, status: int) -> None:
    assert world.hook(b"{}", path, secret).status == status
    assert world.woken.empty()


def test_b74_nothing_is_changed_by_following_a_link(world: World) -> None:
    assert world.get("/hook/generic").status == 405
    assert world.get("/hook/dockerhub/hubtoken").status == 405


def test_o4_a_follower_sends_webhooks_elsewhere(world: World) -> None:
    world.leads = False
    answer = world.hook(b"{}")
    assert (answer.status, answer.headers["Retry-After"], world.woken.empty()) == (503, "5", True)


def test_f34_a_flood_becomes_two_wakes(world: World) -> None:
    for _ in range(30):
        assert world.hook(b'{"ref": "refs/heads/main"}').status == 202
    assert world.woken.get(timeout=5) == world.woken.get(timeout=5) == ("sync", "fetch")
    assert world.woken.qsize() <= 30 // 3


def test_b68_an_endless_body_is_cut_off(world: World) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    try:
        answer = HTTP.request("POST", f"{world.server.url}/hook/generic", body=endless(), headers={"X-Signature": "sha256=0"})
        assert answer.status == 413
    except urllib3.exceptions.ProtocolError:
        pass  # cut off before the answer could be read
    assert world.get("/healthz").status == 200


def test_b69_slow_headers_hold_up_nobody(world: World) -> None:
    host, _, port = world.server.url.removeprefix("http://").partition(":")
    lazy = [socket.create_connection((host, int(port))) for _ in range(50)]
    for one in lazy:
        one.sendall(b"POST /hook/generic HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert world.get("/healthz").status == 200
    for one in lazy:
        one.close()


def test_a_rotated_secret_needs_no_restart(world: World, tmp_path: Path) -> None:
    (tmp_path / "generic").write_text("new")
    assert (world.hook(b"{}").status, world.hook(b"{}", secret=b"new").status) == (401, 202)


def test_a_taken_port_is_named(world: World) -> None:
    port = int(world.server.url.rpartition(":")[2])
    second = WebServer("127.0.0.1", port, wake=lambda lane, key: None, status=dict, samples=list, log=make_log(stream=io.StringIO()))
    with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}"):
        second.start()


def test_a_stopped_server_leaves_no_thread(tmp_path: Path) -> None:
    made = World(tmp_path)
    made.server.start()
    made.server.stop()
    made.server.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == f"http-{made.server.url.rpartition(':')[2]}"]


@pytest.mark.parametrize(("text", "expected"), [(":8080", ("", 8080)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80))])
def test_an_address_to_listen_on_is_read(text: str, expected: tuple[str, int]) -> None:
    assert listen_address(text) == expected


@pytest.mark.parametrize("text", ["8080:", "", ":http", ":70000"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(UserError, match="cannot listen"):
        listen_address(text)
