"""The guide holds: every command runs, every printed line is as it says, and nothing of the guide of old is missing."""

import shutil
from pathlib import Path

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.control_plane import binaries
from tests.guide.blocks import FENCE, GUIDE, steps
from tests.guide.comparing import differs
from tests.guide.reading import Reader, sandbox

OLD = (Path(__file__).parent / "old_lines.txt").read_text().splitlines()
"""Every command and every printed line of the guide of Flux, the Helm Operator and Flagger."""


def programs() -> list[Path]:
    """Where kubectl and helm are: the control plane's build has both."""
    try:
        found = binaries.find()
    except UserError:
        return []
    return [Path(one).parent for one in (found.helm,) if one is not None]


@pytest.mark.control_plane
@pytest.mark.parametrize("control_plane", ["sandbox", "real"])
def test_every_command_of_the_guide_prints_what_the_guide_says(control_plane: str, tmp_path: Path) -> None:
    assert shutil.which("jq"), "the guide needs jq"
    with sandbox(tmp_path, control_plane, programs()) as environ:
        Reader(tmp_path / "home", environ).follow(steps(GUIDE.read_text()))


@pytest.mark.parametrize("line", OLD)
def test_every_line_of_the_old_guide_has_a_row(line: str) -> None:
    cell = line.replace("|", "\\|")
    assert f"| `` {cell} `` | " in GUIDE.read_text()


def test_what_is_the_same_stands_in_the_guide() -> None:
    text = GUIDE.read_text()
    # Only what is run or compared, and the trees that tests/repo_template compares: a word in the text is no row.
    blocks = [match[3] for match in FENCE.finditer(text) if match[1] in ("bash", "console", "text")]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    body = {*lines, *(line.removeprefix('"').removesuffix('"') for line in lines)}
    rows = [line for line in text.splitlines() if line.startswith("| `` ") and line.endswith(" | the same |")]
    same = [row.removeprefix("| `` ").removesuffix(" `` | the same |").replace("\\|", "|") for row in rows]
    assert len(same) > 80
    assert [line for line in same if line not in body] == []


COMPARED = {
    "equal": (["a", "b"], ["a", "b"], ""),
    "another line": (["a", "c"], ["a", "b"], "b"),
    "more at the end": (["a", "b", "c"], ["a", "b"], "the end: more is printed than expected"),
    "any lines": (["a", "x", "y", "b"], ["a", "…", "b"], ""),
    "any text in a line": (["rate 62.50% < 99%"], ["rate …% < 99%"], ""),
    "a time": (["at 2026-01-01T00:00:00Z"], ["at 2020-02-02T02:02:02Z"], ""),
    "wider columns": (["NAME        AGE"], ["NAME   AGE"], ""),
    "other words": (["NAME   AGES"], ["NAME   AGE"], "NAME   AGE"),
}


@pytest.mark.parametrize("name", COMPARED)
def test_lines_are_compared(name: str) -> None:
    printed, expected, missing = COMPARED[name]
    assert differs(printed, expected) == missing
