"""The guide's Markdown as steps: a block of commands, how it is run, and the printed lines that follow it; nothing is run here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

GUIDE = Path(__file__).parent.parent.parent / "docs" / "guide.md"
Way = Literal["once", "until", "follow", "terminal"]
WAYS: Mapping[str, Way] = {"until": "until", "follow": "follow", "terminal": "terminal"}
FENCE = re.compile(r"^```(\w*) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """`once`: run; `until`: run again until it prints the expected lines, as a reader does who waits; `follow`: run in a terminal and ended
    with Ctrl-C once it has printed them; `terminal`: typed into another terminal, left so when the next step has come to its end."""

    line: int
    commands: str
    way: Way
    expected: tuple[str, ...] | None


def steps(text: str) -> Iterator[Step]:
    """`bash` blocks are run, a `console` block right after one is what it prints; other blocks (`sh`, `text`, `yaml`) are for reading."""
    found = list(FENCE.finditer(text))
    for place, match in enumerate(found):
        if match[1] != "bash":
            continue
        after = found[place + 1] if place + 1 < len(found) else None
        close = after is not None and after[1] == "console" and text[match.end() : after.start()].strip() == ""
        expected = tuple(after[3].splitlines()) if after is not None and close else None
        yield Step(text.count("\n", 0, match.start()) + 2, match[3], WAYS.get(match[2], "once"), expected)
