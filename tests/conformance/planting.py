"""How one defect is planted in the sandbox for the length of one case; which defects there are stands in `defects_*.py`.

A pytest plugin, loaded by `test_planted.py` in a process of its own: `-p tests.conformance.planting`. Nothing of it reaches the product.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Defect:
    """`says` is what is wrong with the server; `cases` are the patterns of the cases that must see it."""

    says: str
    plant: Plant
    cases: tuple[str, ...]

    def meant_for(self, case: str) -> bool:
        return any(re.fullmatch(pattern, case) for pattern in self.cases)


def around(owner: Any, name: str, change: Callable[..., Any]) -> Plant:
    """The function is called through `change(original, *arguments)`."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def changed(*arguments: Any, **named: Any) -> Any:
            return change(original, *arguments, **named)

        patch.setattr(owner, name, changed)

    return plant


def instead(owner: Any, name: str, value: Any) -> Plant:
    """The function or value is another one."""
    return lambda patch: patch.setattr(owner, name, value)


def case_of(nodeid: str) -> str:
    """`file::test[sandbox-param]` as `test[param]`."""
    name = nodeid.partition("::")[2]
    return re.sub(r"\[(.*)\]$", lambda found: _parameters(found[1]), name)


def _parameters(text: str) -> str:
    parts = text.split("-")
    parts.remove("sandbox")
    return f"[{'-'.join(parts)}]" if parts else ""


def table() -> tuple[Defect, ...]:
    from tests.conformance import defects_objects, defects_ownership, defects_requests, defects_validation, defects_workloads

    parts = (defects_requests, defects_validation, defects_objects, defects_ownership, defects_workloads)
    return tuple(defect for part in parts for defect in part.DEFECTS)


# ------------------------------------------------------------ the plugin

SECONDS = 2.0
"""A case waits no longer than this for what a defect keeps from happening."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--planted", help="the file that takes each case, the defect planted for it, and whether the case failed")


def pytest_configure(config: pytest.Config) -> None:
    from tests.conformance import client

    client.SECONDS = SECONDS
    config.stash[_seen] = {}
    config.stash[_defects] = table()


_defects = pytest.StashKey[tuple[Defect, ...]]()
_seen = pytest.StashKey[dict[str, dict[str, Any]]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """The case alone meets the defect: what prepares it and clears up after it works."""
    case = case_of(item.nodeid)
    defect = next((one for one in item.config.stash[_defects] if one.meant_for(case)), None)
    entry = item.config.stash[_seen][case] = {"defect": defect.says if defect else "", "failed": False}
    with pytest.MonkeyPatch.context() as patch:
        if defect is not None:
            defect.plant(patch)
        try:
            yield
        except BaseException:
            entry["failed"] = True
            raise


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--planted"):
        Path(session.config.getoption("--planted")).write_text(json.dumps(session.config.stash[_seen]))
