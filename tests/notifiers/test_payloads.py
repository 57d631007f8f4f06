"""Payloads against the shapes that the services document."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.notifiers import discord, generic, googlechat, slack, teams
from gitops_canary.notifiers.targets import Severity, Target, target_of
from gitops_canary.ports import Notice

WORKFLOW = "https://prod-1.westeurope.logic.azure.com/workflows/abc/triggers/manual/paths/invoke?sig=secret"
CONNECTOR = "https://team.webhook.office.com/webhookb2/abc"
NOTICE = Notice(
    "test.frontend-7",
    "error",
    "frontend.test",
    "Canary failed! Scaling down frontend.test: success rate 62.50% < 99%",
    (("Image", "3.1.1"), ("Traffic routing", "Weight step: 5, max: 50, and a long text that does not fit beside another")),
    "https://git.example.com/c/1",
)
WILD = Notice(
    "i" * 300, "info", "<!channel> *b* [x](javascript:alert(1))", "t" * 50_000, (("n" * 500, "<@U1> & " + "v" * 9000),) * 60, "javascript:x"
)
EMPTY = Notice("", "warn", "", "", (("", ""),))

TEXT = {"type": "string"}
SLACK = {
    "type": "object",
    "required": ["username", "attachments"],
    "properties": {
        "attachments": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["color", "text", "fields"],
                "properties": {
                    "color": {"enum": ["good", "warning", "danger"]},
                    "text": {"type": "string", "maxLength": 4000},
                    "title_link": {"type": "string", "pattern": "^https?://"},
                    "fields": {
                        "type": "array",
                        "maxItems": 20,
                        "items": {"type": "object", "required": ["title", "value", "short"], "properties": {"short": {"type": "boolean"}}},
                    },
                },
            },
        }
    },
}
ADAPTIVE = {
    "type": "object",
    "required": ["type", "attachments"],
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "items": {
                "type": "object",
                "required": ["contentType", "content"],
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "content": {
                        "type": "object",
                        "required": ["type", "version", "body"],
                        "properties": {
                            "type": {"const": "AdaptiveCard"},
                            "version": {"enum": ["1.0", "1.1", "1.2", "1.3", "1.4"]},
                            "body": {
                                "items": {
                                    "oneOf": [
                                        {
                                            "required": ["type", "text"],
                                            "properties": {
                                                "type": {"const": "TextBlock"},
                                                "color": {"enum": ["Default", "Good", "Warning", "Attention"]},
                                            },
                                        },
                                        {
                                            "required": ["type", "facts"],
                                            "properties": {
                                                "type": {"const": "FactSet"},
                                                "facts": {"items": {"required": ["title", "value"]}},
                                            },
                                        },
                                    ]
                                }
                            },
                            "actions": {"items": {"required": ["type", "title", "url"], "properties": {"url": {"pattern": "^https?://"}}}},
                        },
                    },
                },
            }
        },
    },
}
MESSAGE_CARD = {
    "type": "object",
    "required": ["@type", "@context", "summary", "sections", "themeColor"],
    "properties": {
        "@type": {"const": "MessageCard"},
        "themeColor": {"pattern": "^[0-9A-F]{6}$"},
        "sections": {
            "items": {"required": ["activityTitle", "facts"], "properties": {"facts": {"items": {"required": ["name", "value"]}}}}
        },
    },
}
DISCORD = {
    "type": "object",
    "required": ["embeds"],
    "properties": {
        "username": {"type": "string", "minLength": 1, "maxLength": 80},
        "embeds": {
            "maxItems": 10,
            "items": {
                "properties": {
                    "title": {"type": "string", "maxLength": 256},
                    "description": {"type": "string", "maxLength": 4096},
                    "color": {"type": "integer", "minimum": 0, "maximum": 0xFFFFFF},
                    "url": {"pattern": "^https?://"},
                    "fields": {
                        "maxItems": 25,
                        "items": {
                            "required": ["name", "value"],
                            "properties": {
                                "name": {"type": "string", "minLength": 1, "maxLength": 256},
                                "value": {"type": "string", "minLength": 1, "maxLength": 1024},
                            },
                        },
                    },
                    "footer": {"properties": {"text": {"maxLength": 2048}}},
                },
            },
        },
    },
}
CHAT = {
    "type": "object",
    "required": ["cardsV2"],
    "properties": {
        "cardsV2": {
            "items": {
                "required": ["cardId", "card"],
                "properties": {
                    "cardId": {"type": "string", "maxLength": 64},
                    "card": {
                        "required": ["header", "sections"],
                        "properties": {
                            "header": {"required": ["title"]},
                            "sections": {
                                "items": {
                                    "properties": {
                                        "widgets": {
                                            "maxItems": 100,
                                            "items": {
                                                "minProperties": 1,
                                                "maxProperties": 1,
                                                "propertyNames": {"enum": ["textParagraph", "decoratedText", "buttonList"]},
                                            },
                                        }
                                    }
                                }
                            },
                        },
                    },
                },
            }
        }
    },
}
GENERIC = {
    "type": "object",
    "required": ["id", "severity", "title", "text", "fields", "link"],
    "properties": {"fields": {"type": "object"}},
}

Payload = Callable[[Notice, Target], dict[str, Any]]
SERVICES: dict[str, tuple[Payload, Target, dict[str, Any], int]] = {
    "slack": (slack.payload, Target("slack", "https://hooks.slack.com/x", "general"), SLACK, 100_000),
    "rocket": (slack.rocket_payload, Target("rocket", "https://chat.example.com/x"), SLACK, 100_000),
    "teams workflow": (teams.payload, Target("msteams", WORKFLOW), ADAPTIVE, 100_000),
    "teams connector": (teams.payload, Target("msteams", CONNECTOR), MESSAGE_CARD, 100_000),
    "discord": (discord.payload, Target("discord", "https://discord.com/api/webhooks/x"), DISCORD, 8_000),
    "google chat": (googlechat.payload, Target("gchat", "https://chat.googleapis.com/x"), CHAT, 60_000),
    "generic": (generic.payload, Target("generic", "https://example.com"), GENERIC, 600_000),
}


@pytest.mark.parametrize("notice", [NOTICE, WILD, EMPTY], ids=["plain", "wild", "empty"])
@pytest.mark.parametrize(("payload", "target", "schema", "most"), SERVICES.values(), ids=SERVICES)
def test_a_payload_has_the_shape_its_service_takes(
    payload: Payload, target: Target, schema: dict[str, Any], most: int, notice: Notice
) -> None:
    message = payload(notice, target)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(message, schema)
    assert len(json.dumps(message)) < most
    assert notice is not WILD or "javascript:x" not in json.dumps(message) or payload is generic.payload


@pytest.mark.parametrize(("payload", "target"), [(row[0], row[1]) for row in SERVICES.values()], ids=SERVICES)
def test_a_payload_says_what_happened_and_links_to_the_commit(payload: Payload, target: Target) -> None:
    said = json.dumps(payload(NOTICE, target), ensure_ascii=False).replace("\\\\", "").replace("&lt;", "<").replace("&gt;", ">")
    for words in ("frontend.test", "success rate 62.50% < 99%", "3.1.1", "https://git.example.com/c/1"):
        assert words in said


def test_nobody_is_called_by_a_tags_name() -> None:
    assert "<!channel>" not in json.dumps(slack.payload(WILD, Target("slack", "x")))
    assert discord.payload(WILD, Target("discord", "x"))["allowed_mentions"] == {"parse": []}


def test_discords_six_thousand_letters_are_kept() -> None:
    embed = discord.payload(WILD, Target("discord", "x"))["embeds"][0]
    letters = len(embed["title"]) + len(embed["description"]) + len(embed["footer"]["text"])
    assert letters + sum(len(one["name"]) + len(one["value"]) for one in embed["fields"]) <= 6000


def test_slack_names_channel_and_sender() -> None:
    message = slack.payload(NOTICE, Target("slack", "x", "general", "flagger"))
    assert (message["channel"], message["username"]) == ("general", "flagger")
    assert "channel" not in slack.payload(NOTICE, Target("slack", "x"))


@pytest.mark.parametrize(("severity", "sent"), [("info", ["info", "warn", "error"]), ("warn", ["warn", "error"]), ("error", ["error"])])
def test_a_target_takes_its_severity_and_worse(severity: Severity, sent: list[str]) -> None:
    target = Target("slack", "x", severity=severity)
    assert [one for one in ("info", "warn", "error") if target.wants(Notice("", one, "", ""))] == sent  # type: ignore[arg-type]


def test_an_alert_provider_becomes_a_target() -> None:
    spec = {"type": "slack", "channel": "on-call", "username": "flagger", "proxy": "http://proxy:3128"}
    made = target_of("AlertProvider test/on-call", spec, {"address": b"https://hooks.slack.com/x\n", "token": b"t"}, "error")
    assert made == Target("slack", "https://hooks.slack.com/x", "on-call", "flagger", "t", "", "error", "http://proxy:3128")
    assert target_of("p", {"type": "generic-hmac", "address": "https://a"}, {"token": b"k"}).key == "k"


@pytest.mark.parametrize(
    "spec", [{}, {"type": "pager", "address": "https://a"}, {"type": "slack"}, {"type": "slack", "address": "file:///a"}]
)
def test_an_alert_provider_that_cannot_be_used_is_named(spec: dict[str, str]) -> None:
    with pytest.raises(UserError, match="cannot use AlertProvider test/on-call"):
        target_of("AlertProvider test/on-call", spec, {})


def test_a_targets_secrets_are_never_shown() -> None:
    shown = repr(Target("slack", "https://hooks.slack.com/services/secret", token="secret", key="secret"))
    assert "secret" not in shown
    assert Target("slack", "https://hooks.slack.com/services/secret").name == "slack at hooks.slack.com"
