"""The whole thread as stories: a tag becomes a commit, a Helm upgrade, a canary and a result; interrupted anywhere it ends the same."""

from functools import cache

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef
from gitops_canary.domain.resources import Ref
from gitops_canary.managers.reading import Reader
from gitops_canary.managers.retrying import retry_edit
from gitops_canary.manifests.tree import read_tree
from tests.managers.gitops_world import FRONTEND, PODINFO, release
from tests.memory.checks import all_good, half_fail
from tests.memory.faults import Mode
from tests.scenarios.crash import MODES, Course, check, uninterrupted
from tests.scenarios.world import World


def initialized() -> World:
    world = World()
    world.drive()
    assert world.status()["phase"] == "Initialized"
    return world


def promote() -> World:
    world = initialized()
    world.push_tag("3.1.1")
    return world


def roll_back() -> World:
    world = promote()
    world.judge = half_fail
    return world


def test_a_pushed_tag_is_bumped_upgraded_analysed_promoted_and_recorded() -> None:
    world = promote()
    world.drive()
    assert world.subjects()[1:] == [f"Auto-release {PODINFO}:3.1.1", "Promote frontend.test 3.1.1"]
    assert world.image_of("frontend-primary") == f"{PODINFO}:3.1.1"
    assert world.status()["phase"] == "Succeeded"
    assert world.file_tag() == "3.1.1"


def test_a_failing_tag_is_rolled_back_in_git_quarantined_and_the_next_one_promoted() -> None:
    world = roll_back()
    world.drive()
    assert world.subjects()[2:] == ["Roll back frontend.test 3.1.1 to 3.1.0: success rate 50.00% < 99%"]
    assert world.file_tag() == "3.1.0"
    assert world.image_of("frontend-primary") == f"{PODINFO}:3.1.0"
    world.judge = all_good
    world.drive()
    assert len(world.subjects()) == 3
    world.push_tag("3.1.2")
    world.drive()
    assert world.subjects()[3:] == [f"Auto-release {PODINFO}:3.1.2", "Promote frontend.test 3.1.2"]


def test_B5_a_failed_tag_that_is_pushed_again_with_another_digest_is_bumped_by_it_and_the_failed_one_is_not() -> None:
    world = roll_back()
    world.drive()
    world.judge = all_good
    failed = world.registry.digest(ImageRef(PODINFO), "3.1.1")
    assert f"digest: {failed}" in world.repository.text(".gitops-canary/default/test/frontend.yaml")
    again = "sha256:" + "2" * 64
    world.registry.push(PODINFO, "3.1.1", digest=again)
    world.operator.wake("images", PODINFO)
    world.drive()
    assert world.subjects()[3:] == [f"Auto-release {PODINFO}:3.1.1", "Promote frontend.test 3.1.1"]
    assert world.file_tag() == f"3.1.1@{again}"
    world.registry.push(PODINFO, "3.1.1", digest=failed)
    world.operator.wake("images", PODINFO)
    world.drive()
    assert len(world.subjects()) == 5


def test_G8_of_a_tag_that_a_person_set_nobody_knows_the_digest_and_every_one_is_quarantined() -> None:
    world = initialized()
    world.judge = half_fail
    world.repository.human_replaces(FRONTEND, "tag: 3.1.0", "tag: 3.1.1", "I know better")
    world.registry.push(PODINFO, "3.1.1")
    world.drive()
    assert world.subjects()[-1].startswith("Roll back frontend.test 3.1.1 to 3.1.0")
    world.registry.push(PODINFO, "3.1.1", digest="sha256:" + "2" * 64)
    world.operator.wake("images", PODINFO)
    world.drive()
    assert not [subject for subject in world.subjects() if subject.startswith("Auto-release")]


def test_R7_after_a_rollback_ten_polls_make_no_run_no_commit_and_no_write() -> None:
    world = roll_back()
    world.drive()
    commits, writes = len(world.subjects()), len(world.faults.effects)
    for _ in range(10):
        world.run_for(3)
    assert (len(world.subjects()), world.faults.effects[writes:]) == (commits, [])
    assert world.status()["phase"] == "Failed"


def test_R5_a_newer_tag_in_mid_run_supersedes_it_with_one_result_each() -> None:
    world = promote()
    world.run_for(0.6)
    assert world.status()["phase"] == "Progressing"
    world.push_tag("3.1.2")
    world.drive()
    found = [subject for subject in world.subjects() if not subject.startswith(("Auto", "Start"))]
    assert found[0].startswith("Supersede frontend.test 3.1.1")
    assert found[1:] == ["Promote frontend.test 3.1.2"]


def test_R8_a_persons_revert_in_mid_run_aborts_it_and_the_tag_is_not_bumped_again() -> None:
    world = promote()
    world.run_for(0.6)
    world.repository.human_replaces(FRONTEND, "3.1.1", "3.1.0", "Take it back")
    world.operator.wake("sync", "fetch")
    world.drive()
    assert any(subject.startswith("Abort frontend.test 3.1.1") for subject in world.subjects())
    assert world.file_tag() == "3.1.0"
    world.run_for(10)
    assert sum(subject.startswith("Auto-release") for subject in world.subjects()) == 1


def test_G1_results_wait_while_git_is_away_and_traffic_does_not() -> None:
    world = roll_back()
    world.run_for(0.2)
    world.faults.away.add("git:")
    world.run_for(8)
    assert world.status()["phase"] == "Failed"
    assert len(world.status()["pendingResults"]) == 1
    world.faults.away.clear()
    world.run_for(5)
    assert not world.status().get("pendingResults")
    assert world.subjects()[-1].startswith("Roll back frontend.test 3.1.1 to 3.1.0")


def test_B3_a_bump_waits_while_the_canary_promotes() -> None:
    world = promote()
    world.run_until(lambda: world.status()["phase"] == "Promoting")
    world.push_tag("3.1.2")
    world.drive()
    assert world.subjects()[-4:] == [
        "Auto-release stefanprodan/podinfo:3.1.1",
        "Promote frontend.test 3.1.1",
        "Auto-release stefanprodan/podinfo:3.1.2",
        "Promote frontend.test 3.1.2",
    ]


def test_H1_a_chart_that_does_not_render_is_said_and_starts_no_run() -> None:
    world = initialized()
    text = world.repository.text(FRONTEND)
    indent = next(line for line in text.splitlines() if line.strip().startswith("image:"))
    space = indent[: len(indent) - len(indent.lstrip())]
    world.repository.human_pushes({FRONTEND: text.replace(indent, f"{space}broken: true\n{indent}")})
    world.operator.wake("sync", "fetch")
    world.drive()
    assert world.said("broken on purpose")
    assert world.status()["phase"] == "Initialized"
    assert world.image_of("frontend-primary") == f"{PODINFO}:3.1.0"


def test_an_unreachable_registry_and_a_broken_file_are_said_and_the_rest_goes_on() -> None:
    world = initialized()
    world.faults.away.add("registry")
    world.repository.human_pushes({"broken.yaml": "a: b\n\tc: d\n", "releases/test/other.yaml": release("other")})
    world.operator.wake("sync", "fetch")
    world.drive()
    assert world.said("cannot read broken.yaml:2")
    assert world.image_of("other-primary") == f"{PODINFO}:3.1.0"
    world.faults.away.clear()
    world.push_tag("3.1.1")
    world.drive()
    assert world.file_tag() == "3.1.1"


def test_G8_retry_lifts_a_quarantined_tag_and_sets_it_in_one_commit_and_it_is_analysed_again() -> None:
    world = roll_back()
    world.drive()
    world.judge = all_good
    reader = Reader(lambda tree: read_tree(tree))
    assert world.repository.change(retry_edit(reader, "test", "frontend")) is not None
    assert world.repository.changed_lines() == ["-      tag: 3.1.0", "+      tag: 3.1.1"]
    world.operator.wake("sync")
    world.drive()
    assert world.subjects()[-2:] == ["Retry frontend.test 3.1.1", "Promote frontend.test 3.1.1"]
    assert world.image_of("frontend-primary") == f"{PODINFO}:3.1.1"


def test_G8_retry_of_a_tag_that_is_not_quarantined_says_what_is() -> None:
    world = roll_back()
    world.drive()
    with pytest.raises(UserError, match=r"cannot retry tag 9\.9\.9 of canary test/frontend: its quarantine in .* holds 3\.1\.1"):
        world.repository.change(retry_edit(Reader(lambda tree: read_tree(tree)), "test", "frontend", "9.9.9"))


def promote_with_more_replicas() -> World:
    world = initialized()
    world.push_tag("3.1.1")
    world.run_until(lambda: world.status()["phase"] == "Progressing")
    world.cluster.scale(Ref("apps/v1", "Deployment", "test", "frontend"), 5)
    return world


SITUATIONS = {"promote": promote, "roll back": roll_back, "promote with more replicas": promote_with_more_replicas}


@cache
def course(name: str) -> Course:
    return uninterrupted(SITUATIONS[name])


def test_the_whole_thread_has_enough_effects_to_be_worth_interrupting() -> None:
    effects = [*course("promote").effects, *course("roll back").effects]
    print(f"{len(effects)} effects:", *effects, sep="\n  ")
    assert len(effects) >= 25
    assert course("promote with more replicas").end["replicas"] == 5
    assert course("promote").end["commits"][-1] == "Promote frontend.test 3.1.1"
    assert course("roll back").end["commits"][-1].startswith("Roll back frontend.test 3.1.1")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SITUATIONS)
def test_G2_the_whole_thread_cut_off_anywhere_ends_the_same_with_one_result(name: str, mode: Mode) -> None:
    check(SITUATIONS[name], mode, course(name))
