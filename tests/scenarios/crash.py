"""The crash test: play a scenario once to learn its effects, then again and again, stopped before, after and with a lost reply at each.

Effects are recorded from the run, never listed by hand. A scenario is anything with the four methods below and one shared `Faults`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.memory.faults import Crash, Faults, Mode

MODES: tuple[Mode, ...] = ("before", "after", "lost")


class Scenario(Protocol):
    @property
    def faults(self) -> Faults: ...

    def drive(self) -> None:
        """Let everything happen until all rests; called again after an interruption."""

    def restart(self) -> None:
        """A new process on the durable state."""

    def end(self) -> Any:
        """What must be the same in the end."""


@dataclass(frozen=True)
class Course:
    """An uninterrupted run: the effects in order, and how it ends."""

    effects: tuple[str, ...]
    end: Any


def uninterrupted(make: Callable[[], Scenario]) -> Course:
    """`make` builds the scenario up to the point where the run begins: only what comes then is interrupted."""
    scenario = make()
    start = len(scenario.faults.effects)
    scenario.drive()
    return Course(tuple(scenario.faults.effects[start:]), scenario.end())


def interrupted(make: Callable[[], Scenario], at: int, mode: Mode) -> Scenario:
    """The scenario stopped at its effect number `at`, restarted and driven to its end; then driven once more."""
    scenario = make()
    scenario.faults.plan = {len(scenario.faults.effects) + at: mode}
    try:
        scenario.drive()
    except Crash:
        scenario.restart()
        scenario.drive()
    return scenario


def check(make: Callable[[], Scenario], mode: Mode, course: Course) -> None:
    """Every interruption ends as the uninterrupted run did, and then nothing more is written."""
    for at, name in enumerate(course.effects):
        scenario = interrupted(make, at, mode)
        assert not scenario.faults.plan, f"effect {at} ({name}) was never reached again"
        assert scenario.end() == course.end, f"interrupted {mode} effect {at}: {name}"
        before = len(scenario.faults.effects)
        scenario.drive()
        assert scenario.faults.effects[before:] == [], f"more writes after the end, interrupted {mode} effect {at}: {name}"
