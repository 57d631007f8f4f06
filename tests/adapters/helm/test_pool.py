"""What a hung, killed or orphaned worker costs: its own job, and nothing else (rule H3)."""

import contextlib
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_canary.adapters.helm.binary import BinaryBackend, choose_backend, find_binary
from gitops_canary.adapters.helm.child import Child
from gitops_canary.adapters.helm.messages import Reply
from gitops_canary.adapters.helm.pool import HelmPool
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import UserError
from gitops_canary.ports import HelmDone, HelmJob
from tests.adapters.helm.charts import chart
from tests.adapters.helm.conftest import Waiting

RENDER = HelmJob("test/broken", "install", "broken", "test", timeout=20)


class NoStorage:
    def mark_failed(self, job: HelmJob) -> Reply:
        return Reply(True, "marked")


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent_config(tmp_path: Path, silent_server: str) -> Path:
    cluster = {"name": "c", "cluster": {"server": silent_server}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    doc = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "current-context": "c", "users": []}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(doc | {"users": [{"name": "u", "user": {}}]}))
    return path


class Made:
    """A pool whose children the test can reach."""

    def __init__(self, tmp_path: Path, silent_config: Path) -> None:
        self.children: list[Child] = []
        self.woken, self.said = Waiting(), io.StringIO()
        self._home, self._kubeconfig = tmp_path / "home", silent_config
        self.pool = HelmPool(self._child, NoStorage(), self.woken, make_log(stream=self.said), workers=1, grace=0.3)

    def _child(self) -> Child:
        self.children.append(Child(self._home, kubeconfig=str(self._kubeconfig), cancel_grace=0.2))
        return self.children[-1]

    def run(self, job: HelmJob, meanwhile: Callable[[], None] = lambda: None) -> HelmDone:
        assert self.pool.start(job)
        meanwhile()
        self.woken.until(job.key)
        done = self.pool.done(job.key)
        assert done is not None
        return done


@pytest.fixture
def made(tmp_path: Path, silent_config: Path) -> Iterator[Made]:
    made = Made(tmp_path, silent_config)
    yield made
    made.pool.close()


def hangs(action: str = "history") -> HelmJob:
    return HelmJob("test/hangs", action, "hangs", "test", timeout=0.2)  # type: ignore[arg-type]


def renders_nothing(tmp_path: Path) -> HelmJob:
    """Fails in the worker without asking the cluster, so it shows that a worker works."""
    return replace(RENDER, chart=replace(chart(tmp_path / "c"), path=str(tmp_path / "absent")))


def test_H3_a_job_that_hangs_is_ended_and_the_next_one_runs(made: Made, tmp_path: Path) -> None:
    done = made.run(hangs())
    assert not done.ok
    assert "cannot finish helm history of release hangs in test: it did not end within" in done.message
    assert "Helm worker killed" in made.said.getvalue()
    assert "absent" in made.run(renders_nothing(tmp_path)).message
    assert len(made.children) == 2
    assert not alive(made.children[0].pid)


def test_H3_a_worker_that_is_killed_costs_only_its_job(made: Made, tmp_path: Path) -> None:
    made.run(renders_nothing(tmp_path))
    job = replace(hangs(), timeout=60)
    done = made.run(job, lambda: os.kill(made.children[0].pid, signal.SIGKILL))
    assert not done.ok
    assert "the worker died (killed by signal 9)" in done.message
    assert "absent" in made.run(renders_nothing(tmp_path)).message


def test_H3_a_reply_that_nobody_can_read_costs_only_its_job() -> None:
    """The worker is another program that speaks our protocol wrongly; it is ended and the next job gets a new one."""
    odd = '{"ok": true, "history": [{"x": 1}]}'
    script = f"import sys\nfor line in sys.stdin: print('no json' if 'first' in line else {odd!r}, flush=True)"

    class Stranger(Child):
        def __init__(self) -> None:
            self._cancel_grace, self._said, self._writing = 0.2, b"", threading.Lock()
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115
            self._process = subprocess.Popen(
                [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )

    woken, said = Waiting(), io.StringIO()
    pool = HelmPool(Stranger, NoStorage(), woken, make_log(stream=said), workers=1)
    for release in ("first", "second"):
        assert pool.start(HelmJob(f"test/{release}", "upgrade", release, "test", timeout=20))
        woken.until(f"test/{release}")
        done = pool.done(f"test/{release}")
        assert done is not None
        assert not done.ok
        assert done.message.startswith(f"cannot run helm upgrade for {release}: the worker's reply cannot be read")
    assert "Helm worker ended: upgrade of release first failed" in said.getvalue()
    pool.close(within=0.5)


def test_a_release_has_one_job_at_a_time(made: Made) -> None:
    job = hangs()
    assert made.pool.start(job)
    assert not made.pool.start(job)
    assert made.pool.running(job.key) == "history"
    made.woken.until(job.key)
    assert made.pool.running(job.key) == ""


def test_an_outcome_is_handed_out_once(made: Made, tmp_path: Path) -> None:
    job = renders_nothing(tmp_path)
    made.run(job)
    assert made.pool.done(job.key) is None


def test_closing_ends_the_workers_at_once(made: Made) -> None:
    made.pool.start(replace(hangs(), timeout=300))
    made.pool.close(within=0.1)
    assert all(not alive(child.pid) for child in made.children)
    assert not made.pool.start(hangs())


@pytest.mark.parametrize("hung", [False, True], ids=["idle", "hung"])
def test_H3_a_worker_dies_with_its_parent(tmp_path: Path, silent_config: Path, hung: bool) -> None:
    """A hung one, here stopped, does not read that its parent is gone."""
    code = (
        "import sys, pathlib\n"
        "from gitops_canary.adapters.helm.child import Child\n"
        "from gitops_canary.adapters.helm.messages import Work\n"
        f"child = Child(pathlib.Path({str(tmp_path / 'home')!r}), kubeconfig={str(silent_config)!r})\n"
        "child.ask(Work('render', '', '', 'x'), 60)\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    worker = os.pidfd_open(pid)
    if hung:
        os.kill(pid, signal.SIGSTOP)
    parent.kill()
    parent.communicate()
    ended = select_readable(worker, 20)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(worker, signal.SIGKILL)
    os.close(worker)
    assert ended


def select_readable(fd: int, seconds: float) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_backend_is_the_named_binary_the_sdk_or_helm_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HELM_BIN", raising=False)
    assert choose_backend() == "sdk"
    monkeypatch.setenv("HELM_BIN", "/opt/helm")
    assert choose_backend() == "/opt/helm"
    monkeypatch.delenv("HELM_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no `helm` on PATH"):
        find_binary()


def test_a_binary_that_is_no_helm_is_refused(tmp_path: Path) -> None:
    false = tmp_path / "helm"
    false.write_text("#!/bin/sh\necho v2.17.0\n")
    false.chmod(0o755)
    with pytest.raises(UserError, match=r"it says it is Helm v2\.17\.0"):
        BinaryBackend(binary=str(false))
