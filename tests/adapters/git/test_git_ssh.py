"""Keys, host keys and connections over SSH, on OpenSSH and on our own server; faults in the middle of a push."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_canary.adapters.git import GitOptions, Transport
from gitops_canary.adapters.git.deploy_key import generate
from gitops_canary.adapters.git.mirror import Mirror
from gitops_canary.adapters.git.ssh import SshMaster, control_folder
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.ports import Change, Tree
from gitops_canary.sandbox.gitd import BareRepository
from tests.adapters.git.hosts import KEY, Host, process

FILES = {"a.yaml": b"tag: 1\n"}

# The first push waits in the server until `go` is there; later ones pass. Killing the client does not stop the server.
WAITS = """
if mkdir "$GIT_DIR/first" 2>/dev/null; then
  touch "$GIT_DIR/reached"
  n=0
  while ! test -e "$GIT_DIR/go"; do n=$((n+1)); test $n -gt 1000 && break; sleep 0.02; done
  touch "$GIT_DIR/ended"
fi
exit 0
"""


def set_tag(tag: str):  # type: ignore[no-untyped-def]
    return lambda tree: Change({"a.yaml": f"tag: {tag}\n".encode()}, f"tag {tag}")


def master_of(mirror: Mirror) -> "subprocess.Popen[bytes]":
    """The process that holds the client's connection."""
    return master_process(mirror.transport._masters[(mirror.remote.destination, mirror.remote.port)])


def master_process(master: SshMaster) -> "subprocess.Popen[bytes]":
    assert master._process is not None
    return master._process


def wait_for(path: Path) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if path.exists():
            return
        pause.wait(0.01)
    raise AssertionError(f"{path} never came")


def test_a_key_that_may_only_read_reads_and_is_told_what_to_add(ssh_host: Host) -> None:
    served = ssh_host.create(FILES)
    ssh_host.allow(write=False)
    repository = ssh_host.repository()
    head = repository.fetch()
    attempts: tuple[Callable[[], object], ...] = (repository.check_access, lambda: repository.change(set_tag("2")))
    for attempt in attempts:
        with pytest.raises(UserError, match="the deploy key may read but not write") as caught:
            attempt()
        assert KEY.public in caught.value.hint
    assert served.head() == head
    ssh_host.allow(write=True)
    repository.check_access()
    assert repository.change(set_tag("2")) == served.head()


def test_an_unknown_key_is_told_to_be_added(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    stranger = generate()
    repository = ssh_host.repository(transport=ssh_host.transport(stranger))
    with pytest.raises(UserError, match="the host does not accept our key") as caught:
        repository.fetch()
    assert stranger.public in caught.value.hint


def test_without_a_key_ssh_offers_none(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    with pytest.raises(UserError, match="does not accept our key"):
        ssh_host.repository(transport=ssh_host.transport(None)).fetch()


def test_f16_an_unknown_host_key_is_refused_with_the_way_to_add_it(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    repository = ssh_host.repository(known_hosts="")
    port = repository.mirror.remote.port
    with pytest.raises(UserError, match=rf"the host key of \[127.0.0.1\]:{port} is not known") as caught:
        repository.fetch()
    assert f"ssh-keyscan -p {port} 127.0.0.1" in caught.value.hint


def test_f16_a_changed_host_key_is_refused(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    other = generate().public.split()[1]
    name = ssh_host.server.known_hosts.split()[0]
    repository = ssh_host.repository(known_hosts=f"{name} ssh-ed25519 {other}")
    with pytest.raises(UserError, match="has changed: somebody may be listening in"):
        repository.fetch()


def test_one_connection_serves_every_command(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    repository = ssh_host.repository()
    repository.fetch()
    pid = master_of(repository.mirror).pid
    for tag in "23":
        repository.change(set_tag(tag))
    repository.fetch()
    assert master_of(repository.mirror).pid == pid


def test_several_mirrors_share_a_connection_and_more_sessions_than_it_takes_wait(ssh_host: Host) -> None:
    transport = ssh_host.transport()
    heads, failed = {}, []

    def fetch(name: str) -> None:
        mirror = Mirror(ssh_host.url(name), transport)
        try:
            heads[name] = mirror.fetch("main")
        except Exception as error:
            failed.append(error)
        finally:
            mirror.close()

    served = {f"chart{number}": ssh_host.create(FILES, f"chart{number}") for number in range(14)}
    threads = [threading.Thread(target=fetch, args=(name,)) for name in served]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert heads == {name: repository.head() for name, repository in served.items()}
    assert len(transport._masters) == 1
    transport.close()


def test_a_master_that_died_is_replaced(ssh_host: Host) -> None:
    served = ssh_host.create(FILES)
    repository = ssh_host.repository()
    repository.fetch()
    dead = master_of(repository.mirror)
    dead.kill()
    dead.wait()
    assert repository.change(set_tag("2")) == served.head()
    assert master_of(repository.mirror).pid != dead.pid


def test_a_master_that_outlived_its_operator_is_ended_by_the_next(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    options = ssh_host.options()
    first = Transport(options, KEY)
    Mirror(ssh_host.url(), first).fetch("main")
    (orphan,) = map(master_process, first._masters.values())
    second = Transport(options, KEY)  # `first` was killed: it has ended nothing
    Mirror(ssh_host.url(), second).fetch("main")
    assert orphan.wait(5) is not None
    second.close()
    assert list(control_folder(options.state).iterdir()) == []
    first.close()


def test_a_new_key_ends_the_old_keys_connection(ssh_host: Host) -> None:
    served = ssh_host.create(FILES)
    transport = ssh_host.transport()
    repository = ssh_host.repository(transport=transport)
    repository.fetch()
    old = master_of(repository.mirror)
    fresh = generate()
    ssh_host.allow(write=True, key=fresh)
    transport.use_key(fresh)
    assert old.poll() is not None
    ssh_host.server.remove_key(KEY.public)
    assert repository.change(set_tag("2")) == served.head()
    transport.use_key(KEY)
    with pytest.raises(UserError, match="does not accept our key"):
        repository.fetch()


def test_no_process_outlives_the_client(ssh_host: Host) -> None:
    ssh_host.create(FILES)
    transport = ssh_host.transport(push_timeout=0.001, patience=0.0)
    repository = ssh_host.repository(transport=transport)
    repository.fetch()
    children = [master_of(repository.mirror), process(repository)]
    with pytest.raises(Unavailable, match=r"no answer; the commit may have landed|cannot be reached"):
        repository.change(set_tag("2"))
    repository.close()
    transport.close()
    assert all(child.poll() is not None for child in children)
    listed = subprocess.run(["ps", "--no-headers", "-o", "stat,args", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    assert [line for line in listed.splitlines() if line.startswith("Z") or " git " in line or " ssh " in line] == []


def test_the_private_key_is_readable_by_us_alone(ssh_host: Host) -> None:
    transport = ssh_host.transport()
    identity = transport.options.state / "ssh" / "identity"
    assert identity.stat().st_mode & 0o777 == 0o600
    assert control_folder(transport.options.state).stat().st_mode & 0o777 == 0o700
    assert "PRIVATE" not in repr(transport.key)
    transport.close()


def kill_mid_push(repository, served: BareRepository, edit, landed_first: bool):  # type: ignore[no-untyped-def]
    """Kill the master while the server has the commit and has not landed it; the server goes on later."""
    served.hook("pre-receive", WAITS)
    made = []
    pusher = threading.Thread(target=lambda: made.append(repository.change(edit)))
    pusher.start()
    wait_for(served.path / "reached")
    os.kill(master_of(repository.mirror).pid, signal.SIGKILL)
    if landed_first:
        (served.path / "go").touch()
    pusher.join()
    (served.path / "go").touch()
    return made[0]


@pytest.mark.parametrize("landed_first", [True, False], ids=["it-lands-first", "it-lands-last"])
def test_g3_a_push_whose_connection_was_killed_ends_in_exactly_one_commit(ssh_host: Host, landed_first: bool) -> None:
    served = ssh_host.create(FILES)
    repository = ssh_host.repository()
    repository.fetch()
    made = kill_mid_push(repository, served, set_tag("2"), landed_first)
    assert served.head() == made == repository.head()
    assert [line.subject for line in served.log()] == ["tag 2", "Initial commit"]


def test_g3_a_push_without_reply_is_ended_in_time_and_repeated(ssh_host: Host) -> None:
    served = ssh_host.create(FILES)
    repository = ssh_host.repository(push_timeout=1.0)
    repository.fetch()
    served.hook("pre-receive", WAITS)
    made = repository.change(set_tag("2"))
    assert not (served.path / "ended").exists(), "we waited for the server although the time was up"
    (served.path / "go").touch()
    assert served.head() == made
    assert len(served.log()) == 2


def test_g3_a_push_that_landed_unheard_and_was_built_upon_is_found(ssh_host: Host) -> None:
    served = ssh_host.create(FILES)
    repository = ssh_host.repository()
    repository.fetch()
    # The hook runs after the branch moved: a person builds on our commit, then the connection breaks before we hear of it.
    served.hook(
        "post-receive",
        'if mkdir "$GIT_DIR/first" 2>/dev/null; then touch "$GIT_DIR/reached"; while ! test -e "$GIT_DIR/go"; do sleep 0.02; done; fi\n',
    )
    made = []
    pusher = threading.Thread(target=lambda: made.append(repository.change(set_tag("2"))))
    pusher.start()
    wait_for(served.path / "reached")
    ours = served.head()
    person = served.commit({"b": b"1"}, "built upon it")
    os.kill(master_of(repository.mirror).pid, signal.SIGKILL)
    (served.path / "go").touch()
    pusher.join()
    assert made == [ours]
    assert repository.head() == person == served.head()
    assert len(served.log()) == 3


def test_a_name_that_does_not_resolve_says_so(tmp_path: Path) -> None:
    transport = Transport(GitOptions(state=tmp_path), KEY)
    with pytest.raises(Unavailable, match=r"the name host\.invalid does not resolve"):
        Mirror("git@host.invalid:org/repo.git", transport).fetch("main")
    transport.close()


def test_surrounding_git_variables_and_configuration_do_not_act(ssh_host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served = ssh_host.create(FILES)
    trap = tmp_path / "trap"
    config = tmp_path / "gitconfig"
    config.write_text(f'[core]\n\tsshCommand = touch {trap}; false\n[url "https://evil.invalid/"]\n\tinsteadOf = ssh://\n')
    for name, value in {
        "GIT_DIR": "/nowhere",
        "GIT_SSH_COMMAND": f"touch {trap}",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_INDEX_FILE": "/x",
    }.items():
        monkeypatch.setenv(name, value)
    repository = ssh_host.repository()
    repository.fetch()
    assert repository.change(set_tag("2")) == served.head()
    assert not trap.exists()


def test_the_key_is_accepted_by_openssh(tmp_path: Path) -> None:
    key = generate()
    (tmp_path / "k").touch(0o600)
    (tmp_path / "k").write_text(key.private)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "k"], capture_output=True, text=True, check=True).stdout.split()
    derived = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "k"], capture_output=True, text=True, check=True).stdout.split()
    assert shown[1] == key.fingerprint
    assert key.public.split()[:2] == derived[:2]
    assert key.public.endswith(" gitops-canary")


def test_names_of_hooks_and_filters_in_a_repository_do_nothing(ssh_host: Host, tmp_path: Path) -> None:
    """B47, B48: whatever a repository holds, it is only ever read as bytes."""
    trap = tmp_path / "trap"
    files = {
        ".gitattributes": b"* filter=evil\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% {trap}\n'.encode(),
        "hooks/pre-push": f"#!/bin/sh\ntouch {trap}\n".encode(),
    }
    served = ssh_host.create(files | FILES)
    repository = ssh_host.repository()

    def read_all(tree: Tree) -> Change:
        return Change({"a.yaml": b"".join(tree.read(path) or b"" for path in tree.paths())}, "read")

    repository.fetch()
    assert repository.change(read_all) == served.head()
    assert not trap.exists()
