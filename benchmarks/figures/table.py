"""Figures beside their goals, printed; a missed goal is marked, never an error: time says as much of the machine as of the program."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`goal` is the most that it should be; None where there is none. `peer` is what another tool needs for the same, as text."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    peer: str = ""

    def cells(self) -> tuple[str, str, str, str, str]:
        goal = "" if self.goal is None else f"≤ {_number(self.goal)} {self.unit}".rstrip()
        mark = "" if self.goal is None else "✔" if self.value <= self.goal else "–"
        return (self.name, f"{_number(self.value)} {self.unit}".rstrip(), goal, mark, self.peer)


def show(title: str, figures: Sequence[Figure]) -> None:
    """As a Markdown table, so that it can be pasted where it is wanted."""
    rows = [("what", "measured", "goal", "", "peer"), *(figure.cells() for figure in figures)]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(5)]
    print(f"\n{title}\n")
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("| " + " | ".join("-" * width for width in widths) + " |")


def machine() -> str:
    """What it ran on; a figure without it says nothing."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} at the start (times grow with it, counts do not)"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
