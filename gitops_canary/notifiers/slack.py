"""Slack's message with one attachment, for incoming webhooks and chat.postMessage; Rocket.Chat takes the same shape, in Markdown."""

from collections.abc import Callable, Mapping
from typing import Any

from gitops_canary.notifiers.glance import Glance, Tone, backslashed, cut, glance
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice

COLOURS: Mapping[Tone, str] = {"good": "good", "running": "#439FE0", "held": "warning", "bad": "danger"}
NARROW = 28
"""Letters that fit beside another value, in a thread or on a phone too."""


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    """No `mrkdwn_in`: a reason is shown as it is, whatever stars and underscores stand in it."""
    seen = glance(notice)
    attachment = _attachment(seen, escaped, escaped, f"<{seen.link}|{seen.commit}>")
    attachment |= {"fallback": escaped(f"{seen.title}: {seen.text}"), "footer": f"gitops-canary {seen.id}"}
    return _message(target, attachment) | {"icon_emoji": ":rocket:"}


def rocket_payload(notice: Notice, target: Target) -> dict[str, Any]:
    """Rocket.Chat's webhook knows `alias` for the sender. Its texts and values are Markdown, its title is not; a footer it has not."""
    seen = glance(notice)
    attachment = _attachment(seen, str, unmarked, f"[{seen.commit}]({seen.link})")
    return _message(target, attachment) | {"alias": cut(target.username, 80), "emoji": ":rocket:"}


def escaped(text: str) -> str:
    """Slack's three letters: `<!channel>` in a tag's name must call nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unmarked(text: str) -> str:
    """Emphasis is shown, not obeyed; a link, which Rocket.Chat cannot escape, is taken apart."""
    return backslashed(text, "*_~`").replace("](", "] (").replace("<http", "< http")


def _attachment(seen: Glance, head: Callable[[str], str], shown: Callable[[str], str], link: str) -> dict[str, Any]:
    fields = [{"title": shown(name), "value": shown(value), "short": len(value) <= NARROW} for name, value in seen.fields]
    attachment = {"color": COLOURS[seen.tone], "title": head(seen.title), "text": shown(seen.text), "fields": fields}
    if seen.link:
        fields.append({"title": "Result commit", "value": link, "short": True})
        attachment["title_link"] = seen.link
    return attachment


def _message(target: Target, attachment: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"username": cut(target.username, 80), "attachments": [attachment]}
    return message | ({"channel": target.channel} if target.channel else {})
