"""How long each hop from a pushed tag to its result took, from what was seen; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_canary.sandbox.demo.sentences import Line


@dataclass(frozen=True)
class Hops:
    """Seconds since the tag was pushed; None = not seen."""

    tag: str
    bumped: float | None
    applied: float | None
    weighted: float | None
    result: float | None

    def cells(self) -> list[str]:
        return [
            self.tag,
            *(f"{value:.2f} s" if value is not None else "–" for value in (self.bumped, self.applied, self.weighted, self.result)),
        ]


COLUMNS = ["tag", "bump pushed", "applied", "first canary weight", "result commit"]


def hops_of(tag: str, began: float, pushes: Sequence[tuple[float, str]], lines: Sequence[Line]) -> Hops:
    """`began` and the pushes' times in Unix seconds; log lines carry their own."""
    bumped = next((at for at, subject in pushes if subject.startswith("Auto-release") and subject.endswith(f":{tag}")), None)
    result = next((at for at, subject in pushes if f" {tag}" in subject and "Auto-release" not in subject and at > began), None)
    timed = [(_seconds(line.at), line.text) for line in lines if line.at]
    applied = next((at for at, text in timed if bumped is not None and at >= bumped - 0.01 and text.startswith("Applied")), None)
    weighted = next((at for at, text in timed if at >= began and text.startswith("Advance frontend.test canary weight")), None)
    return Hops(tag, *(None if at is None else at - began for at in (bumped, applied, weighted, result)))


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
