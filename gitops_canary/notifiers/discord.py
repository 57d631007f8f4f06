"""Discord's embed."""

from typing import Any

from gitops_canary.notifiers.targets import Target, cut, web_link
from gitops_canary.ports import Notice

COLOURS = {"info": 0x2EB67D, "warn": 0xECB22E, "error": 0xE01E5A}
FIELDS = 12
"""Discord takes 25 fields and 6,000 characters in all: 12 fields of at most 300 letters stay below it, whatever they say."""


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": cut(notice.title, 250),
        "description": cut(escaped(notice.text), 1500),
        "color": COLOURS[notice.severity],
        "fields": [
            {"name": cut(name, 100) or "–", "value": cut(escaped(value), 200) or "–", "inline": len(value) < 40}
            for name, value in notice.fields[:FIELDS]
        ],
        "footer": {"text": f"gitops-canary {cut(notice.id, 200)}"},
    }
    if web_link(notice.link):
        embed["url"] = web_link(notice.link)
    return {"username": cut(target.username, 80), "embeds": [embed], "allowed_mentions": {"parse": []}}


def escaped(text: str) -> str:
    """Markdown of a tag's name is shown, not obeyed."""
    return "".join(f"\\{letter}" if letter in "\\*_~`|>" else letter for letter in text)
