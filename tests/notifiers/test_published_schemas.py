"""Payloads of every alert, and of any text at all, before the schemas that the services publish."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gitops_canary.notifiers import discord, googlechat, slack, teams
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice
from tests.notifiers.alerts import ALERTS, COMMIT
from tests.notifiers.judges import JUDGES

WORKFLOW = "https://prod-1.westeurope.logic.azure.com/workflows/abc/triggers/manual/paths/invoke?sig=secret"
CONNECTOR = "https://team.webhook.office.com/webhookb2/abc"
Payload = Callable[[Notice, Target], dict[str, Any]]
SERVICES: dict[str, tuple[Payload, Target]] = {
    "slack": (slack.payload, Target("slack", "https://hooks.slack.com/x", "general")),
    "rocket": (slack.rocket_payload, Target("rocket", "https://chat.example.com/x")),
    "teams workflow": (teams.payload, Target("msteams", WORKFLOW)),
    "teams connector": (teams.payload, Target("msteams", CONNECTOR)),
    "discord": (discord.payload, Target("discord", "https://discord.com/api/webhooks/x")),
    "google chat": (googlechat.payload, Target("gchat", "https://chat.googleapis.com/x")),
}
LONG = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=5), st.sampled_from([1, 40, 300, 20_000]))
TEXTS = st.text() | LONG | st.sampled_from(["&" * 9000, "\x01" * 9000, "🚀" * 9000, "*" * 9000, "<!channel>", "[a](http://b)", ""])
LINKS = st.sampled_from(["", COMMIT, "javascript:alert(1)", "https://a/" + "ü" * 3000]) | TEXTS.map("https://git.example.com/".__add__)
NOTICES = st.builds(
    Notice,
    TEXTS,
    st.sampled_from(["info", "warn", "error"]),
    TEXTS,
    TEXTS,
    st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple) | st.tuples(TEXTS, TEXTS).map(lambda one: (one,) * 60),
    LINKS,
)
OBEYED = ("<em>", "<strong>", "<s>", "<code>", "<a ", "<img", "<h1>", "<blockquote>")


def shown(message: Any) -> str:
    """Every text in it, as a reader sees it: escapes taken away."""
    parts = message.values() if isinstance(message, dict) else message if isinstance(message, list) else ()
    text = html.unescape(message.replace("\\", "")) if isinstance(message, str) else ""
    return "\n".join([text, *map(shown, parts)])


@pytest.mark.parametrize("alert", ALERTS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_alert_of_every_service_passes_its_published_schema_and_says_all(service: str, alert: str) -> None:
    payload, target = SERVICES[service]
    notice = ALERTS[alert]
    message = payload(notice, target)
    JUDGES[service](message)
    said = shown(message)
    for words in (notice.title, notice.text, notice.link, *(word for field in notice.fields for word in field)):
        assert words in said
    assert not notice.link or "4f1d2c7a9b" in said.replace(notice.link, "")


@pytest.mark.parametrize("service", SERVICES)
@settings(deadline=None, max_examples=60)
@given(notice=NOTICES)
def test_no_text_makes_a_payload_that_its_service_refuses(service: str, notice: Notice) -> None:
    payload, target = SERVICES[service]
    message = payload(notice, target)
    JUDGES[service](message)
    assert all(letter.isprintable() or letter == "\n" for letter in shown(message))


@given(text=st.text(alphabet="*_`[]()~\\#>! ahttp:/", max_size=40))
@pytest.mark.parametrize("shape", [teams.plain, lambda text: discord.escaped(text, 1500)], ids=["teams", "discord"])
def test_markdown_in_a_reason_is_shown_not_obeyed(shape: Callable[[str], str], text: str) -> None:
    read = MarkdownIt("commonmark").enable("strikethrough").renderInline(shape(f"because {text} is so"))
    assert not any(tag in read for tag in OBEYED)
    assert html.unescape(read) == f"because {text} is so"


def test_rocket_chat_shows_a_title_as_it_is_and_its_texts_as_markdown() -> None:
    """As its parser (@rocket.chat/message-parser) has it: stars, underscores and backticks can be escaped, brackets cannot."""
    notice = Notice("x", "info", "a_b", "my_app_v2 *x* [y](https://z)", (("n", "c_d"),), COMMIT)
    (attachment,) = slack.rocket_payload(notice, Target("rocket", "x"))["attachments"]
    assert attachment["title"] == "✔ a_b"
    assert attachment["text"] == r"my\_app\_v2 \*x\* [y] (https://z)"
    assert [field["value"] for field in attachment["fields"]] == [r"c\_d", f"[4f1d2c7a9b]({COMMIT})"]


@example("&lt;!channel&gt;")
@given(text=st.text(alphabet="<>&!@channel|;lt", max_size=40))
def test_slacks_and_googles_markup_in_a_reason_is_shown_not_obeyed(text: str) -> None:
    for shape in (slack.escaped, googlechat.escaped):
        assert not set("<>") & set(shape(text))
        assert html.unescape(shape(text)) == text


@pytest.mark.parametrize("service", SERVICES)
def test_a_reader_who_sees_no_colours_sees_how_it_went(service: str) -> None:
    payload, target = SERVICES[service]
    marks = {alert: next(mark for mark in "✔▶⚠◆✖" if mark in shown(payload(notice, target))) for alert, notice in ALERTS.items()}
    assert marks == {
        "initialized": "✔",
        "started": "▶",
        "waiting": "◆",
        "promoted": "✔",
        "rolled back": "✖",
        "aborted": "⚠",
        "release failed": "✖",
    }
