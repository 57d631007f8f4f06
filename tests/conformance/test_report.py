"""Claims about the table of `make conformance`: a row for each case, and a failed run when the servers differ."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.report import Rows

SUITE = """
import pytest
@pytest.mark.parametrize("what", ["b"])
@pytest.mark.parametrize("server", ["sandbox", "real"])
def test_a(server, what):
    assert server in {good}
@pytest.mark.parametrize("server", ["sandbox", "real"])
def test_c(server):
    pass
def test_of_no_server():
    pass
"""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("good", "code"), [(("sandbox", "real"), 0), (("sandbox",), 1)], ids=["equal", "different"])
def test_the_table_has_a_row_for_each_case_and_a_difference_fails_the_run(
    tmp_path: Path, good: tuple[str, ...], code: int, workers: int
) -> None:
    (tmp_path / "test_small.py").write_text(SUITE.format(good=good))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
        "-p",
        "tests.conformance.report",
        f"-n{workers}",
    ]
    ran = subprocess.run([*command, str(tmp_path)], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False)
    lines = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert ran.returncode == code, ran.stdout
    assert "case sandbox real" in lines
    assert "test_small.py::test_c passed passed" in lines
    assert ("test_small.py::test_a[b] passed passed" if code == 0 else "test_small.py::test_a[b] passed FAILED differs") in lines
    assert f"2 cases on sandbox and real: {'no row differs' if code == 0 else '1 rows differ'}" in lines


def test_a_case_that_one_server_never_saw_differs() -> None:
    rows = Rows()
    rows.take("tests/x.py::test_a[sandbox]", "passed")
    assert rows.differing() == ["x.py::test_a"]


def test_what_lies_elsewhere_is_no_row() -> None:
    rows = Rows("tests/conformance")
    rows.take("tests/adapters/x.py::test_a[sandbox]", "passed")
    rows.take("tests/conformance/x.py::test_b[sandbox]", "passed")
    assert rows.differing() == ["x.py::test_b"]


def test_a_given_server_stands_alone() -> None:
    rows = Rows()
    rows.take("tests/x.py::test_a[given-1]", "passed")
    assert (rows.lines()[1].split(), rows.differing()) == (["x.py::test_a[1]", "passed"], [])
