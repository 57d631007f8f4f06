"""AlertProvider objects and their Secrets as receivers, over real sockets."""

import base64
import io
import json
import queue
from typing import Any

import pytest

from gitops_canary.adapters.alert_providers import WAITING, ProviderNotifier, told_to
from gitops_canary.adapters.log import make_log
from gitops_canary.adapters.notify import HttpNotifier
from gitops_canary.adapters.provider_health import ProviderHealth
from gitops_canary.domain.canary.spec import Alert
from gitops_canary.domain.resources import Ref
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice
from tests.adapters.peer import Peer, Reply
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster
from tests.memory.faults import Faults


class World:
    def __init__(self, *targets: Target) -> None:
        self.done: queue.Queue[str] = queue.Queue()
        self.log, self.faults = io.StringIO(), Faults()
        self.cluster = MemoryCluster(self.faults)
        log = make_log(stream=self.log)
        self.said = log
        self.health = health = ProviderHealth(self.cluster, VirtualClock(), log)
        self.inner = HttpNotifier(targets, log, on_outcome=told_to(health), on_done=self.done.put, pauses=(0.001, 0.001))
        self.notifier = ProviderNotifier(self.inner, self.cluster, health, log, pauses=(0.01, 0.01))

    def provider(self, name: str, **spec: Any) -> None:
        meta = {"name": name, "namespace": "ops"}
        self.cluster.put({"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": meta, "spec": spec})

    def secret(self, name: str, **data: str) -> None:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ops"}, "data": encoded})

    def send(self, *alerts: Alert, severity: str = "error") -> str:
        """The id that was told as done."""
        self.notifier.send(Notice("test.frontend-1/result", severity, "frontend.test", "failed", alerts=alerts))  # type: ignore[arg-type]
        return self.done.get(timeout=20)

    def ready(self, name: str) -> tuple[str, str]:
        (condition,) = self.cluster.whole(Ref("flagger.app/v1beta1", "AlertProvider", "ops", name))["status"]["conditions"]
        return condition["status"], condition["message"]

    def close(self) -> None:
        self.notifier.close()
        self.inner.close()


def test_the_address_and_the_token_come_from_the_secret() -> None:
    with Peer() as peer:
        world = World()
        world.secret("slack", address=peer.url, token="xoxb-1")
        world.provider("slack", type="slack", channel="alerts", secretRef={"name": "slack"})
        world.send(Alert("slack", "ops"))
        asked = peer.next()
        world.close()
    assert asked.headers["Authorization"] == "Bearer xoxb-1"
    assert json.loads(asked.body)["channel"] == "alerts"
    assert "xoxb-1" not in world.log.getvalue()


def test_a_canary_with_alerts_is_not_told_to_the_global_receivers() -> None:
    with Peer() as peer, Peer() as everybody:
        world = World(Target("slack", everybody.url))
        world.provider("discord", type="discord", address=peer.url)
        world.send(Alert("discord", "ops"))
        world.close()
        assert len(peer.asked) == 1
        assert everybody.asked == []


def test_severity_is_the_least_that_is_sent() -> None:
    with Peer() as peer:
        world = World()
        world.provider("rocket", type="rocket", address=peer.url)
        world.send(Alert("rocket", "ops", "error"), severity="info")
        world.send(Alert("rocket", "ops", "error"), severity="error")
        world.close()
        assert len(peer.asked) == 1


def test_a_provider_that_is_missing_is_named_and_the_others_are_told() -> None:
    with Peer() as peer:
        world = World()
        world.provider("teams", type="msteams", address=peer.url)
        world.provider("locked", type="slack", secretRef={"name": "gone"})
        world.send(Alert("nobody", "ops"), Alert("locked", "ops"), Alert("teams", "ops"))
        world.close()
        assert len(peer.asked) == 1
    assert "cannot use AlertProvider ops/nobody: it does not exist" in world.log.getvalue()
    assert "cannot use AlertProvider ops/locked: its Secret ops/gone does not exist" in world.log.getvalue()


def test_what_keeps_a_provider_from_being_used_stands_in_its_condition_until_it_is_mended() -> None:
    with Peer() as peer:
        world = World()
        world.provider("locked", type="slack", secretRef={"name": "url"})
        world.send(Alert("locked", "ops"))
        missing = "cannot use AlertProvider ops/locked: its Secret ops/url does not exist"
        assert world.ready("locked") == ("False", missing)
        assert world.cluster.story() == [missing]
        world.secret("url", address=peer.url)
        world.send(Alert("locked", "ops"))
        assert world.ready("locked") == ("True", "Alerts are taken")
        world.close()


WRONG: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "unknown type": ({"type": "pager", "address": "http://127.0.0.1/x"}, {}, "its type 'pager' is none of slack, msteams, discord, "),
    "no address": ({"type": "slack"}, {}, "it has no http(s) address"),
    "no address in the Secret": ({"type": "slack", "secretRef": {"name": "url"}}, {"token": "s3cret"}, "it has no http(s) address"),
    "an address of no web": ({"type": "slack", "secretRef": {"name": "url"}}, {"address": "s3cret"}, "it has no http(s) address"),
}


@pytest.mark.parametrize(("spec", "secret", "sentence"), WRONG.values(), ids=WRONG)
def test_a_provider_that_says_too_little_is_told_what_is_missing(spec: dict[str, Any], secret: dict[str, str], sentence: str) -> None:
    world = World()
    world.secret("url", **secret)
    world.provider("wrong", **spec)
    world.send(Alert("wrong", "ops"))
    status, message = world.ready("wrong")
    world.close()
    assert (status, message.startswith(f"cannot use AlertProvider ops/wrong: {sentence}")) == ("False", True), message
    assert world.cluster.story() == [message]
    assert "s3cret" not in message + world.log.getvalue()


def test_f37_while_the_cluster_is_away_alerts_wait_in_a_bounded_queue_and_nobody_waits_for_them() -> None:
    world = World()
    world.notifier = ProviderNotifier(world.inner, world.cluster, world.health, world.said, pauses=(3600.0,))
    world.faults.away.add("cluster:")
    for number in range(WAITING + 2):
        world.notifier.send(Notice(f"run-{number}", "error", "frontend.test", "failed", alerts=(Alert("slack", "ops"),)))
    assert world.done.get(timeout=20) in (f"run-{WAITING}", f"run-{WAITING + 1}")
    assert f"Gave up notice 'frontend.test': {WAITING} others wait" in world.log.getvalue()
    world.close()


def test_a_receiver_that_refuses_stands_in_its_providers_condition_without_its_address() -> None:
    with Peer(lambda asked, number: Reply(404, b"no_service")) as peer:
        world = World()
        world.provider("gone", type="slack", address=f"{peer.url}/services/secret")
        world.send(Alert("gone", "ops"))
        assert world.ready("gone") == ("False", "slack at 127.0.0.1 took no alert: it answered 404 no_service")
        assert "secret" not in world.log.getvalue()
        world.close()


def test_a_provider_that_works_is_written_once() -> None:
    with Peer() as peer:
        world = World()
        world.provider("slack", type="slack", address=peer.url)
        for _ in range(3):
            world.send(Alert("slack", "ops"))
        world.close()
    assert len([one for one in world.cluster.requests if one.startswith("patch AlertProvider")]) == 1


def test_a_status_that_may_not_be_written_delays_no_alert() -> None:
    with Peer() as peer:
        world = World()
        world.provider("slack", type="slack", address=peer.url)
        world.faults.away.add("cluster: patch")
        assert world.send(Alert("slack", "ops"))
        world.close()
        assert len(peer.asked) == 1
    assert "The status of AlertProvider ops/slack stays as it is" in world.log.getvalue()


def test_while_the_cluster_is_away_it_is_asked_again_and_then_given_up() -> None:
    world = World()
    world.faults.away.add("cluster:")
    assert world.send(Alert("slack", "ops")) == "test.frontend-1/result"
    world.close()
    assert "Gave up notice 'frontend.test'" in world.log.getvalue()
