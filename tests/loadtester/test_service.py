"""The load tester over HTTP, as a canary's hooks call it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import UserError
from gitops_canary.loadtester.processes import HelmTest, read_helm_test
from gitops_canary.loadtester.service import LoadTester, LoadTesterSettings
from tests.adapters.peer import Asked, Peer, Reply

HTTP = urllib3.PoolManager(retries=False)


class Story(io.StringIO):
    """The log's sentences, each waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._said = threading.Condition()

    def write(self, text: str) -> int:
        with self._said:
            written = super().write(text)
            self._said.notify_all()
            return written

    def wait_for(self, words: str) -> str:
        with self._said:
            assert self._said.wait_for(lambda: words in self.getvalue(), 15), f"{words!r} is not in\n{self.getvalue()}"
            return next(line for line in self.getvalue().splitlines() if words in line)


class World:
    def __init__(self, **settings: object) -> None:
        self.story = Story()
        self.tester = LoadTester(LoadTesterSettings(listen="127.0.0.1:0", **settings), make_log(stream=self.story))  # type: ignore[arg-type]

    def order(self, command: str, kind: str = "", namespace: str = "test", **metadata: str) -> tuple[int, str]:
        wish = {"cmd": command, **metadata} | ({"type": kind} if kind else {})
        return self.post("/", {"name": "frontend", "namespace": namespace, "phase": "Progressing", "metadata": wish})

    def post(self, path: str, payload: object) -> tuple[int, str]:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        answer = HTTP.request("POST", self.tester.url + path, body=raw)
        return answer.status, answer.data.decode()

    def __enter__(self) -> "World":
        self.tester.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.tester.stop()


@pytest.fixture
def closed() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture
def trusting() -> Iterator[World]:
    with World(allow_commands=True) as made:
        yield made


def test_a_hey_load_runs_without_hey_and_without_commands(closed: World) -> None:
    def some_fail(asked: Asked, number: int) -> Reply:
        return Reply(500 if number % 4 == 0 else 200)

    with Peer(some_fail) as peer:
        assert closed.order(f"hey -n 20 -c 2 -m POST -d test -H 'X-A: b' {peer.url}/echo") == (202, "accepted")
        sentence = json.loads(closed.story.wait_for("has ended"))["msg"]
        assert f"Load of {peer.url}/echo has ended: 20 requests: 15 with 200, 5 with 500; 50 % within" in sentence
        assert {(one.method, one.body, one.headers["X-A"]) for one in peer.asked} == {("POST", b"test", "b")}


def test_a_load_for_a_time_keeps_to_its_rate(closed: World) -> None:
    with Peer() as peer:
        status, text = closed.order(f"hey -z 500ms -q 10 -c 2 {peer.url}", returnCmdOutput="true")
    assert status == 200
    assert 4 <= int(text.split()[0]) <= 14, "two workers at ten a second for half a second"


def test_a_load_goes_through_the_proxy_of_the_environment(closed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        closed.order("hey -n 1 -c 1 http://frontend.test/", returnCmdOutput="true")
        assert proxy.asked[0].headers["Host"] == "frontend.test"


def test_a_load_of_nobody_counts_its_failures(closed: World) -> None:
    status, text = closed.order("hey -n 2 -c 1 http://127.0.0.1:1/", returnCmdOutput="true")
    assert (status, text.split(";")[0]) == (200, "2 requests: 2 failed (ClientConnectorError)")


def test_an_equal_order_joins_the_one_that_runs(closed: World) -> None:
    hold = threading.Event()
    with Peer() as peer:
        peer.hold = hold
        for _ in range(3):
            assert closed.order(f"hey -n 1 -c 1 {peer.url}")[0] == 202
        peer.arrived.get(timeout=10)
        hold.set()
        closed.story.wait_for("has ended")
        assert len(peer.asked) == 1
        assert closed.order(f"hey -n 1 -c 1 {peer.url}")[0] == 202
        peer.next()
        peer.next()


REFUSED: dict[str, tuple[object, int, str]] = {
    "unknown type": ({"name": "a", "namespace": "b", "metadata": {"type": "concord", "cmd": "x"}}, 400, "type 'concord'"),
    "no command": ({"name": "a", "namespace": "b", "metadata": {}}, 400, "metadata.cmd is empty"),
    "no metadata": ({"name": "a", "namespace": "b"}, 400, "metadata.cmd is empty"),
    "metadata a list": ({"name": "a", "namespace": "b", "metadata": [1]}, 400, "metadata is no object"),
    "a list": ([], 400, "no JSON object"),
    "not JSON": (b"<xml>", 400, "cannot read the hook's body"),
    "shell": ({"name": "a", "namespace": "b", "metadata": {"cmd": "touch /tmp/x"}}, 400, "--allow-commands"),
    "bash": ({"name": "a", "namespace": "b", "metadata": {"type": "bash", "cmd": "true"}}, 400, "--allow-commands"),
    "kubectl": ({"name": "a", "namespace": "b", "metadata": {"type": "kubectl", "cmd": "get pods"}}, 400, "--allow-commands"),
    "helm": ({"name": "a", "namespace": "b", "metadata": {"type": "helm", "cmd": "delete x"}}, 400, "--allow-commands"),
    "bad hey": ({"name": "a", "namespace": "b", "metadata": {"cmd": "hey -y http://a"}}, 400, "hey has no such flag"),
    "huge": (b"x" * 2_000_000, 413, ""),
    "deep": (b'{"metadata":' + b"[" * 100_000, 400, "cannot read the hook's body"),
}


@pytest.mark.parametrize(("payload", "status", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_run_is_refused_in_words(closed: World, payload: object, status: int, words: str) -> None:
    got, text = closed.post("/", payload)
    assert got == status
    assert words in text


def test_only_allowed_namespaces_are_served() -> None:
    with World(namespace_regexp="^test$") as world:
        assert world.order("hey -n 1 http://127.0.0.1:1/", namespace="test2") == (403, "namespace 'test2' is not allowed here")
        assert world.post("/gate/open", {"name": "a", "namespace": "other"})[0] == 403
    with pytest.raises(UserError, match="--namespace-regexp"):
        World(namespace_regexp="(")


def test_commands_run_when_they_are_allowed(trusting: World, tmp_path: Path) -> None:
    assert trusting.order("echo one; exit 0", "bash") == (200, "one\n")
    assert trusting.order("echo two >&2; exit 3", "bash") == (500, "two\n")
    assert trusting.order(f"echo three > {tmp_path}/done") == (202, "accepted")
    trusting.story.wait_for("cmd of frontend.test has ended")
    assert (tmp_path / "done").read_text() == "three\n"
    assert trusting.order("echo four", returnCmdOutput="true") == (200, "four\n")


def test_a_command_beyond_its_time_is_ended_with_its_children(tmp_path: Path) -> None:
    """The pipe ends when its last writer has."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = threading.Thread(target=pipe.read_bytes, daemon=True)
    reader.start()
    with World(allow_commands=True, timeout=0.3) as world:
        status, text = world.order(f"sleep 60 > {pipe} & wait", "bash")
    assert (status, text) == (500, "cannot finish bash: it did not end within 0.3 s")
    reader.join(5)
    assert not reader.is_alive()


def test_a_program_that_is_not_there_is_named(trusting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert trusting.order("get pods", "kubectl") == (500, "cannot run kubectl: No such file or directory")


def test_helm_says_why_a_test_cannot_be_run(closed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    status, text = closed.order("test frontend -n test --timeout 5s", "helmv3")
    assert status == 500
    assert "127.0.0.1:1" in text


HELM = {
    "test frontend -n test --timeout 3m": HelmTest("frontend", "test", 180.0),
    "test frontend --namespace=other --logs": HelmTest("frontend", "other", 300.0),
    "test --cleanup frontend": HelmTest("frontend", "canarys", 300.0),
    "list": None,
}


@pytest.mark.parametrize(("command", "expected"), HELM.items(), ids=list(HELM))
def test_a_helm_test_is_read_from_its_command(command: str, expected: HelmTest | None) -> None:
    assert read_helm_test(command, "canarys") == expected


@pytest.mark.parametrize("command", ["test", "test a b", "test a --kubeconfig x", "test a --timeout soon"])
def test_a_helm_test_that_cannot_be_read_is_refused(command: str) -> None:
    with pytest.raises(UserError, match="cannot run helm"):
        read_helm_test(command, "test")


def test_a_gate_is_closed_until_it_is_opened(closed: World) -> None:
    canary = {"name": "frontend", "namespace": "test"}
    assert closed.post("/gate/check", canary) == (403, "Forbidden")
    assert closed.post("/gate/open", canary)[0] == 202
    assert closed.post("/gate/check", canary) == (200, "Approved")
    assert closed.post("/gate/check", {"name": "backend", "namespace": "test"})[0] == 403
    assert closed.post("/rollback/check", canary)[0] == 403, "rollback gates are others"
    assert closed.post("/rollback/open", canary)[0] == 202
    assert closed.post("/gate/close", canary)[0] == 202
    assert (closed.post("/gate/check", canary)[0], closed.post("/rollback/check", canary)[0]) == (403, 200)
    assert (closed.post("/gate/approve", b"")[0], closed.post("/gate/halt", b"")[0]) == (200, 403)
    assert closed.post("/gate/check", {}) == (400, "cannot find the gate: name and namespace are needed")


def test_what_was_asked_is_counted(closed: World) -> None:
    closed.order("x", "concord")
    assert HTTP.request("GET", f"{closed.tester.url}/healthz").data == b"OK"
    text = HTTP.request("GET", f"{closed.tester.url}/metrics").data.decode()
    assert "loadtester_running 0.0" in text
    assert 'loadtester_orders_total{status="400",type="unknown"} 1.0' in text


def test_the_service_ends_when_it_is_told_to() -> None:
    command = [sys.executable, "-m", "gitops_canary", "loadtester", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())["msg"]
        url = first.split("listens on ")[1].split(";")[0]
        payload = {"name": "a", "namespace": "b", "metadata": {"cmd": "hey -z 1h -c 1 -q 1 http://127.0.0.1:1/"}}
        assert HTTP.request("POST", url, body=json.dumps(payload)).status == 202
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(10) == 0
    assert "Load of http://127.0.0.1:1/ has ended" in rest
    assert "has stopped: it was asked to" in rest
