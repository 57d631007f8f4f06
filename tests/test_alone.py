"""Claims about the second chance in CI: what passed only alone is named, so that a weak test cannot hide."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import os


def test_weak() -> None:
    assert "BESIDE_OTHERS" not in os.environ


def test_wrong() -> None:
    assert False


def test_right() -> None:
    pass
"""


def run(folder: Path, *arguments: str, **environ: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.fixtures_alone", "--rootdir", str(folder), *arguments, str(folder)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environ}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=here).stdout


def test_what_passed_only_alone_is_named_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    assert "passed only alone" not in run(tmp_path, "-n", "1", BESIDE_OTHERS="1")
    told = run(tmp_path, "--last-failed", "--last-failed-no-failures", "none", "--alone")
    lines = told.partition("these passed only alone, beside others they failed (1):\n")[2].splitlines()
    assert [line.strip() for line in lines if line.startswith("  ")] == ["test_some.py::test_weak"]
    assert "1 failed, 1 passed" in told
