"""Claims about the list of real servers at a run's end: it holds what was really started, and --every-server fails when one was not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_servers import PACKAGES

STARTS_GIT = "import subprocess\n\n\ndef test_one() -> None:\n    subprocess.run(['git', '--version'], check=True, stdout=-3)\n"


def run(folder: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """A test session of its own over one file that starts git and nothing else."""
    (folder / "test_one.py").write_text(STARTS_GIT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.fixtures_servers", "-p", "tests.fixtures_control_plane", *arguments]
    here = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "GITOPS_CANARY_REQUIRE_CONTROL_PLANE": "",
        "GITOPS_CANARY_REQUIRE_REAL": "",
        **environ,
    }
    return subprocess.run([*command, str(folder)], cwd=folder, capture_output=True, text=True, check=False, env=here)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one-process", "workers"])
def test_what_was_started_is_told_with_its_version_and_nothing_else(tmp_path: Path, workers: tuple[str, ...]) -> None:
    told = run(tmp_path, *workers, GITOPS_CANARY_SERVERS_FILE=str(tmp_path / "collected"))
    assert told.returncode == 0, told.stdout + told.stderr
    assert (tmp_path / "collected").read_text().split()[:2] == ["git", "version"]
    listed = told.stdout.partition("took part:\n")[2].splitlines()
    assert [line.split()[:2] for line in listed if line.startswith("  ")] == [["git", "version"]]


def test_what_only_bears_a_server_s_name_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "helm").symlink_to(sys.executable)
    (tmp_path / "test_other.py").write_text(STARTS_GIT.replace("'git'", f"'{tmp_path}/helm'"))
    told = run(tmp_path)
    assert "  git" in told.stdout
    assert "  helm" not in told.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one-process", "workers"])
def test_a_run_that_must_meet_every_server_fails_when_one_did_not_take_part(tmp_path: Path, workers: tuple[str, ...]) -> None:
    told = run(tmp_path, "--every-server", *workers)
    assert told.returncode == 1
    assert "did not take part, and --every-server asks for them: kube-apiserver" in told.stdout


def test_a_machine_without_them_passes_and_says_what_was_left_out_and_why(tmp_path: Path) -> None:
    """A PATH with git alone, and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip())
    told = run(tmp_path, "-n", "1", PATH=str(programs), XDG_CACHE_HOME=str(tmp_path / "cache"), KUBEBUILDER_ASSETS="")
    assert told.returncode == 0, told.stdout + told.stderr
    for sentence in (
        "left out: on a real control plane: cannot start a control plane",
        "left out: of the registry's contract on the distribution project's own: there is no docker-registry on PATH",
        "left out: on real Prometheus: there is no prometheus and promtool on PATH",
    ):
        assert sentence in told.stdout
    drives = "import pytest\n\n\n@pytest.mark.tools('kubectl')\ndef test_two() -> None:\n    raise AssertionError\n"
    (tmp_path / "test_two.py").write_text(drives)
    told = run(tmp_path, PATH=str(programs), XDG_CACHE_HOME=str(tmp_path / "cache"), KUBEBUILDER_ASSETS="")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "left out: 1 tests that drive stock kubectl: not on PATH" in told.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_ci_ends_at_once_where_a_program_is_missing_and_names_its_package(tmp_path: Path, name: str) -> None:
    """A PATH with everything of this machine but that program."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for other in PACKAGES:
        if other != name and (found := shutil.which(other)):
            (programs / other).symlink_to(found)
    told = run(tmp_path, PATH=str(programs), GITOPS_CANARY_REQUIRE_REAL="1")
    assert told.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"there is no {name} on PATH (Debian: apt-get install {PACKAGES[name]})" in told.stdout + told.stderr
    assert "Traceback" not in told.stdout + told.stderr
    assert " passed" not in told.stdout
