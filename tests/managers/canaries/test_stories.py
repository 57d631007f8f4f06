"""Claims about whole runs in virtual time: what users see, from the first object to the end of a run."""

from tests.managers.canaries.world import NEW, World


def test_A1_a_new_canary_gets_its_objects_and_rests_with_the_primary_serving() -> None:
    world = World().initialised()
    assert world.phase == "Initialized"


def test_A3_a_good_revision_is_promoted_step_by_step() -> None:
    world = World().initialised()
    world.deploy(NEW)
    world.until("Succeeded")
    print("\n".join(world.cluster.story()))
    assert world.image(world.primary) == NEW
