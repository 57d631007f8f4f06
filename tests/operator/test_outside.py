"""Claims about the operator as a process outside the cluster, on a whole world: its key, its end, and what stock tools see."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.control_plane import binaries
from gitops_canary.sandbox.node.guardian import Guardian
from gitops_canary.sandbox.world import NAMESPACE, REPOSITORY, World

PATIENCE = 60.0


class Outside:
    """`gitops-canary run` as a person starts it on a laptop, with its log; it never outlives the tests, however they end."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(world.git.known_hosts + "\n")
        self.flags = [
            f"--kubeconfig={world.kubeconfig}",
            f"--git-url={world.git.url(REPOSITORY)}",
            f"--git-known-hosts={known_hosts}",
            "--git-poll-interval=1s",
            f"--metrics-server={world.metrics.url}",
            f"--registry-mirror=docker.io={world.registry.url}",
            f"--state-dir={folder / 'state'}",
            "--listen=127.0.0.1:0",
        ]
        proxy = world.mesh.proxy_for(NAMESPACE, "gitops-canary")
        self.environ = {**os.environ, "http_proxy": proxy, "no_proxy": "127.0.0.1", "POD_NAME": ""}
        self.log: list[dict[str, str]] = []
        self._heard = threading.Condition()
        self._guardian = Guardian(folder / "state")
        self.process = subprocess.Popen(self.command("run"), stdout=subprocess.PIPE, text=True, env=self.environ, start_new_session=True)
        self._guardian.add(self.process.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def command(self, name: str, *more: str) -> list[str]:
        return [sys.executable, "-m", "gitops_canary", name, *self.flags, *more]

    def wait_for(self, words: str) -> str:
        """The first sentence with these words."""

        def found() -> str:
            return next((line["msg"] for line in self.log if words in line.get("msg", "")), "")

        with self._heard:
            self._heard.wait_for(lambda: found() or self.process.poll() is not None, PATIENCE)
        assert found(), f"never said {words!r}: " + "\n".join(line.get("msg", "") for line in self.log)
        return found()

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self._reader.join(5)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self._guardian.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.log.append(json.loads(line))
                self._heard.notify_all()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as made:
        made.create_repository()
        made.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield made


@pytest.fixture(scope="module")
def outside(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    made = Outside(world, tmp_path_factory.mktemp("operator"))
    yield made
    made.end()


@pytest.fixture
def ready(world: World, outside: Outside) -> Outside:
    """The operator once its key may write."""
    world.git.add_key(world.deploy_key(), write=True)
    return outside


def test_F13_until_the_key_may_write_the_operator_says_so_and_then_starts_by_itself(world: World, outside: Outside) -> None:
    outside.wait_for("Add this deploy key with write access")
    key = world.deploy_key()
    assert any(next(iter(line)) == key for line in outside.log)
    assert key in outside.wait_for("cannot fetch")
    world.git.add_key(key, write=False)
    outside.wait_for("read")
    world.git.add_key(key, write=True)
    outside.wait_for("The deploy key may read and write")
    outside.wait_for("Applied")


def test_identity_prints_the_key_that_the_operator_uses(world: World, ready: Outside) -> None:
    printed = subprocess.run(ready.command("identity"), capture_output=True, text=True, check=True, env=ready.environ).stdout
    assert printed.strip() == world.deploy_key()


def test_retry_reads_the_repository_with_the_operators_key(world: World, ready: Outside) -> None:
    ready.wait_for("Applied")
    command = [sys.executable, "-m", "gitops_canary", "retry", "test/frontend", "3.1.1", *ready.flags]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, env=ready.environ)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "cannot retry tag 3.1.1 of canary test/frontend: its quarantine in" in refused.stderr


def test_both_canaries_are_initialized(world: World, ready: Outside) -> None:
    ready.wait_for("Initialization done! frontend.test")
    ready.wait_for("Initialization done! backend.test")
    assert ((world.canary("frontend") or {}).get("status") or {}).get("phase") == "Initialized"


def kubectl(world: World, *words: str) -> str:
    program = binaries.find().kubectl
    return subprocess.run([str(program), "--kubeconfig", str(world.kubeconfig), *words], capture_output=True, text=True, check=True).stdout


def helm(world: World, *words: str) -> str:
    program = binaries.find().helm
    return subprocess.run([str(program), "--kubeconfig", str(world.kubeconfig), *words], capture_output=True, text=True, check=True).stdout


@pytest.mark.control_plane
def test_stock_kubectl_shows_the_seeds_columns(world: World, ready: Outside) -> None:
    ready.wait_for("Initialization done! frontend.test")
    header, *rows = kubectl(world, "-n", "test", "get", "canaries").splitlines()
    assert header.split() == ["NAME", "STATUS", "WEIGHT", "LASTTRANSITIONTIME"]
    assert [row.split()[:3] for row in rows] == [["backend", "Initialized", "0"], ["frontend", "Initialized", "0"]]


@pytest.mark.control_plane
def test_stock_helm_sees_ordinary_releases(world: World, ready: Outside) -> None:
    ready.wait_for("Initialization done! frontend.test")
    listed = json.loads(helm(world, "-n", "test", "list", "-o", "json"))
    assert {one["name"]: one["status"] for one in listed}["frontend"] == "deployed"
    assert json.loads(helm(world, "-n", "test", "history", "frontend", "-o", "json"))[0]["revision"] == 1


def test_O3_a_process_that_is_asked_to_end_ends_well_and_gives_the_lease_back(world: World, ready: Outside) -> None:
    ready.wait_for("Initialization done! frontend.test")
    assert ready.end() == 0
    lease = world.cluster.live(Ref("coordination.k8s.io/v1", "Lease", NAMESPACE, "gitops-canary"))
    assert lease is not None
    assert not lease["spec"].get("holderIdentity")
