"""Google Chat's card (cardsV2)."""

from html import escape
from typing import Any

from gitops_canary.notifiers.glance import cut, glance
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    seen = glance(notice)
    widgets: list[dict[str, Any]] = [{"textParagraph": {"text": escaped(seen.text)}}]
    widgets += [{"decoratedText": {"topLabel": name, "text": escaped(value), "wrapText": True}} for name, value in seen.fields]
    if seen.link:
        button = {"text": f"Result commit {seen.commit}", "onClick": {"openLink": {"url": seen.link}}}
        widgets.append({"buttonList": {"buttons": [button]}})
    header = {"title": seen.title, "subtitle": cut(target.username, 80)}
    return {"cardsV2": [{"cardId": cut(seen.id, 64), "card": {"header": header, "sections": [{"widgets": widgets}]}}]}


def escaped(text: str) -> str:
    """Cards read a little HTML, in which quotation marks stand for themselves."""
    return escape(text, quote=False)
