"""A pytest plugin, loaded by the planted runs in a process of their own: `-p tests.conformance.product.planted`. Each story of the
product is played on the sandbox with its defect awake; what came of it goes into a file."""

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.planting import case_of
from tests.conformance.product.onlooker import PATIENCE, Onlooker
from tests.conformance.product.sleeping import Defect, Switch, plant, run_the_operator_with, table


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--planted", help="the file that takes each story, its defect, and how it failed")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Planter(Path(config.getoption("--planted"))))


def defect_for(case: str, defects: Collection[Defect]) -> Defect | None:
    return next((defect for defect in defects if defect.words_for(case) is not None), None)


class Planter:
    def __init__(self, file: Path) -> None:
        self._file, self._seen = file, dict[str, dict[str, Any]]()
        self._defects = table()
        self._switch = Switch(Path(tempfile.mkdtemp(prefix="planted-")))
        self._played = set[str]()
        plant(self._defects, self._switch, "server")
        run_the_operator_with(self._switch)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """What is there before a story is prepared by a sound product, but for the defects that show only then."""
        self._switch.wake(self._early(item))
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        case = case_of(item.nodeid)
        defect = defect_for(case, self._defects)
        entry = self._seen[case] = {"defect": defect.says if defect else "", "met": False, "failed": False, "by": ""}
        if defect is not None and not defect.early:
            self._switch.forget(defect)
        self._switch.wake({*self._early(item), *([defect] if defect else [])})
        Onlooker.met = staticmethod(lambda: defect is not None and self._switch.met(defect))
        Onlooker.haste = defect.haste if defect else PATIENCE
        try:
            return (yield)
        except BaseException as error:
            entry |= {"failed": True, "by": _by(item, error)}
            raise
        finally:
            entry["met"] = defect is not None and self._switch.met(defect)
            Onlooker.met = staticmethod(lambda: False)
            self._played.add(case)
            self._switch.wake(self._early(item))

    def _early(self, item: pytest.Item) -> set[Defect]:
        """Of the stories of this file that are still to be played."""
        mine = [case_of(one.nodeid) for one in item.session.items if one.path == item.path]
        found = (defect_for(case, self._defects) for case in mine if case not in self._played)
        return {defect for defect in found if defect is not None and defect.early}

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(self._seen))
        shutil.rmtree(self._switch.folder, ignore_errors=True)


def _by(item: pytest.Item, error: BaseException) -> str:
    """The story's own line that failed, and what it said first."""
    shown = pytest.ExceptionInfo.from_exception(error).traceback
    own = [str(entry.statement).strip() for entry in shown if Path(str(entry.path)) == item.path]
    said = str(error).partition("\n")[0]
    return f"{own[-1] if own else ''} | {type(error).__name__}: {said}"
