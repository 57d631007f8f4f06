"""The generic payload, and which notices go where; the services' payloads are judged in test_published_schemas."""

import json

import jsonschema
import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.notifiers import discord, generic, slack
from gitops_canary.notifiers.targets import Severity, Target, target_of
from gitops_canary.ports import Notice

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
SEVERITIES: tuple[Severity, ...] = ("info", "warn", "error")
EMPTY = Notice("", "warn", "", "", (("", ""),))

GENERIC = {
    "type": "object",
    "required": ["id", "severity", "title", "text", "fields", "link"],
    "properties": {"fields": {"type": "object"}},
}


@pytest.mark.parametrize("notice", [NOTICE, WILD, EMPTY], ids=["plain", "wild", "empty"])
def test_a_generic_receiver_gets_the_notice_itself(notice: Notice) -> None:
    message = generic.payload(notice, Target("generic", "https://example.com"))
    jsonschema.validate(message, GENERIC)
    assert (message["text"], message["link"]) == (notice.text, notice.link)


def test_nobody_is_called_by_a_tags_name() -> None:
    assert "<!channel>" not in json.dumps(slack.payload(WILD, Target("slack", "x")))
    assert discord.payload(WILD, Target("discord", "x"))["allowed_mentions"] == {"parse": []}


def test_slack_names_channel_and_sender() -> None:
    message = slack.payload(NOTICE, Target("slack", "x", "general", "flagger"))
    assert (message["channel"], message["username"]) == ("general", "flagger")
    assert "channel" not in slack.payload(NOTICE, Target("slack", "x"))


@pytest.mark.parametrize(("severity", "sent"), [("info", ["info", "warn", "error"]), ("warn", ["warn", "error"]), ("error", ["error"])])
def test_a_target_takes_its_severity_and_worse(severity: Severity, sent: list[str]) -> None:
    target = Target("slack", "x", severity=severity)
    assert [one for one in SEVERITIES if target.wants(Notice("", one, "", ""))] == sent


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
