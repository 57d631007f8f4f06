"""Credentials, time limits and refusals of the connection, asked of a small HTTP server that answers as told."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from gitops_canary.adapters.cluster.answers import refusal
from gitops_canary.adapters.cluster.configuration import from_kubeconfig, in_cluster
from gitops_canary.adapters.cluster.connection import Connection, Limits
from gitops_canary.domain.errors import Conflict, Unavailable, UserError
from gitops_canary.sandbox.control_plane.plane import ControlPlane


class Told(ThreadingHTTPServer):
    """Answers each request with the next of `answers` (status, headers, body), the last one for ever; remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"{}")]
        self.asked: list[tuple[str, dict[str, str]]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Told)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.asked.append((f"{self.command} {self.path}", {key.lower(): value for key, value in self.headers.items()}))
        status, headers, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the tests say what went wrong."""


@pytest.fixture
def told() -> Iterator[Told]:
    server = Told()
    yield server
    server.shutdown()
    server.server_close()


def kubeconfig(folder: Path, url: str, user: dict[str, object]) -> Path:
    path = folder / "kubeconfig"
    contexts = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": contexts}
    path.write_bytes(
        orjson.dumps(config | {"clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": user}]})
    )
    return path


def connection(folder: Path, server: Told, user: dict[str, object] | None = None, limits: Limits | None = None) -> Connection:
    return from_kubeconfig(str(kubeconfig(folder, server.url, user or {"token": "secret"})), limits=limits)


def ask(made: Connection, verb: str = "GET") -> object:
    return made.request(verb, "/api", doing="ask", body={} if verb == "PATCH" else None).doc()


def tokens(server: Told) -> list[str]:
    return [headers.get("authorization", "").split()[-1] for _, headers in server.asked]


def test_every_request_says_who_we_are_and_as_whom(told: Told, tmp_path: Path) -> None:
    connection(tmp_path, told).request("GET", "/api", doing="ask", query={"a": "b c"}, as_user="system:serviceaccount:ns:applier")
    request, headers = told.asked[0]
    assert request == "GET /api?a=b+c"
    assert headers["authorization"] == "Bearer secret"
    assert headers["impersonate-user"] == "system:serviceaccount:ns:applier"
    assert headers["user-agent"].startswith("gitops-canary/")


def test_a_proxy_of_the_environment_is_not_used_for_loopback(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    ask(connection(tmp_path, told))


def test_a_refused_token_is_read_again_at_once(told: Told, tmp_path: Path) -> None:
    made = connection(tmp_path, told, {"token": "old"})
    kubeconfig(tmp_path, told.url, {"token": "new"})
    told.answers = [(401, {}, b"{}"), (200, {}, b"{}")]
    ask(made)
    assert tokens(told) == ["old", "new"]


def test_a_token_that_stays_refused_is_unavailable_after_one_more_try(told: Told, tmp_path: Path) -> None:
    told.answers = [(401, {}, b'{"message": "Unauthorized"}')]
    with pytest.raises(Unavailable, match=r"cannot ask: Unauthorized \(401\)"):
        ask(connection(tmp_path, told))
    assert len(told.asked) == 2


def test_an_exec_plugin_gives_the_token_and_is_asked_again_when_it_is_refused(told: Told, tmp_path: Path) -> None:
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"""#!/bin/sh
echo run >> {tmp_path}/runs
echo '{json.dumps(credential)[:-1]}, "status": {{"token": "'"plugin-$(wc -l < {tmp_path}/runs)"'"}}}}'
"""
    )
    plugin.chmod(0o755)
    user: dict[str, object] = {"exec": {"apiVersion": credential["apiVersion"], "command": str(plugin), "interactiveMode": "Never"}}
    told.answers = [(200, {}, b"{}"), (401, {}, b"{}"), (200, {}, b"{}")]
    made = connection(tmp_path, told, user)
    ask(made)
    ask(made)
    assert tokens(told) == ["plugin-1", "plugin-1", "plugin-2"]


@pytest.mark.control_plane
def test_a_rotated_service_account_token_is_taken_up_when_the_old_one_ends(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kubelet does it: the file changes, and the running process has an ended token in memory."""
    port = control_plane.url.rpartition(":")[2]
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    (tmp_path / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    (tmp_path / "token").write_text(control_plane.service_account_token("default", "default", lifetime=timedelta(minutes=-2)))
    made = in_cluster(account=tmp_path)
    (tmp_path / "token").write_text(control_plane.service_account_token("default", "default"))
    assert made.request("GET", "/api", doing="ask").doc()["kind"] == "APIVersions"


def test_outside_a_cluster_the_missing_service_account_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot use the pod's service account.*--kubeconfig"):
        in_cluster(account=tmp_path)


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"cannot use the kubeconfig {tmp_path}/none"):
        from_kubeconfig(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("a: b\n: bad [", "it is no kubeconfig (line 2 is no YAML)", id="no-yaml"),
        pytest.param("[1, 2]", "it is no kubeconfig", id="a-list"),
        pytest.param("clusters: 7\nusers: []\ncontexts: []\ncurrent-context: x\n", "", id="odd-clusters"),
        pytest.param("just words", "it is no kubeconfig", id="words"),
        pytest.param("", "", id="empty"),
    ],
)
def test_what_is_no_kubeconfig_is_said_to_be_none(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(UserError) as caught:
        from_kubeconfig(str(tmp_path / "config"))
    assert str(caught.value).startswith(f"cannot use the kubeconfig {tmp_path}/config: {why}")
    assert "--kubeconfig" in str(caught.value)


def test_a_short_retry_after_is_waited_for_and_a_long_one_is_handed_on(told: Told, tmp_path: Path) -> None:
    made = connection(tmp_path, told, limits=Limits(retry_after=1.0))
    told.answers = [(429, {"Retry-After": "1"}, b"{}"), (200, {}, b"{}")]
    ask(made, "PATCH")
    told.answers = [(429, {"Retry-After": "60"}, b"{}")]
    with pytest.raises(Unavailable) as caught:
        ask(made)
    assert caught.value.retry_after == 60.0
    assert len(told.asked) == 3


@pytest.mark.parametrize("asked", ["²", "9" * 5000, "soon", "-1"])
def test_an_odd_retry_after_is_no_bug_and_no_endless_pause(told: Told, tmp_path: Path, asked: str) -> None:
    told.answers = [(429, {"Retry-After": asked}, b"{}")]
    with pytest.raises(Unavailable) as caught:
        ask(connection(tmp_path, told))
    assert (caught.value.retry_after or 0.0) <= 3600.0


def test_a_proxys_page_in_place_of_an_answer_is_unavailable_and_not_quoted(told: Told, tmp_path: Path) -> None:
    told.answers = [(200, {}, b"<html>s3cret</html>")]
    with pytest.raises(Unavailable, match="it is no JSON") as caught:
        connection(tmp_path, told).request("GET", "/x", doing="ask").doc()
    assert "s3cret" not in str(caught.value)


def test_a_connection_that_breaks_is_tried_again_for_reads_only(told: Told, tmp_path: Path) -> None:
    broken = (200, {"Content-Length": "100", "Connection": "close"}, b"half")
    told.answers = [broken, (200, {}, b"{}")]
    made = connection(tmp_path, told, limits=Limits(read=0.5))
    ask(made)
    assert len(told.asked) == 2
    told.answers = [broken, (200, {}, b"{}")]
    with pytest.raises(Unavailable, match="a broken answer from"):
        ask(made, "PATCH")
    assert len(told.asked) == 3


def test_an_answer_without_end_is_cut_off(told: Told, tmp_path: Path) -> None:
    told.answers = [(200, {}, b"x" * 5000)]
    with pytest.raises(UserError, match="has more than 1000 bytes"):
        ask(connection(tmp_path, told, limits=Limits(answer_bytes=1000)))


def test_nobody_there_is_unavailable_and_no_secret_is_said(told: Told, tmp_path: Path) -> None:
    made = connection(tmp_path, told)
    told.shutdown()
    told.server_close()
    with pytest.raises(Unavailable, match=r"cannot ask: no answer from http://127\.0\.0\.1:\d+: .*refused") as caught:
        ask(made)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        pytest.param(409, b'{"message": "the object has been modified"}', Conflict, "the object has been modified (409)", id="stale"),
        pytest.param(404, b'{"message": "x not found"}', Conflict, "x not found (404)", id="gone"),
        pytest.param(403, b'{"message": "User cannot"}', UserError, "User cannot (403)", id="forbidden"),
        pytest.param(422, b'{"message": "spec is wrong"}', UserError, "spec is wrong (422)", id="invalid"),
        pytest.param(400, b"<html>", UserError, "<html> (400)", id="not JSON"),
        pytest.param(400, b"[]", UserError, "[] (400)", id="not an object"),
        pytest.param(503, b"", Unavailable, "no reason given (503)", id="empty"),
        pytest.param(500, b'{"message": "etcdserver: timed out"}', Unavailable, "etcdserver: timed out (500)", id="server's own trouble"),
        pytest.param(500, b'{"message": "failed to create typed patch object"}', UserError, "typed patch", id="unknown field"),
        pytest.param(
            403, b'{"details": {"causes": [{"reason": "NamespaceTerminating"}]}}', Unavailable, "(403)", id="namespace going away"
        ),
    ],
)
def test_a_refusal_says_who_must_act_in_the_servers_words(status: int, body: bytes, kind: type[Exception], sentence: str) -> None:
    error = refusal("patch Deployment test/web", status, body)
    assert type(error) is kind
    assert str(error).startswith("cannot patch Deployment test/web: ")
    assert sentence in str(error)


def test_the_servers_own_wish_for_a_pause_is_kept() -> None:
    error = refusal("ask", 429, b'{"details": {"retryAfterSeconds": 7}}')
    assert isinstance(error, Unavailable)
    assert error.retry_after == 7.0


def test_a_long_sentence_is_cut() -> None:
    assert len(str(refusal("ask", 422, json.dumps({"message": "x" * 5000}).encode()))) < 700
