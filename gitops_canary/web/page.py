"""The status page: one table of canaries, one of lanes, from plain mappings; no script, nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, Template, select_autoescape

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ORDER = ("Failed", "Progressing", "WaitingPromotion", "Waiting", "Promoting", "Finalising", "Initializing", "Terminating")
"""Phases that want attention first; the others follow by name."""
MARKS = {"Failed": "✖", "Succeeded": "✔", "Initialized": "✔", "Waiting": "◆", "WaitingPromotion": "◆"}
"""Shapes beside the words: colour alone says nothing."""


def render(status: Mapping[str, Any]) -> str:
    """`status`: `version`, `cluster`, `leader` (bool), `revision`, `revision_link`; `lanes` (name, says, ran_ago, due_in in seconds or
    None); `canaries` (namespace, name, phase, weight in percent or None, why, age in seconds or None, image, link). Everything may be
    missing."""
    canaries = sorted(_rows(status, "canaries"), key=_urgency)
    return _template().render(status=status, canaries=canaries, lanes=_rows(status, "lanes"), marks=MARKS, counts=_counts(canaries))


def ago(seconds: object) -> str:
    """`12 s`, `3 min`, `2 h`, `5 d`; a dash when it is not known."""
    if not isinstance(seconds, int | float):
        return "–"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def safe_link(link: object) -> str:
    """A link that is one: never `javascript:`."""
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else ""


@cache
def style() -> str:
    return _environment().get_template("style.css").render()


def _rows(status: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    return [row for row in status.get(key) or () if isinstance(row, Mapping)]


def _urgency(canary: Mapping[str, Any]) -> tuple[int, str, str]:
    phase = canary.get("phase")
    rank = ORDER.index(phase) if phase in ORDER else len(ORDER)
    return rank, str(canary.get("namespace")), str(canary.get("name"))


def _counts(canaries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for canary in canaries:
        phase = str(canary.get("phase") or "unknown")
        counts[phase] = counts.get(phase, 0) + 1
    return counts


@cache
def _template() -> Template:
    return _environment().get_template("status.html")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("gitops_canary.web"), autoescape=select_autoescape(["html"]), trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"ago": ago, "safe_link": safe_link}
    return made
