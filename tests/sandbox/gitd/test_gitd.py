"""The sandbox's Git host as stock git and ssh see it."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.adapters.git.deploy_key import DeployKey, generate
from gitops_canary.sandbox.gitd import BareRepository, GitServer, Push

KEY = generate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "gitd") as made:
        yield made


class Client:
    """A person with stock git and a key file."""

    def __init__(self, folder: Path, server: GitServer, key: DeployKey = KEY) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "key").touch(0o600)
        (folder / "key").write_text(key.private)
        (folder / "hosts").write_text(server.known_hosts + "\n")
        self.ssh = f"ssh -F /dev/null -i {folder}/key -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={folder}/hosts"

    def git(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "GIT_SSH_COMMAND": self.ssh, "LC_ALL": "C"}
        names = ["-c", "user.name=Jo", "-c", "user.email=jo@example.com"]
        return subprocess.run(["git", *names, *args], cwd=self.folder, env=env, capture_output=True, text=True, check=check)

    def clone_and_push(self, url: str, branch: str = "main") -> subprocess.CompletedProcess[str]:
        self.git("clone", "-q", url, "work")
        (self.folder / "work" / "new").write_text("x")
        self.git("-C", "work", "add", "new")
        self.git("-C", "work", "commit", "-qm", "new")
        return self.git("-C", "work", "push", "-q", "origin", f"HEAD:{branch}", check=False)


@pytest.fixture
def client(server: GitServer, tmp_path: Path) -> Client:
    return Client(tmp_path / "client", server)


def test_a_key_with_write_access_clones_and_pushes(server: GitServer, client: Client) -> None:
    served = server.create("team/cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    assert client.clone_and_push(server.url("team/cluster")).returncode == 0
    assert [line.subject for line in served.log()] == ["new", "Initial commit"]


def test_a_read_only_key_clones_and_is_refused_as_by_a_real_host(server: GitServer, client: Client) -> None:
    served = server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=False)
    pushed = client.clone_and_push(server.url("cluster"))
    assert pushed.returncode == 128
    assert "ERROR: The key you are authenticating with has been marked as read only." in pushed.stderr
    assert len(served.log()) == 1
    server.add_key(KEY.public, write=True)
    client.git("-C", "work", "push", "-q", "origin", "HEAD:main")
    assert len(served.log()) == 2


def test_an_unknown_key_is_refused(server: GitServer, client: Client) -> None:
    server.create("cluster", {"a": b"1"})
    refused = client.git("ls-remote", server.url("cluster"), check=False)
    assert "Permission denied (publickey)" in refused.stderr


@pytest.mark.parametrize("name", ["nothing", "../../etc", "a/../cluster", "home", "-x"])
def test_what_is_no_repository_is_not_found(server: GitServer, client: Client, name: str) -> None:
    server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    asked = subprocess.run(
        [*client.ssh.split(), "-p", str(server.port), f"git@{server.host}", f"git-upload-pack '{name}'"], capture_output=True
    )
    assert asked.returncode == 1
    assert b"ERROR: Repository not found." in asked.stderr


@pytest.mark.parametrize(
    "command", ["", "ls", "git-upload-pack 'open", "git-upload-pack", "git-upload-pack 'cluster' x", "git-upload-archive 'cluster'"]
)
def test_there_is_no_shell(server: GitServer, client: Client, command: str) -> None:
    server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    asked = subprocess.run(
        [*client.ssh.split(), "-T", "-p", str(server.port), f"git@{server.host}", *([command] if command else [])],
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert asked.returncode == 1
    assert b"this host gives no shell" in asked.stderr


def test_a_removed_key_loses_its_open_connection(server: GitServer, client: Client, tmp_path: Path) -> None:
    server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    master = subprocess.Popen(
        [*client.ssh.split(), "-N", "-M", "-S", str(tmp_path / "s"), "-p", str(server.port), f"git@{server.host}"], stderr=subprocess.PIPE
    )
    client.ssh += f" -S {tmp_path}/s"
    client.git("ls-remote", server.url("cluster"))
    server.remove_key(KEY.public)
    master.wait(10)
    assert master.stderr is not None
    master.stderr.close()
    assert client.git("ls-remote", server.url("cluster"), check=False).returncode != 0


def test_many_sessions_share_one_connection(server: GitServer, client: Client, tmp_path: Path) -> None:
    server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    socket = tmp_path / "s"
    master = subprocess.Popen([*client.ssh.split(), "-N", "-M", "-S", str(socket), "-p", str(server.port), f"git@{server.host}"])
    pause = threading.Event()
    while not socket.exists():
        pause.wait(0.01)
    client.ssh += f" -S {socket} -o ControlMaster=no"
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(client.git("ls-remote", server.url("cluster")).returncode)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 8
    assert len(server._connections) == 1
    master.kill()
    master.wait()


def test_pushes_are_told_with_old_and_new(server: GitServer, client: Client) -> None:
    served = server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    told: list[Push] = []
    heard = threading.Event()

    def hear(push: Push) -> None:
        told.append(push)
        heard.set()

    server.on_push(hear)
    before = served.head()
    client.clone_and_push(server.url("cluster"))
    assert heard.wait(10)
    assert told == [Push("cluster", "refs/heads/main", before, served.head())]


def test_a_lost_reply_is_a_push_that_landed(server: GitServer, client: Client) -> None:
    served = server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    server.faults.lose_push_replies = 1
    assert client.clone_and_push(server.url("cluster")).returncode != 0
    assert len(served.log()) == 2
    assert "up-to-date" in client.git("-C", "work", "push", "origin", "HEAD:main").stderr


def test_somebody_who_is_quicker_than_a_push_is_there_before_it_once(server: GitServer, client: Client) -> None:
    served = server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    server.faults.outruns.append(lambda host: host.commit({"b": b"2"}, "Quicker"))
    refused = client.clone_and_push(server.url("cluster"))
    assert (refused.returncode, "fetch first" in refused.stderr) == (1, True)
    assert served.log()[0].subject == "Quicker"
    client.git("-C", "work", "pull", "--rebase", "origin", "main")
    assert client.git("-C", "work", "push", "origin", "HEAD:main").returncode == 0
    assert len(served.log()) == 3


def test_broken_connections_and_refusals_come_once(server: GitServer, client: Client) -> None:
    server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    server.faults.break_connections = 1
    server.faults.refusals.append("ERROR: this host is resting")
    assert client.git("ls-remote", server.url("cluster"), check=False).returncode != 0
    assert "this host is resting" in client.git("ls-remote", server.url("cluster"), check=False).stderr
    assert client.git("ls-remote", server.url("cluster")).returncode == 0


def test_host_key_port_and_repositories_survive_a_restart(server: GitServer, client: Client) -> None:
    server.create("cluster", {"a": b"1"})
    server.add_key(KEY.public, write=True)
    url, line = server.url("cluster"), server.known_hosts
    server.stop()
    assert client.git("ls-remote", url, check=False).returncode != 0
    server.start()
    assert (server.url("cluster"), server.known_hosts) == (url, line)
    assert client.git("ls-remote", url).returncode == 0
    server.stop()
    server.new_host_key()
    server.start()
    assert "HOST IDENTIFICATION HAS CHANGED" in client.git("ls-remote", url, check=False).stderr


def test_a_person_commits_rewinds_and_reads(tmp_path: Path) -> None:
    repository = BareRepository.create(tmp_path / "r.git", {"a/b.yaml": b"1"})
    first = repository.head()
    second = repository.commit({"a/b.yaml": None, "c": b"2"}, "subject\n\nCanary: x", author="Ann <ann@example.com>")
    assert (repository.paths(), repository.message()) == (["c"], "subject\n\nCanary: x")
    assert repository.log()[0].author == "Ann"
    assert first is not None
    assert repository.read("a/b.yaml", first) == b"1"
    repository.rewind(first)
    assert repository.head() == first != second
