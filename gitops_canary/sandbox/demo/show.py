"""How the demo looks: steps with their times, the operator's sentences as they come, weights as bars; plain lines off a terminal."""

import io
import re
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from gitops_canary.sandbox.demo.sentences import Line, tone, weight_of

WIDTH = 20
COLUMNS = 126
"""Of the picture."""
STYLES = {"good": "green", "bad": "bold red", "waiting": "yellow", "git": "cyan", "plain": ""}


class Show:
    """`picture_from`: words of the chapter title from which on everything is kept for `save`."""

    def __init__(self, console: Console | None = None, *, picture_from: str = "") -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._picture = Console(file=io.StringIO(), highlight=False, record=True, width=COLUMNS, force_terminal=True)
        self._from, self._kept = picture_from, False
        self._began = time.monotonic()

    def print(self, what: RenderableType, *, markup: bool = True) -> None:
        self.console.print(what, markup=markup)
        if self._kept:
            self._picture.print(what, markup=markup)

    def save(self, file: Path, title: str) -> None:
        """A picture of a terminal, as SVG; it asks the network for nothing when it is looked at."""
        made = self._picture.export_svg(title=title)
        file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", made, flags=re.DOTALL))

    def chapter(self, title: str) -> None:
        self._kept = self._kept or bool(self._from and self._from in title)
        self.print(f"\n[bold]{escape(title)}[/bold]")

    def step(self, title: str, work: Callable[[], None]) -> None:
        """Run one step of the start and say how long it took."""
        began = time.monotonic()
        with self.console.status(f"{escape(title)} …"):
            work()
        self.print(f"  [green]✔[/green] {escape(title)} [dim]{time.monotonic() - began:.1f} s[/dim]")

    def said(self, line: Line) -> None:
        """One sentence of the operator, with a bar when it is about a weight."""
        weight = weight_of(line.text)
        bar = f"  {_bar(weight)}" if weight is not None else ""
        style = STYLES[tone(line.text)]
        text = f"[{style}]{escape(line.text)}[/{style}]" if style else escape(line.text)
        self.print(f"  [dim]{self.elapsed():6.1f} s[/dim]  {text}{bar}")

    def note(self, text: str, style: str = "") -> None:
        self.print(f"  {f'[{style}]{escape(text)}[/{style}]' if style else escape(text)}")

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        table = Table(*columns, box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.print(table)

    def elapsed(self) -> float:
        return time.monotonic() - self._began


def _bar(weight: int) -> str:
    filled = round(weight * WIDTH / 100)
    return f"[green]{'█' * filled}[/green][dim]{'░' * (WIDTH - filled)}[/dim] {weight:3d} %"
