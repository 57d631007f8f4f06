"""Notices posted over real sockets: signed, retried, bounded, and never waited for."""

import hashlib
import hmac
import io
import json
import queue
import threading

import pytest

from gitops_canary.adapters.log import make_log
from gitops_canary.adapters.notify import RECEIVERS, HttpNotifier, targets_of
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice
from gitops_canary.settings import Settings
from tests.adapters.peer import Asked, Peer, Reply


class World:
    def __init__(self, *targets: Target, pauses: tuple[float, ...] = (0.001, 0.001)) -> None:
        self.delivered: queue.Queue[tuple[str, str]] = queue.Queue()
        self.log = io.StringIO()
        self.notifier = HttpNotifier(targets, make_log(stream=self.log), on_outcome=self._outcome, pauses=pauses)

    def _outcome(self, notice: Notice, target: Target, words: str) -> None:
        if not words:
            self.delivered.put((notice.id, target.name))


def notice(number: int = 1, severity: str = "error") -> Notice:
    return Notice(f"run-{number}", severity, "frontend.test", f"text {number}", (("Image", "3.1.1"),))  # type: ignore[arg-type]


def test_a_generic_receiver_can_tell_who_sent_it() -> None:
    with Peer() as peer:
        world = World(*targets_of(Settings(generic_url=peer.url, generic_key="s3cret")))
        world.notifier.send(notice())
        asked = peer.next()
        assert world.delivered.get(timeout=10) == ("run-1", "generic at 127.0.0.1")
        world.notifier.close()
    expected = hmac.new(b"s3cret", asked.body, hashlib.sha256).hexdigest()
    assert (asked.headers["X-Signature"], json.loads(asked.body)["id"]) == (f"sha256={expected}", "run-1")


@pytest.mark.parametrize("kind", ["slack", "rocket", "msteams", "discord", "gchat", "generic"])
def test_every_kind_of_receiver_is_posted_to(kind: str) -> None:
    with Peer() as peer:
        world = World(Target(kind, peer.url))  # type: ignore[arg-type]
        world.notifier.send(notice())
        assert b"text 1" in peer.next().body
        world.notifier.close()


def test_a_busy_receiver_is_asked_again_until_it_takes_the_notice() -> None:
    replies = {1: Reply(500), 2: Reply(429, headers={"Retry-After": "0"}), 3: Reply(204)}
    with Peer(lambda asked, number: replies[number]) as peer:
        world = World(Target("slack", peer.url))
        world.notifier.send(notice())
        assert world.delivered.get(timeout=10)[0] == "run-1"
        assert len({asked.body for asked in peer.asked}) == 1
        assert len(peer.asked) == 3
        world.notifier.close()


REFUSALS = {"gone": Reply(404, b"no_service"), "slack's no": Reply(200, b'{"ok": false, "error": "not_in_channel"}')}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_a_receiver_that_refuses_is_given_up_in_its_words(reply: Reply) -> None:
    with Peer(lambda asked, number: reply) as peer:
        world = World(Target("slack", f"{peer.url}/services/secret", token="bot"))
        world.notifier.send(notice())
        assert peer.next().headers["Authorization"] == "Bearer bot"
        world.notifier.close()
        assert len(peer.asked) == 1
    said = json.loads(world.log.getvalue().splitlines()[0])["msg"]
    assert said.startswith(f"Gave up notice 'frontend.test' to slack at 127.0.0.1: it answered {reply.status}")
    assert "secret" not in said
    assert world.delivered.empty()


def test_an_answer_that_repeats_the_address_is_told_without_it() -> None:
    path = "/services/T01/B02/s3cretS3cret"

    def echo(asked: Asked, number: int) -> Reply:
        return Reply(404, f"Cannot POST {asked.path}?{asked.query} as {asked.headers['Authorization']}".encode())

    with Peer(echo) as peer:
        world = World(Target("slack", f"{peer.url}{path}?sig=qUe-ry%2Bword", token="xoxb-1-token"))
        world.notifier.send(notice())
        peer.next()
        world.notifier.close()
    said = world.log.getvalue()
    assert "it answered 404 Cannot POST …" in said
    assert not [word for word in ("s3cretS3cret", "qUe-ry", "xoxb-1-token") if word in said]


UNREACHABLE = {
    "nobody listens": "http://127.0.0.1:1/services/s3cretS3cret",
    "no such host": "http://hooks.invalid/services/s3cretS3cret",
    "no such port": "http://127.0.0.1:99999999/services/s3cretS3cret",
    "no scheme of the web": "ftp://127.0.0.1/services/s3cretS3cret",
    "a login": "http://me:s3cretS3cret@127.0.0.1:1/x",
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_receiver_that_cannot_be_reached_is_told_without_its_address(url: str) -> None:
    gone: queue.Queue[str] = queue.Queue()
    log = io.StringIO()
    told = HttpNotifier([Target("slack", url)], make_log(stream=log), on_outcome=lambda one, to, words: gone.put(words), pauses=())
    told.send(notice())
    assert "s3cretS3cret" not in gone.get(timeout=20)
    told.close()
    assert "Gave up notice" in log.getvalue()
    assert "s3cretS3cret" not in log.getvalue()


def test_f37_a_dead_receiver_delays_nobody() -> None:
    hold = threading.Event()
    with Peer() as dead, Peer() as alive:
        dead.hold = hold
        world = World(Target("slack", dead.url), Target("slack", alive.url))
        for number in range(300):
            world.notifier.send(notice(number))
        assert json.loads(alive.next().body)["attachments"][0]["text"].startswith("text")
        hold.set()
        world.notifier.close()
    assert "newer ones wait" in world.log.getvalue()


def test_F39_receivers_whose_address_changes_again_and_again_are_never_too_many() -> None:
    with Peer() as peer:
        world = World()
        for number in range(RECEIVERS + 5):
            world.notifier.send_to([Target("generic", f"{peer.url}/rotated-{number}")], notice(number))
            assert world.delivered.get(timeout=10)[0] == f"run-{number}"
        world.notifier.close()
    assert world.log.getvalue() == ""


def test_only_what_is_severe_enough_is_sent() -> None:
    with Peer() as peer:
        world = World(Target("generic", peer.url, severity="warn"))
        for number, severity in enumerate(("info", "warn", "error")):
            world.notifier.send(notice(number, severity))
        assert [json.loads(peer.next().body)["severity"] for _ in range(2)] == ["warn", "error"]
        world.notifier.close()
        assert len(peer.asked) == 2


def test_what_could_not_be_sent_is_said_at_the_end() -> None:
    world = World(Target("slack", "http://127.0.0.1:1/secret"), pauses=(60.0,))
    world.notifier.send(notice())
    world.notifier.close(within=0.2)
    assert "Left 1 notices unsent to slack at 127.0.0.1: the operator stops" in world.log.getvalue()
    world.notifier.send(notice(2))


def test_a_providers_own_proxy_is_used() -> None:
    def seen(asked: Asked, number: int) -> Reply:
        return Reply(200)

    with Peer(seen) as proxy:
        world = World(Target("generic", "http://hooks.example.invalid/x", proxy=proxy.url))
        world.notifier.send(notice())
        assert proxy.next().headers["Host"] == "hooks.example.invalid"
        world.notifier.close()


def test_settings_name_the_global_receivers() -> None:
    settings = Settings(slack_url="https://hooks.slack.com/x", slack_channel="general", msteams_url="https://x.webhook.office.com/y")
    assert [(one.kind, one.channel) for one in targets_of(settings)] == [("slack", "general"), ("msteams", "")]
    assert targets_of(Settings()) == ()
    some = Settings(rocket_url="https://rocket.example/1", gchat_url="https://chat.example/2", generic_url="https://any.example/3")
    assert [one.kind for one in targets_of(some)] == ["rocket", "gchat", "generic"]
    assert targets_of(Settings(event_webhook="https://events.example/4")) == ()
