"""`python -m tests.guide [real]`: follow the guide and print each step: command, expected, seen; `make guide` calls it."""

import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.guide.blocks import GUIDE, steps
from tests.guide.reading import Reader, Seen, sandbox
from tests.guide.test_guide import programs

CONSOLE = Console(highlight=False, soft_wrap=True)


def tell(seen: Seen) -> None:
    CONSOLE.print(f"\n[bold]guide.md:{seen.step.line}[/bold] {'[red]✘' if seen.missing else '[green]✔'}")
    CONSOLE.print("".join(f"$ {line}\n" for line in seen.step.commands.splitlines()).rstrip(), style="cyan", markup=False)
    if seen.step.expected is not None:
        CONSOLE.print("expected:\n" + "\n".join(f"  {line}" for line in seen.step.expected), style="dim", markup=False)
    if seen.printed:
        CONSOLE.print("seen:\n" + "\n".join(f"  {line}" for line in seen.printed), markup=False)
    if seen.missing:
        CONSOLE.print(f"missing: {seen.missing}", style="red", markup=False)


def main(control_plane: str = "sandbox") -> int:
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), control_plane or "sandbox", programs()) as environ:
        try:
            Reader(Path(folder) / "home", environ, tell).follow(steps(GUIDE.read_text()))
        except AssertionError:
            return 1
    CONSOLE.print("\n[bold green]The guide holds.[/bold green]")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
