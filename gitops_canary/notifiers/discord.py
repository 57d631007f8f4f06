"""Discord's embed."""

from collections.abc import Mapping
from typing import Any

from gitops_canary.notifiers.glance import Tone, backslashed, cut, glance
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice

COLOURS: Mapping[Tone, int] = {"good": 0x2EB67D, "running": 0x439FE0, "held": 0xECB22E, "bad": 0xE01E5A}
NARROW = 28
"""Letters that fit beside another value: an embed has three columns."""


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    seen = glance(notice)
    fields = [{"name": escaped(name, 100), "value": escaped(value, 200), "inline": len(value) <= NARROW} for name, value in seen.fields]
    embed: dict[str, Any] = {
        "title": escaped(seen.title, 250),
        "description": escaped(seen.text, 1500),
        "color": COLOURS[seen.tone],
        "fields": fields,
        "footer": {"text": f"gitops-canary {seen.id}"},
    }
    if seen.link:
        embed["url"] = seen.link
        fields.append({"name": "Result commit", "value": f"[{seen.commit}]({seen.link})", "inline": True})
    return {"username": cut(target.username, 80), "embeds": [embed], "allowed_mentions": {"parse": []}}


def escaped(text: str, most: int) -> str:
    """Markdown of a tag's name is shown, not obeyed, and the backslashes count."""
    return cut(backslashed(text, "\\*_~`|>[]()#"), most)
