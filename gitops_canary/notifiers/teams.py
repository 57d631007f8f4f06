"""MS Teams: an Adaptive Card for workflow URLs, the old MessageCard for connector URLs that still work."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gitops_canary.notifiers.glance import Tone, backslashed, glance
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice

STYLES: Mapping[Tone, str] = {"good": "good", "running": "accent", "held": "warning", "bad": "attention"}
"""Of a card's head. Teams has their colours for its light, dark and high-contrast themes."""
THEMES: Mapping[Tone, str] = {"good": "2EB67D", "running": "439FE0", "held": "ECB22E", "bad": "E01E5A"}


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    host = urlsplit(target.url).hostname or ""
    old = host.endswith((".webhook.office.com", "outlook.office.com", "outlook.office365.com"))
    return message_card(notice) if old else adaptive_card(notice)


def adaptive_card(notice: Notice) -> dict[str, Any]:
    """A message with one card of version 1.4, as the workflow "Post to a channel when a webhook request is received" takes it."""
    seen = glance(notice)
    title = {"type": "TextBlock", "text": plain(seen.title), "weight": "Bolder", "size": "Medium", "wrap": True, "style": "heading"}
    text = {"type": "TextBlock", "text": plain(seen.text), "wrap": True, "spacing": "Small"}
    head = {"type": "Container", "style": STYLES[seen.tone], "bleed": True, "items": [title, text]}
    facts = [{"title": name, "value": plain(value)} for name, value in seen.fields]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": f"{seen.title}: {seen.text}",
        "msteams": {"width": "full"},
        "body": [head, *([{"type": "FactSet", "facts": facts}] if facts else [])],
    }
    if seen.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": f"Result commit {seen.commit}", "url": seen.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def message_card(notice: Notice) -> dict[str, Any]:
    """What Flagger sends to a connector."""
    seen = glance(notice)
    facts = [{"name": name, "value": plain(value)} for name, value in seen.fields]
    card: dict[str, Any] = {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": THEMES[seen.tone],
        "summary": seen.title,
        "sections": [{"activityTitle": plain(seen.text), "activitySubtitle": plain(seen.title), "facts": facts}],
    }
    if seen.link:
        where = [{"os": "default", "uri": seen.link}]
        card["potentialAction"] = [{"@type": "OpenUri", "name": f"Result commit {seen.commit}", "targets": where}]
    return card


def plain(text: str) -> str:
    """Cards read Markdown: links and emphasis from a tag's name are taken apart, and a line ends where the text says."""
    return backslashed(text, "\\*_~[]`").replace("\n", "\n\n")
