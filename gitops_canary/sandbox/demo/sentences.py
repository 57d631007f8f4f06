"""The operator's log lines as the demo reads them: which belong to the story, how they sound, which weight they name; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WEIGHT = re.compile(r"Advance \S+ canary weight (\d+)")
_QUIET = ("watch", "Lease", "leads", "lanes start")


@dataclass(frozen=True)
class Line:
    """A log line: when (ISO), how severe, the sentence, and everything else."""

    at: str
    level: str
    text: str
    data: Mapping[str, Any]


def line_of(data: Mapping[str, Any]) -> Line:
    return Line(str(data.get("ts", "")), str(data.get("level", "")), str(data.get("msg", "")), data)


def public_key(line: Line) -> str:
    """The deploy key when this is its line, else ""."""
    return next((key for key, value in line.data.items() if value == "identity.pub"), "")


def told(line: Line) -> bool:
    """Whether people want to see it."""
    return bool(line.text) and line.level != "debug" and not any(word in line.text for word in _QUIET)


def weight_of(text: str) -> int | None:
    found = _WEIGHT.match(text)
    return int(found[1]) if found else None


def tone(text: str) -> str:
    """good, bad, waiting, git or plain."""
    if text.startswith(("Rolling back", "Canary failed", "Roll back", "cannot")):
        return "bad"
    if text.startswith("Halt"):
        return "waiting"
    if text.startswith(("Promotion completed", "Promote", "Initialization done")) or "passed" in text:
        return "good"
    return "git" if text.startswith(("Committed", "Auto-release", "Applied", "Pushed")) else "plain"
