"""Webhooks of type `event`: told everything, waited for by nobody."""

from typing import Any

from gitops_canary.managers.canaries.rules import CanaryRules
from gitops_canary.ports import Answer, Ask, HookAsk
from tests.managers.canaries.world import NEW, World, canary_doc, deployment
from tests.memory.checks import all_good

HOOK = {"type": "event", "name": "audit", "url": "http://audit.ops/", "metadata": {"environment": "test"}}


def told(asked: list[Ask]) -> list[HookAsk]:
    return [ask for ask in asked if isinstance(ask, HookAsk) and ask.url == HOOK["url"]]


def promoted(world: World, *hooks: dict[str, Any]) -> World:
    analysis = {"interval": "15s", "threshold": 2, "stepWeight": 50, "webhooks": list(hooks)}
    world.initialised(deployment(), canary_doc(analysis=analysis))
    world.deploy(NEW)
    world.until("Succeeded")
    return world


def test_every_sentence_is_posted_once_with_what_flagger_posts() -> None:
    asked: list[Ask] = []

    def judge(ask: Ask) -> Answer:
        asked.append(ask)
        return all_good(ask)

    world = promoted(World(judge=judge), HOOK)
    messages = [ask.payload["metadata"]["eventMessage"] for ask in told(asked)]  # type: ignore[index]
    assert sorted(messages) == sorted(world.cluster.story())
    first = told(asked)[0].payload
    assert (first["name"], first["namespace"]) == ("frontend", "test")
    assert {"environment", "eventMessage", "eventType", "timestamp"} == set(first["metadata"])  # type: ignore[call-overload]


def test_a_receiver_that_refuses_fails_no_check_and_delays_nothing() -> None:
    def judge(ask: Ask) -> Answer:
        return Answer(ask.key, "failed", message="no") if isinstance(ask, HookAsk) and ask.url == HOOK["url"] else all_good(ask)

    refused, taken = promoted(World(judge=judge), HOOK), promoted(World(), HOOK)
    assert refused.clock.seconds == taken.clock.seconds
    assert refused.end() == taken.end()


def test_the_event_webhook_of_the_settings_is_told_of_canaries_without_one_of_their_own() -> None:
    asked: list[Ask] = []

    def judge(ask: Ask) -> Answer:
        asked.append(ask)
        return all_good(ask)

    rules = CanaryRules(event_webhook="http://everywhere.ops/")
    world = promoted(World(judge=judge, rules=rules))
    heard = [ask for ask in asked if isinstance(ask, HookAsk) and ask.url == rules.event_webhook]
    assert sorted(ask.payload["metadata"]["eventMessage"] for ask in heard) == sorted(world.cluster.story())  # type: ignore[index]
    asked.clear()
    promoted(World(judge=judge, rules=rules), HOOK)
    assert {ask.url for ask in asked if isinstance(ask, HookAsk)} == {HOOK["url"]}
