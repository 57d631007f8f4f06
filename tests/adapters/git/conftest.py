"""The hosts on which the contract tests run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.git.hosts import Host, gitd
from tests.adapters.git.http_host import HttpGit
from tests.fixtures_sshd import absence, require_sshd

SSH = ["gitd"] if absence() else ["sshd", "gitd"]
ALL = [*SSH, "http", "file"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`host` is every way to a repository, `ssh_host` those over SSH."""
    if "ssh_host" in metafunc.fixturenames:
        metafunc.parametrize("host_kind", SSH)
    elif "host" in metafunc.fixturenames:
        metafunc.parametrize("host_kind", ALL)


@pytest.fixture
def host(host_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    require_sshd()
    folder = tmp_path / "served"
    folder.mkdir()
    server = _server(host_kind, folder, request)
    made = Host(host_kind, server, folder, tmp_path)
    yield made
    made.close()
    if host_kind == "gitd" or host_kind == "http":
        server.stop()


@pytest.fixture
def ssh_host(host: Host) -> Host:
    return host


def _server(kind: str, folder: Path, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    if kind == "sshd":
        return request.getfixturevalue("sshd")
    if kind == "gitd":
        return gitd(folder)
    if kind == "http":
        server = HttpGit(folder)
        server.start()
        return server
    return None
