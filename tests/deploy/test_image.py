"""The image itself: built from the Dockerfile, small, without a builder, and at work without root on a read-only filesystem."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
import yaml

from gitops_canary import __version__
from gitops_canary.sandbox.world import NAMESPACE, World
from tests.deploy.image import Builder, Container, NoDebian
from tests.deploy.manifests import built, by_name
from tests.fixtures_servers import TOLD

SIZE = 500 * 2**20
ORPHANS = """
import os, time
for _ in range(5):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
def zombies():
    return [one for one in os.listdir('/proc') if one.isdigit() and ') Z ' in stat(one)]
def stat(one):
    try:
        return open(f'/proc/{one}/stat').read()
    except OSError:
        return ''  # it has just been reaped
end = time.monotonic() + 20
while zombies() and time.monotonic() < end:
    pass
print(open('/proc/1/comm').read().strip(), len(zombies()))
"""


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Builder]:
    made = Builder(tmp_path_factory.mktemp("image"))
    try:
        made.base()
    except NoDebian as reason:
        sentence = f"the image cannot be built here: {reason}"
        pytestconfig.stash[TOLD].append(sentence)
        pytest.skip(sentence)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def root(builder: Builder) -> Path:
    return builder.build()


@pytest.fixture(scope="module")
def container(builder: Builder, root: Path) -> Container:
    said = builder.configuration()
    return Container(root, dict(one.split("=", 1) for one in said["Env"]), said["Entrypoint"])


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path


def test_it_runs_as_the_deployments_user_and_says_its_version(builder: Builder, container: Container, empty: Path) -> None:
    security = by_name(built("cluster-wide"))[f"Deployment/{NAMESPACE}/{NAMESPACE}"]["spec"]["template"]["spec"]["securityContext"]
    assert builder.configuration()["User"] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert container("version", settings=empty) == f"gitops-canary {__version__}"
    assert "usage: gitops-canary" in container("--help", settings=empty)
    assert container("-c", "id -u; id -un; git --version; ssh -V 2>&1", settings=empty, entry=["sh"]).split("\n")[:2] == [
        "65532",
        "gitops-canary",
    ]


def test_nothing_can_be_written_but_in_the_volumes(container: Container, empty: Path) -> None:
    places = "/ /opt/gitops-canary /etc/gitops-canary /tmp /var/lib/gitops-canary"
    tried = f"for one in {places}; do touch $one/x 2>/dev/null && echo $one; done; true"
    assert container("-c", tried, settings=empty, entry=["sh"]).split() == ["/tmp", "/var/lib/gitops-canary"]
    assert re.findall(r"CapBnd:\s*0+\b", container("-c", "cat /proc/self/status", settings=empty, entry=["sh"]))


def test_pid_1_is_tini_and_leaves_no_dead_child_behind(container: Container, empty: Path) -> None:
    assert container("-c", ORPHANS, settings=empty, entry=["/usr/bin/tini", "--", "python3"]) == "tini 0"


def test_it_is_small_and_holds_no_builder_cache_or_foreign_file(root: Path) -> None:
    files = [path.lstat() for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    assert sum({one.st_ino: one.st_size for one in files}.values()) < SIZE
    site = next((root / "opt/gitops-canary/lib").glob("python3.*/site-packages"))
    builders = [path for name in ("pip", "uv", "gcc", "cc", "make") for path in (root / "usr/bin" / name, site / name) if path.exists()]
    left = [root / path for path in ("root/.cache", "var/lib/apt/lists", "var/cache/apt", "src", "tmp")]
    assert builders + [path for folder in left if folder.exists() for path in folder.iterdir()] == []
    package = {path.parts[len(site.parts) + 1] for path in (site / "gitops_canary").rglob("*")}
    assert "_data" in package
    assert "tests" not in package


def test_helm_renders_in_the_image(container: Container, empty: Path) -> None:
    """By its library in a worker process: every chart of the template."""
    found = "import gitops_canary as p, pathlib; print(pathlib.Path(p.__file__).parent / '_data' / 'repo-template')"
    template = container("-c", found, settings=empty, entry=["python"])
    said = json.loads(container("validate", template, "-o", "json", settings=empty))
    assert (said["findings"], said["chartsRendered"]) == ([], 4)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "world") as made:
        made.create_repository()
        made.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, manager="admin")
        yield made


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_installs_the_guides_releases_and_stops_when_asked(container: Container, world: World, tmp_path: Path) -> None:
    """git and ssh, Helm's workers, leadership: everything that the operator starts, from a root filesystem that cannot be written."""
    address = f"127.0.0.1:{_port()}"
    settings = tmp_path / "settings"
    settings.mkdir()
    values = {
        "git-url": world.git.url("cluster"),
        "git-known-hosts": "/etc/gitops-canary/known_hosts",
        "metrics-server": world.metrics.url,
        "registry-mirror": f"docker.io={world.registry.url}",
        "kubeconfig": "/etc/gitops-canary/kubeconfig",
        "git-poll-interval": "1s",
        "operator-namespace": NAMESPACE,
    }
    texts = {
        "settings.yaml": yaml.safe_dump(values),
        "known_hosts": world.git.known_hosts + "\n",
        "kubeconfig": world.kubeconfig.read_text(),
    }
    for name, text in texts.items():
        (settings / name).write_text(text)
    words = ["run", "--config=/etc/gitops-canary/settings.yaml", f"--listen={address}", "--state-dir=/var/lib/gitops-canary"]
    log = tmp_path / "log"
    with container.running(*words, settings=settings, log=log) as started:
        world.git.add_key(world.deploy_key(), write=True)
        for _ in range(900):
            if all(((world.canary(name) or {}).get("status") or {}).get("phase") == "Initialized" for name in ("frontend", "backend")):
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail(log.read_text()[-5000:])
        assert urllib3.request("GET", f"http://{address}/healthz").status == 200
        assert started.stop() == 0
    assert '"level":"error"' not in log.read_text()
