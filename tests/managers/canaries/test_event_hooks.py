"""Webhooks of type `event`: told everything, waited for by nobody."""

from gitops_canary.ports import Answer, Ask, HookAsk
from tests.managers.canaries.world import NEW, World, canary_doc, deployment
from tests.memory.checks import all_good

HOOK = {"type": "event", "name": "audit", "url": "http://audit.ops/", "metadata": {"environment": "test"}}


def told(asked: list[Ask]) -> list[HookAsk]:
    return [ask for ask in asked if isinstance(ask, HookAsk) and ask.url == HOOK["url"]]


def promoted(world: World) -> World:
    world.initialised(deployment(), canary_doc(analysis={"interval": "15s", "threshold": 2, "stepWeight": 50, "webhooks": [HOOK]}))
    world.deploy(NEW)
    world.until("Succeeded")
    return world


def test_every_sentence_is_posted_once_with_what_flagger_posts() -> None:
    asked: list[Ask] = []

    def judge(ask: Ask) -> Answer:
        asked.append(ask)
        return all_good(ask)

    world = promoted(World(judge=judge))
    messages = [ask.payload["metadata"]["eventMessage"] for ask in told(asked)]  # type: ignore[index]
    assert sorted(messages) == sorted(world.cluster.story())
    first = told(asked)[0].payload
    assert (first["name"], first["namespace"]) == ("frontend", "test")
    assert {"environment", "eventMessage", "eventType", "timestamp"} == set(first["metadata"])  # type: ignore[call-overload]


def test_a_receiver_that_refuses_fails_no_check_and_delays_nothing() -> None:
    def judge(ask: Ask) -> Answer:
        return Answer(ask.key, "failed", message="no") if isinstance(ask, HookAsk) and ask.url == HOOK["url"] else all_good(ask)

    refused, taken = promoted(World(judge=judge)), promoted(World())
    assert refused.clock.seconds == taken.clock.seconds
    assert refused.end() == taken.end()
