"""A canary's notices: at least once, whatever dies in between, and never in the canary's way."""

import pytest

from gitops_canary.managers.canaries.notices import key_of
from gitops_canary.managers.outbox import MOST
from gitops_canary.ports import Answer, Ask, HookAsk
from tests.managers.canaries.world import NEW, NEWER, World, canary_doc, deployment
from tests.memory.checks import all_good, half_fail


def ids(world: World) -> list[str]:
    return [one.id for one in world.notices.sent]


def promoted(world: World) -> World:
    world.initialised()
    world.deploy(NEW)
    world.until("Succeeded")
    world.settle()
    return world


def test_start_and_result_are_told_once_and_then_forgotten() -> None:
    world = promoted(World())
    assert ids(world) == ["test.frontend-0/initialized", "test.frontend-1/started", "test.frontend-1/result"]
    assert not world.status.get("notices")


def test_what_nobody_took_stands_in_the_status_and_a_new_process_sends_it() -> None:
    world = World()
    world.notices.away = True
    promoted(world)
    assert [one["id"] for one in world.status["notices"]] == [
        "test.frontend-0/initialized",
        "test.frontend-1/started",
        "test.frontend-1/result",
    ]
    world.notices.away = False
    world.restart()
    world.run_for(60)
    assert sorted(ids(world)) == ["test.frontend-0/initialized", "test.frontend-1/result", "test.frontend-1/started"]
    assert not world.status.get("notices")


def test_a_dead_receiver_delays_no_canary() -> None:
    slow, quick = World(), World()
    slow.notices.away = True
    for world in (slow, quick):
        promoted(world)
    assert slow.clock.seconds == quick.clock.seconds
    assert slow.end() == quick.end()


def test_the_oldest_is_given_up_when_too_many_wait() -> None:
    world = World(judge=half_fail)
    world.notices.away = True
    world.initialised(deployment(), canary_doc(analysis={"interval": "15s", "threshold": 1, "stepWeight": 50}))
    for number in range(MOST):
        world.deploy(NEW if number % 2 else NEWER)
        world.until("Failed")
    waiting = [one["id"] for one in world.status["notices"]]
    assert len(waiting) == MOST
    assert waiting[-1] == f"test.frontend-{MOST}/result"
    assert "test.frontend-0/initialized" not in waiting


def test_without_a_receiver_nothing_is_kept_for_one() -> None:
    world = World()
    world.notices.nobody = True
    promoted(world)
    assert ids(world) == []
    assert "notices" not in world.status


def test_a_canarys_alerts_go_with_its_notices() -> None:
    alerts = [{"name": "on call", "severity": "error", "providerRef": {"name": "slack", "namespace": "ops"}}]
    world = World()
    world.initialised(deployment(), canary_doc(analysis={"interval": "15s", "threshold": 2, "stepWeight": 50, "alerts": alerts}))
    (notice,) = world.notices.sent
    assert [(one.namespace, one.provider, one.severity) for one in notice.alerts] == [("ops", "slack", "error")]


GATES = {
    "confirm-rollout": "Canary is waiting for approval.",
    "confirm-traffic-increase": "Canary traffic increase is waiting for approval.",
    "confirm-promotion": "Canary promotion is waiting for approval.",
}


def closed(ask: Ask) -> Answer:
    return Answer(ask.key, "failed", message="403") if isinstance(ask, HookAsk) else all_good(ask)


def gated(type_: str, *, mute: bool = False, away: bool = False) -> World:
    """A canary that waits at a closed gate, ten ticks long."""
    gate = {"name": "gate/7", "type": type_, "url": "http://gate/", "muteAlert": mute}
    world = World(judge=closed)
    world.notices.away = away
    world.initialised(deployment(), canary_doc(analysis={"interval": "15s", "threshold": 2, "stepWeight": 50, "webhooks": [gate]}))
    world.deploy(NEW)
    world.ticks(10)
    return world


@pytest.mark.parametrize(("type_", "text"), GATES.items(), ids=GATES)
def test_a_closed_gate_is_alerted_once_a_wait_with_its_name(type_: str, text: str) -> None:
    world = gated(type_)
    (notice,) = (one for one in world.notices.sent if "/gate-" in one.id)
    assert (notice.severity, notice.text, notice.fields[0], dict(notice.fields)["To"]) == ("warn", text, ("Gate", "gate/7"), NEW)
    world.judge = all_good
    world.until("Succeeded")
    world.settle()
    assert sum("/gate-" in one.id for one in world.notices.sent) == 1
    assert not world.status.get("notices")


@pytest.mark.parametrize("type_", GATES)
def test_a_muted_gate_alerts_nobody_and_is_told_all_the_same(type_: str) -> None:
    world = gated(type_, mute=True)
    assert not [one.id for one in world.notices.sent if "/gate-" in one.id]
    assert sum("waiting for" in line and "approval gate/7" in line for line in world.cluster.story()) == 1


def test_a_gates_alert_that_nobody_took_is_sent_by_the_next_process() -> None:
    world = gated("confirm-promotion", away=True)
    assert not world.notices.sent
    world.notices.away = False
    world.restart()
    world.run_for(60)
    assert sum("/gate-" in one.id for one in world.notices.sent) == 1


def test_a_gate_that_closes_again_is_alerted_again() -> None:
    world = gated("confirm-traffic-increase")
    world.judge = all_good
    world.ticks(1)
    assert world.status["canaryWeight"] == 50
    world.judge = closed
    world.ticks(3)
    assert len({one.id for one in world.notices.sent if "/gate-" in one.id}) == 2


def test_an_id_names_its_canary() -> None:
    assert key_of("test.front-end-12/result") == "test/front-end"
