"""An installed Canary definition that would drop our status fields is found before a run depends on them."""

from tests.managers.canaries.world import NEW, World, canary_doc, deployment

FLAGGER = frozenset(
    [
        "phase",
        "failedChecks",
        "canaryWeight",
        "iterations",
        "lastAppliedSpec",
        "lastPromotedSpec",
        "trackedConfigs",
        "lastTransitionTime",
        "conditions",
    ]
)
"""The status that Flagger's own definition has."""


def test_a_definition_that_drops_our_status_is_said_once_with_the_command_and_nothing_is_done() -> None:
    world = World()
    world.cluster.kept["Canary"] = FLAGGER
    world.cluster.put(deployment(), canary_doc())
    world.settle()
    message = world.status["conditions"][0]["message"]
    assert "cannot analyse Canary test/frontend: the installed definition canaries.flagger.app, another tool's, would drop" in message
    assert "status.run, status.runNumber" in message
    assert "kubectl apply --server-side --force-conflicts -k deploy/crds" in message
    assert world.cluster.story() == [message]
    before = len(world.faults.effects)
    world.run_for(600)
    assert world.faults.effects[before:] == []


def test_once_ours_is_installed_the_canary_goes_on_by_itself() -> None:
    world = World()
    world.cluster.kept["Canary"] = FLAGGER
    world.cluster.put(deployment(), canary_doc())
    world.settle()
    world.cluster.kept.clear()
    world.run_for(120)
    assert world.phase == "Initialized"
    assert world.status["conditions"][0]["reason"] == "Initialized"


def test_a_definition_that_goes_back_in_mid_run_is_noticed_by_the_next_write() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.ticks(2)
    world.cluster.kept["Canary"] = FLAGGER
    world.ticks(1)
    assert "status.run, " in world.cluster.story()[-1]
    weight = world.split()
    world.run_for(300)
    assert world.split() == weight
