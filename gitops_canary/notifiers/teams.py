"""MS Teams: an Adaptive Card for workflow URLs, the old MessageCard for connector URLs that still work."""

from typing import Any
from urllib.parse import urlsplit

from gitops_canary.notifiers.targets import Target, cut, web_link
from gitops_canary.ports import Notice

COLOURS = {"info": "Good", "warn": "Warning", "error": "Attention"}
THEMES = {"info": "2EB67D", "warn": "ECB22E", "error": "E01E5A"}
FACTS = 30
TEXT = 6000
"""Characters of a text: Teams refuses a message beyond 28 KB."""


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    host = urlsplit(target.url).hostname or ""
    old = host.endswith((".webhook.office.com", "outlook.office.com", "outlook.office365.com"))
    return message_card(notice) if old else adaptive_card(notice)


def adaptive_card(notice: Notice) -> dict[str, Any]:
    """A message with one card of version 1.4, as the workflow "Post to a channel when a webhook request is received" takes it."""
    title = {"type": "TextBlock", "text": plain(notice.title, 500), "weight": "Bolder", "size": "Medium", "wrap": True}
    text = {"type": "TextBlock", "text": plain(notice.text, TEXT), "wrap": True, "color": COLOURS[notice.severity]}
    facts = [{"title": cut(name, 200), "value": plain(value, 1000)} for name, value in notice.fields[:FACTS]]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [title, text, *([{"type": "FactSet", "facts": facts}] if facts else [])],
    }
    if web_link(notice.link):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Result commit", "url": web_link(notice.link)}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def message_card(notice: Notice) -> dict[str, Any]:
    """What Flagger sends to a connector."""
    facts = [{"name": cut(name, 200), "value": plain(value, 1000)} for name, value in notice.fields[:FACTS]]
    card: dict[str, Any] = {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": THEMES[notice.severity],
        "summary": cut(notice.title, 500),
        "sections": [{"activityTitle": plain(notice.text, TEXT), "activitySubtitle": plain(notice.title, 500), "facts": facts}],
    }
    if web_link(notice.link):
        where = [{"os": "default", "uri": web_link(notice.link)}]
        card["potentialAction"] = [{"@type": "OpenUri", "name": "Result commit", "targets": where}]
    return card


def plain(text: str, most: int) -> str:
    """Cards read Markdown: links and emphasis from a tag's name are taken apart."""
    return "".join(f"\\{letter}" if letter in "\\*_[]`" else letter for letter in cut(text, most))
