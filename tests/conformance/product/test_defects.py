"""The table of planted defects is complete and has nothing in it that no story sees; and a defect that sleeps changes nothing."""

import importlib
import re
from pathlib import Path

import pytest

from tests.conformance.product.planted_run import FIRST, HERE, LAST, SECOND
from tests.conformance.product.sleeping import Defect, Part, Switch, plant, table

FILES = (*FIRST, *SECOND, *LAST)
STORIES = [
    (file, name)
    for file in FILES
    for name in vars(importlib.import_module(f"tests.conformance.product.{file.removesuffix('.py')}"))
    if name.startswith("test_")
]


def patterns() -> list[str]:
    return [pattern for defect in table() for pattern in defect.cases]


def test_every_file_of_stories_is_planted() -> None:
    ours = {"test_planted_first.py", "test_planted_second.py", "test_defects.py"}
    assert {path.name for path in HERE.glob("test_*.py")} - ours == set(FILES)


@pytest.mark.parametrize(("file", "name"), STORIES)
def test_every_story_has_exactly_one_defect(file: str, name: str) -> None:
    fitting = [pattern for pattern in patterns() if re.fullmatch(pattern, name) or re.fullmatch(pattern.partition(r"\[")[0], name)]
    assert len(fitting) == 1, f"{file}::{name} has {fitting}"


def test_every_defect_is_some_storys() -> None:
    names = [name for _, name in STORIES]
    assert [pattern for pattern in patterns() if not any(re.fullmatch(pattern, name) for name in names)] == []


class Lamp:
    def shines(self, colour: str) -> str:
        return f"{colour} light"


def test_a_defect_changes_what_it_is_about_while_it_is_awake_and_says_that_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lamp, "shines", Lamp.shines)
    broken = Defect("red is dark", (Part(Lamp, "shines", _no_red),), {})
    switch, lamp = Switch(tmp_path), Lamp()
    plant([broken], switch, "operator")
    assert (lamp.shines("red"), switch.met(broken)) == ("red light", False)
    switch.wake([broken])
    assert (lamp.shines("blue"), switch.met(broken)) == ("blue light", False)
    assert (lamp.shines("red"), switch.met(broken)) == ("", True)
    switch.wake([])
    assert lamp.shines("red") == "red light"


def _no_red(original: object, self: Lamp, colour: str) -> str:
    assert callable(original)
    return "" if colour == "red" else str(original(self, colour))
