"""Google Chat's card (cardsV2)."""

from html import escape
from typing import Any

from gitops_canary.notifiers.targets import Target, cut, web_link
from gitops_canary.ports import Notice

MARKS = {"info": "✔", "warn": "⚠", "error": "✖"}
FIELDS = 30


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    widgets: list[dict[str, Any]] = [{"textParagraph": {"text": escape(cut(notice.text, 3000))}}]
    widgets += [
        {"decoratedText": {"topLabel": cut(name, 200), "text": escape(cut(value, 1000)), "wrapText": True}}
        for name, value in notice.fields[:FIELDS]
    ]
    if web_link(notice.link):
        button = {"text": "Result commit", "onClick": {"openLink": {"url": web_link(notice.link)}}}
        widgets.append({"buttonList": {"buttons": [button]}})
    header = {"title": f"{MARKS[notice.severity]} {cut(notice.title, 200)}", "subtitle": target.username}
    return {"cardsV2": [{"cardId": cut(notice.id, 64), "card": {"header": header, "sections": [{"widgets": widgets}]}}]}
