"""Printed lines against the guide's: the one place where times, hashes and pod names are masked, and what `…` stands for."""

import re
from collections.abc import Sequence

MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "HASH"),
    (re.compile(r"\b(flagger-\w+|frontend|backend|gitops-canary)(-primary)?-[0-9a-z]{8,10}-[0-9a-z]{5}\b"), r"\1\2-POD"),
)
ANY = "…"


def masked(line: str) -> str:
    for pattern, word in MASKS:
        line = pattern.sub(word, line)
    return line.rstrip()


def differs(printed: Sequence[str], expected: Sequence[str]) -> str:
    """ "" when they agree; else the first expected line that is missing. A line of `…` alone is any number of lines, inside a line it is
    any text; columns may be wider or narrower."""
    pattern = "".join(_piece(line) for line in expected)
    text = "".join(f"{masked(line)}\n" for line in printed)
    if re.fullmatch(pattern, text, re.DOTALL):
        return ""
    for count in range(1, len(expected) + 1):
        if not re.match("".join(_piece(line) for line in expected[:count]), text, re.DOTALL):
            return expected[count - 1]
    return "the end: more is printed than expected"


def fits(line: str, expected: str) -> bool:
    """Whether this printed line is that one of the guide's, which is more than `…`."""
    return expected.strip() != ANY and re.fullmatch(_piece(expected), f"{masked(line)}\n") is not None


def _piece(line: str) -> str:
    if line.strip() == ANY:
        return r"(?:[^\n]*\n)*?"
    words = re.split(r"( {2,})", masked(line))
    return "".join(" +" if word.isspace() and word else "[^\n]*".join(map(re.escape, word.split(ANY))) for word in words) + r" *\n"
