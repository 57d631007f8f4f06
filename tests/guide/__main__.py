"""`python -m tests.guide [real]`: follow the guide and print each step: command, expected, seen; `make guide` calls it."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from tests.guide.blocks import GUIDE, steps
from tests.guide.comparing import fits
from tests.guide.reading import Reader, Seen, sandbox
from tests.guide.test_guide import programs

CONSOLE = Console(highlight=False, soft_wrap=True)
FOLDED = 6
"""Lines in a row that the guide says nothing about and that are shown all the same."""


def tell(seen: Seen) -> None:
    CONSOLE.print(f"\n[bold]guide.md:{seen.step.line}[/bold] {'[red]✘' if seen.missing else '[green]✔'}")
    CONSOLE.print("\n".join(_typed(seen.step.commands)), style="cyan", markup=False)
    if seen.step.expected is not None:
        CONSOLE.print("expected:\n" + "\n".join(f"  {line}" for line in seen.step.expected), style="dim", markup=False)
    if seen.printed:
        CONSOLE.print("seen:\n" + "\n".join(f"  {line}" for line in _shortened(seen)), markup=False)
    if seen.missing:
        CONSOLE.print(f"missing: {seen.missing}", style="red", markup=False)


def _typed(commands: str) -> Iterator[str]:
    """As a shell shows them: `>` where a line goes on."""
    prompt = "$"
    for line in commands.splitlines():
        yield f"{prompt} {line}"
        prompt = ">" if line.endswith("\\") else "$"


def _shortened(seen: Seen) -> Iterator[str]:
    """What was printed; long stretches that the guide says nothing about are counted."""
    skipped: list[str] = []
    for line in (*seen.printed, None):
        if line is not None and seen.step.expected is not None and not any(fits(line, one) for one in seen.step.expected):
            skipped.append(line)
            continue
        yield from skipped if len(skipped) <= FOLDED or seen.missing else (f"… {len(skipped)} lines",)
        skipped = []
        if line is not None:
            yield line


def main(control_plane: str = "sandbox") -> int:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), control_plane or "sandbox", programs()) as environ:
        try:
            Reader(Path(folder) / "home", environ, tell).follow(steps(GUIDE.read_text()))
        except AssertionError:
            return 1
    CONSOLE.print(f"\n[bold green]The guide holds.[/bold green] {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
