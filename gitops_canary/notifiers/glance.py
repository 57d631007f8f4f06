"""What every receiver shows of a notice: a mark, a tone, and texts short enough for the strictest of them; no payloads."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from gitops_canary.notifiers.targets import web_link
from gitops_canary.ports import Notice

Tone = Literal["good", "running", "held", "bad"]
TITLE, TEXT, NAME, VALUE, FIELDS, LINK, ID = 200, 1800, 60, 250, 10, 900, 200
"""Letters of each part, and how many fields. Teams refuses a message beyond 28 KB and Google Chat beyond 32 KB; a letter takes at most six
bytes on its way there. Discord refuses more than 6,000 letters in all."""
SEVERITIES: dict[str, tuple[str, Tone]] = {"info": ("✔", "good"), "warn": ("⚠", "held"), "error": ("✖", "bad")}
KINDS: dict[str, tuple[str, Tone]] = {"started": ("▶", "running"), "gate": ("◆", "held")}
"""By the last part of a notice's id (`started`, `gate-12`): what has only begun is not good yet."""


@dataclass(frozen=True)
class Glance:
    """`title` begins with the mark: colour alone says nothing. `commit` is what the link reads."""

    tone: Tone
    title: str
    text: str
    fields: tuple[tuple[str, str], ...]
    link: str
    commit: str
    id: str


def glance(notice: Notice) -> Glance:
    mark, tone = SEVERITIES[notice.severity]
    if notice.severity != "error":
        mark, tone = KINDS.get(notice.id.rpartition("/")[2].partition("-")[0], (mark, tone))
    link = linkable(notice.link)
    fields = tuple((cut(name, NAME), cut(value, VALUE)) for name, value in notice.fields[:FIELDS])
    return Glance(tone, f"{mark} {cut(notice.title, TITLE)}", cut(notice.text, TEXT), fields, link, short(link), cut(notice.id, ID))


def cut(text: str, most: int) -> str:
    """Receivers refuse a whole message for one text that is long or empty, and some for one control character."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in shown).strip() or "–"


def linkable(link: str) -> str:
    """A link that survives the markup around it; none when it is no web address or longer than a receiver takes."""
    encoded = quote(web_link(link), safe=":/?#[]@!$&'+,;=%~")
    return encoded if len(encoded) <= LINK else ""


def short(link: str) -> str:
    """`4f1d2c7a9b` for a link that ends with a commit's id."""
    found = re.search(r"/([0-9a-f]{7,64})/?$", link)
    return found[1][:10] if found else "see the commit"


def backslashed(text: str, letters: str) -> str:
    """Markdown's own means to show a letter instead of obeying it."""
    return "".join(f"\\{letter}" if letter in letters else letter for letter in text)
