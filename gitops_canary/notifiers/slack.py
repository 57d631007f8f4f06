"""Slack's message with one attachment, for incoming webhooks and chat.postMessage; Rocket.Chat takes the same shape, unescaped."""

from typing import Any

from gitops_canary.notifiers.targets import Target, cut, web_link
from gitops_canary.ports import Notice

COLOURS = {"info": "good", "warn": "warning", "error": "danger"}
FIELDS = 20


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    return _message(notice, target, escaped) | {"icon_emoji": ":rocket:"}


def rocket_payload(notice: Notice, target: Target) -> dict[str, Any]:
    """Rocket.Chat's webhook knows `alias` for the sender, and colours by name only as Slack writes them."""
    return _message(notice, target, str) | {"alias": target.username, "emoji": ":rocket:"}


def escaped(text: str) -> str:
    """Slack's three letters: `<!channel>` in a tag's name must call nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _message(notice: Notice, target: Target, shown: Any) -> dict[str, Any]:
    attachment = {
        "color": COLOURS[notice.severity],
        "fallback": cut(shown(f"{notice.title}: {notice.text}"), 3000),
        "author_name": cut(shown(notice.title), 250),
        "text": cut(shown(notice.text), 3000),
        "mrkdwn_in": ["text"],
        "fields": [
            {"title": cut(shown(name), 250), "value": cut(shown(value), 2000), "short": len(value) < 40}
            for name, value in notice.fields[:FIELDS]
        ],
        "footer": f"gitops-canary {notice.id}",
    }
    if web_link(notice.link):
        attachment |= {"title": "result commit", "title_link": web_link(notice.link)}
    message: dict[str, Any] = {"username": target.username, "attachments": [attachment]}
    return message | ({"channel": target.channel} if target.channel else {})
