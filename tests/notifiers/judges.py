"""What each service publishes about its messages, asked of a payload; a judge fails with the publisher's own words.

Slack: the models of its SDK. Teams: Microsoft's model of every card element. Google Chat: its protocol buffers, unknown fields refused.
Discord: typed structures of its API. Rocket.Chat and the retired MessageCard publish pages only: their names are written down here.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import orjson
from discord_typings import AllowedMentionsData, EmbedData
from google.apps import chat_v1
from google.protobuf.json_format import MessageToDict
from microsoft_teams import cards
from pydantic import TypeAdapter
from slack_sdk import WebClient
from slack_sdk.models.attachments import Attachment, AttachmentField

EMBED = {"title": 256, "description": 4096}
FIELD_TYPES = {"title": str, "value": str, "short": bool}
FIELD = {"name": 256, "value": 1024}
ELEMENTS = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in vars(cards).values()
    if "type" in getattr(model, "model_fields", {})
}


def slack(message: Mapping[str, Any]) -> None:
    assert message.keys() <= inspect.signature(WebClient.chat_postMessage).parameters.keys()
    for attachment in message["attachments"]:
        fields = [AttachmentField(**field) for field in attachment["fields"]]
        made = Attachment(**{**attachment, "fields": fields})
        assert made.to_dict() == attachment
        assert web(attachment.get("title_link"))
    assert len(message["username"]) <= 80
    assert size(message) <= 40_000


def rocket(message: Mapping[str, Any]) -> None:
    """Names and types of `MessageAttachmentDefault` in @rocket.chat/core-typings 8.8; the webhook's own:
    https://docs.rocket.chat/docs/integrations."""
    assert message.keys() <= {"alias", "username", "emoji", "channel", "attachments"}
    for attachment in message["attachments"]:
        assert attachment.keys() <= {"color", "title", "title_link", "text", "fields"}
        assert all({key: type(value) for key, value in field.items()} == FIELD_TYPES for field in attachment["fields"])
        assert all(isinstance(value, str) for key, value in attachment.items() if key != "fields")
        assert web(attachment.get("title_link"))
    assert size(message) <= 40_000


def discord(message: Mapping[str, Any]) -> None:
    """The limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits."""
    assert message.keys() == {"username", "embeds", "allowed_mentions"}
    assert 1 <= len(message["username"]) <= 80
    TypeAdapter(AllowedMentionsData).validate_python(message["allowed_mentions"], strict=True)
    (embed,) = message["embeds"]
    assert TypeAdapter(EmbedData).validate_python(embed, strict=True) == embed
    assert all(len(embed[key]) <= most for key, most in EMBED.items())
    assert len(embed["fields"]) <= 25
    assert all(1 <= len(field[key]) <= most for field in embed["fields"] for key, most in FIELD.items())
    assert len(embed["footer"]["text"]) <= 2048
    assert 0 <= embed["color"] <= 0xFFFFFF
    assert web(embed.get("url"))
    texts = [embed["title"], embed["description"], embed["footer"]["text"], *(field[key] for field in embed["fields"] for key in FIELD)]
    assert sum(map(len, texts)) <= 6000


def google_chat(message: Mapping[str, Any]) -> None:
    read = chat_v1.Message.from_json(json.dumps(message))
    assert MessageToDict(chat_v1.Message.pb(read)) == message
    for card in message["cardsV2"]:
        assert len(card["cardId"]) <= 64
        assert all(len(section["widgets"]) <= 100 for section in card["card"]["sections"])
    assert size(message) <= 32_000


def teams(message: Mapping[str, Any]) -> None:
    """The envelope: what the workflow "Post to a channel when a webhook request is received" reads."""
    assert message.keys() == {"type", "attachments"}
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment.keys() == {"contentType", "contentUrl", "content"}
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    for element in elements(attachment["content"]):
        assert element["type"] in ELEMENTS, element
        read = ELEMENTS[element["type"]].model_validate(element)
        unknown = (read.model_extra or {}).keys() - {"$schema"}
        assert not unknown, f"{element['type']} has no {sorted(unknown)}"
        assert web(element.get("url"))
    assert size(message) <= 28_000


def message_card(message: Mapping[str, Any]) -> None:
    """https://learn.microsoft.com/outlook/actionable-messages/message-card-reference."""
    assert message.keys() <= {"@type", "@context", "themeColor", "summary", "sections", "potentialAction"}
    assert (message["@type"], message["@context"]) == ("MessageCard", "http://schema.org/extensions")
    assert message["summary"]
    assert bytes.fromhex(message["themeColor"])
    for section in message["sections"]:
        assert section.keys() <= {"activityTitle", "activitySubtitle", "facts"}
        assert all(fact.keys() == {"name", "value"} for fact in section["facts"])
    for action in message.get("potentialAction", ()):
        assert action.keys() == {"@type", "name", "targets"}
        assert all(target["os"] == "default" and web(target["uri"]) for target in action["targets"])
    assert size(message) <= 28_000


JUDGES: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "slack": slack,
    "rocket": rocket,
    "teams workflow": teams,
    "teams connector": message_card,
    "discord": discord,
    "google chat": google_chat,
}


def elements(found: Any) -> Iterator[dict[str, Any]]:
    """Every part of a card that says its type."""
    if isinstance(found, dict):
        if "type" in found:
            yield found
        for value in found.values():
            yield from elements(value)
    elif isinstance(found, list):
        for value in found:
            yield from elements(value)


def web(link: str | None) -> bool:
    return link is None or link.startswith(("https://", "http://"))


def size(message: Mapping[str, Any]) -> int:
    """Bytes on the wire, as the operator writes them."""
    return len(orjson.dumps(message))
