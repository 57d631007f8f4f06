"""Defects that sleep in a process until the stage wakes one, and that tell the stage when they have changed something; which there are
stands in `defects_*.py`.

The operator is a process of its own, so both sides look at one folder: a file of the defects that are awake, and a file for each that was
met. Nothing of it reaches the product.
"""

import functools
import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gitops_canary.sandbox.node import running

Where = Literal["operator", "server"]
UNHURRIED = 1000.0


@dataclass(frozen=True)
class Part:
    """The function is called through `change(original, *arguments)`."""

    owner: Any
    name: str
    change: Callable[..., Any]

    @property
    def where(self) -> Where:
        """The sandbox's servers run in the process of the stage, everything else that is ours in the operator's."""
        module = getattr(self.owner, "__module__", "") or self.owner.__name__
        return "server" if module.startswith("gitops_canary.sandbox") else "operator"


@dataclass(frozen=True, eq=False)
class Defect:
    """`says` is what is wrong with the product or a server; `cases` are the stories that must see it, each with a pattern of the line
    or sentence that it fails with. `early`: already while the story's file prepares what is there before. `haste`: the seconds that a
    wait goes on once it has changed something, since what the story waits for will not come; longer where others are to come before it
    fails, or where it fails by what it sees after a wait."""

    says: str
    parts: tuple[Part, ...]
    cases: Mapping[str, str]
    early: bool = False
    haste: float = 5.0

    @property
    def key(self) -> str:
        return hashlib.sha256(self.says.encode()).hexdigest()[:12]

    def words_for(self, case: str) -> str | None:
        return next((words for pattern, words in self.cases.items() if re.fullmatch(pattern, case)), None)


class Switch:
    """Of one stage. `wake` says which defects are awake from now on; nobody else sleeps any less."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._awake = folder, folder / "awake"

    def wake(self, defects: Collection[Defect]) -> None:
        fresh = self.folder / "fresh"
        fresh.write_text(" ".join(sorted(defect.key for defect in defects)))
        fresh.replace(self._awake)

    def awake(self, defect: Defect) -> bool:
        try:
            return defect.key in self._awake.read_text()
        except FileNotFoundError:
            return False

    def meet(self, defect: Defect) -> None:
        (self.folder / defect.key).touch()

    def forget(self, defect: Defect) -> None:
        """An earlier story may have met it too."""
        (self.folder / defect.key).unlink(missing_ok=True)

    def met(self, defect: Defect) -> bool:
        return (self.folder / defect.key).exists()


def plant(defects: Collection[Defect], switch: Switch, where: Where) -> None:
    """For as long as the process lives: asleep, every function is what it was."""
    for defect in defects:
        for part in defect.parts:
            if part.where == where:
                setattr(part.owner, part.name, _changed(defect, part, switch))


def _changed(defect: Defect, part: Part, switch: Switch) -> Callable[..., Any]:
    original = getattr(part.owner, part.name)

    @functools.wraps(original)
    def changed(*arguments: Any, **named: Any) -> Any:
        if not switch.awake(defect):
            return original(*arguments, **named)
        watched = _Watched(original)
        answer = part.change(watched, *arguments, **named)
        if not watched.was_called_so(arguments, named, answer):
            switch.meet(defect)
        return answer

    return changed


class _Watched:
    """Whether the original was called as it was meant to be, and its answer passed on: then nothing is defective yet."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self._original = original
        self._calls: list[tuple[tuple[Any, ...], dict[str, Any], Any]] = []

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        answer = self._original(*arguments, **named)
        self._calls.append((arguments, named, answer))
        return answer

    def was_called_so(self, arguments: tuple[Any, ...], named: Mapping[str, Any], answer: Any) -> bool:
        if len(self._calls) != 1:
            return False
        theirs, others, given = self._calls[0]
        same = len(theirs) == len(arguments) and all(one is other for one, other in zip(theirs, arguments, strict=True))
        return same and others.keys() == named.keys() and all(others[key] is named[key] for key in named) and given is answer


def table() -> tuple[Defect, ...]:
    from tests.conformance.product import defects_canaries, defects_git, defects_outside

    return (*defects_canaries.DEFECTS, *defects_git.DEFECTS, *defects_outside.DEFECTS)


def run_the_operator_with(switch: Switch) -> None:
    """What the node starts from now on for the product's images sleeps with all defects in it."""
    entry = Path(__file__).with_name("defective.py")
    running.PRODUCT = (running.PRODUCT[0], "-P", str(entry), str(switch.folder))
