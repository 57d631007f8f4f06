"""https-like remotes: credentials, refusals, redirects, proxies; and that no secret is ever said."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_canary.adapters.git import GitOptions, GitRepository, Transport, redact
from gitops_canary.adapters.git.redaction import register_secret
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable, UserError
from gitops_canary.ports import Change
from gitops_canary.sandbox.gitd import BareRepository
from tests.adapters.git.http_host import HttpGit

PASSWORD = "p@ss/w0rd:with#odd?signs"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpGit]:
    (tmp_path / "served").mkdir()
    BareRepository.create(tmp_path / "served" / "cluster.git", {"a": b"1"})
    made = HttpGit(tmp_path / "served")
    made.start()
    made.add_user("robot", PASSWORD, write=True)
    yield made
    made.stop()


@pytest.fixture
def client(server: HttpGit, tmp_path: Path) -> Iterator[GitRepository]:
    made = GitRepository(server.url("cluster"), "main", Transport(GitOptions(state=tmp_path / "s", username="robot", password=PASSWORD)))
    yield made
    made.close()


def set_a(content: bytes):  # type: ignore[no-untyped-def]
    return lambda tree: Change({"a": content}, "set a")


def test_F19_credentials_in_the_url_work_and_are_shown_nowhere(server: HttpGit, tmp_path: Path) -> None:
    quoted = PASSWORD.replace("@", "%40").replace("/", "%2F").replace(":", "%3A").replace("#", "%23").replace("?", "%3F")
    url = server.url("cluster").replace("://", f"://robot:{quoted}@")
    repository = GitRepository(url, "main", Transport(GitOptions(state=tmp_path / "s")))
    repository.fetch()
    assert repository.change(set_a(b"2")) == repository.head()
    assert repository.url == server.url("cluster")
    assert PASSWORD not in repr(vars(repository.mirror)) + repr(repository.mirror.transport.options)
    written = b"".join(file.read_bytes() for file in (tmp_path / "s").rglob("*") if file.is_file())
    assert PASSWORD.encode() not in written
    assert quoted.encode() not in written
    repository.close()


def test_i7_no_error_holds_the_password(server: HttpGit, client: GitRepository) -> None:
    said = []

    def fail() -> None:
        with pytest.raises(GitopsCanaryError) as caught:
            client.fetch()
        said.append(f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}")

    server.add_user("robot", "another", write=True)
    fail()
    server.status = 500
    fail()
    server.status = 403
    fail()
    assert PASSWORD not in "".join(said)
    assert "cm9ib3Q6" not in "".join(said)  # Base64 of robot:…


def test_i7_the_password_stands_in_no_argument_list(server: HttpGit, client: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    # The server looks at all processes while the client waits for its answer.
    answer = server._backend

    async def look(*args: Any) -> Any:
        seen.append(subprocess.run(["ps", "-eo", "args"], capture_output=True).stdout)
        return await answer(*args)

    monkeypatch.setattr(server, "_backend", look)
    client.fetch()
    client.change(set_a(b"2"))
    assert b"git-remote-http" in seen[0]
    assert PASSWORD.encode() not in b"".join(seen)
    assert b"cm9ib3Q6" not in b"".join(seen)


def test_wrong_credentials_are_said(server: HttpGit, client: GitRepository) -> None:
    server.add_user("robot", "another", write=True)
    with pytest.raises(UserError, match="does not accept user and password"):
        client.fetch()


def test_no_credentials_never_prompt(server: HttpGit, tmp_path: Path) -> None:
    repository = GitRepository(server.url("cluster"), "main", Transport(GitOptions(state=tmp_path / "s")))
    with pytest.raises(UserError, match="does not accept user and password"):
        repository.fetch()
    repository.close()


def test_a_token_that_may_only_read_is_found_by_check_access(server: HttpGit, client: GitRepository) -> None:
    server.add_user("robot", PASSWORD, write=False)
    client.fetch()
    attempts: tuple[Callable[[], object], ...] = (client.check_access, lambda: client.change(set_a(b"2")))
    for attempt in attempts:
        with pytest.raises(UserError, match="the token may read but not write; give the token read and write access"):
            attempt()
    server.add_user("robot", PASSWORD, write=True)
    client.check_access()


def test_credentials_are_never_sent_on_by_a_redirect(server: HttpGit, client: GitRepository, tmp_path: Path) -> None:
    other = HttpGit(tmp_path / "served")
    other.start()
    server.redirect_to = f"http://127.0.0.1:{other.port}"
    with pytest.raises(UserError, match="redirects elsewhere, and credentials are never sent on"):
        client.fetch()
    assert other.asked == []
    other.stop()


@pytest.mark.parametrize(("status", "sentence"), [(503, "fault of its own"), (429, "asks for fewer requests")])
def test_a_host_with_troubles_is_unavailable(server: HttpGit, client: GitRepository, status: int, sentence: str) -> None:
    server.status = status
    with pytest.raises(Unavailable, match=sentence):
        client.fetch()


def test_a_missing_repository_is_said(server: HttpGit, tmp_path: Path) -> None:
    repository = GitRepository(
        server.url("nothing"), "main", Transport(GitOptions(state=tmp_path / "s", username="robot", password=PASSWORD))
    )
    with pytest.raises(UserError, match="no such repository"):
        repository.fetch()
    repository.close()


def test_a_host_that_does_not_listen_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    repository = GitRepository(f"http://127.0.0.1:{port}/x.git", "main", Transport(GitOptions(state=tmp_path / "s")))
    with pytest.raises(Unavailable, match="cannot be reached"):
        repository.fetch()
    repository.close()


def test_proxy_variables_are_obeyed(server: HttpGit, client: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def refuse() -> None:
            connection, _ = proxy.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(Unavailable):
            client.fetch()
        thread.join()
    assert asked[0].startswith(b"GET http://127.0.0.1:")
    assert server.asked == []


def test_a_server_that_never_answers_is_left_in_time(server: HttpGit, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        repository = GitRepository(url, "main", Transport(GitOptions(state=tmp_path / "s", fetch_timeout=0.3)))
        with pytest.raises(Unavailable, match="cannot be reached"):
            repository.fetch()
        repository.close()


def test_i7_a_registered_secret_is_hidden_in_any_text_and_as_base64() -> None:
    register_secret("correct horse")
    assert redact("said 'correct horse' and Y29ycmVjdCBob3JzZQ==") == "said '***' and ***"
    register_secret("a")  # too short to be hidden: it would eat words
    assert redact("a cat") == "a cat"


REDACTED = {
    "url": ("fatal: https://user:tok%40en@host/x.git", "fatal: https://***@host/x.git"),
    "token as user": ("https://ghp_0123456789abcdefghij@host/x", "https://***@host/x"),
    "an @ in the password": ("https://u:p@ss@host/x", "https://***@host/x"),
    "ssh with password": ("ssh://git:pw@host/x", "ssh://git:***@host/x"),
    "ssh user": ("ssh://git@host/x git@host:x", "ssh://git@host/x git@host:x"),
    "header": ("> Authorization: Basic dXNlcjpwdw==", "> Authorization: ***"),
    "bearer": ("authorization: Bearer abc.def", "authorization: ***"),
    "signed query": ("GET /x?access_token=abc&sig=d%2Fe&page=2", "GET /x?access_token=***&sig=***&page=2"),
    "github": ("token ghp_0123456789abcdefghij.", "token ***."),
    "gitlab": ("glpat-0123456789abcdefghij!", "***!"),
    "private key": ("a -----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY----- z", "a *** z"),
    "cut private key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"),
    "public key": ("ssh-ed25519 AAAAC3Nz gitops-canary", "ssh-ed25519 AAAAC3Nz gitops-canary"),
    "plain": ("cannot fetch from https://host/x.git: no", "cannot fetch from https://host/x.git: no"),
}


@pytest.mark.parametrize(("text", "shown"), REDACTED.values(), ids=REDACTED.keys())
def test_i7_redaction(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=git", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        *names,
        "-keyout",
        str(folder / "key"),
        "-out",
        str(folder / "ca"),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "ca", folder / "key"


def test_a_private_ca_is_trusted_only_when_it_is_given(authority: tuple[Path, Path], tmp_path: Path) -> None:
    BareRepository.create(tmp_path / "cluster.git", {"a": b"1"})
    server = HttpGit(tmp_path, authority)
    server.add_user("robot", PASSWORD, write=True)
    server.start()
    common: dict[str, Any] = {"username": "robot", "password": PASSWORD}
    trusting = GitRepository(
        server.url("cluster"), "main", Transport(GitOptions(state=tmp_path / "s", ca_file=str(authority[0]), **common))
    )
    trusting.fetch()
    trusting.check_access()
    doubting = GitRepository(server.url("cluster"), "main", Transport(GitOptions(state=tmp_path / "t", **common)))
    with pytest.raises(UserError, match="its TLS certificate is not trusted"):
        doubting.fetch()
    for client in (trusting, doubting):
        client.close()
    server.stop()
