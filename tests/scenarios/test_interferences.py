"""The whole thread while others interfere: people who commit in mid-run, and images that never come up; Git says what happened to each."""

from typing import Any

import pytest

from tests.managers.gitops_world import FRONTEND, PODINFO
from tests.memory.checks import all_good, half_fail
from tests.scenarios.world import World

LEDGER = ".gitops-canary/default/test/frontend.yaml"


def under_way() -> World:
    world = World()
    world.drive()
    world.push_tag("3.1.1")
    world.run_until(lambda: world.status()["phase"] == "Progressing" and bool(world.status().get("canaryWeight")))
    return world


def results(world: World) -> list[str]:
    return [subject for subject in world.subjects() if not subject.startswith(("Auto", "Start"))]


def test_F11_B2_G3_commits_of_a_person_before_every_push_of_a_run_all_stay() -> None:
    world = World()
    world.drive()
    world.repository.human_pushes_before_next({"one.txt": "1"}, "One")
    world.push_tag("3.1.1")
    world.run_until(lambda: world.status()["phase"] == "Progressing")
    world.repository.human_pushes_before_next({"two.txt": "2"}, "Two")
    world.drive()
    assert world.subjects()[1:] == ["One", f"Auto-release {PODINFO}:3.1.1", "Two", "Promote frontend.test 3.1.1"]
    assert (world.repository.text("one.txt"), world.repository.text("two.txt")) == ("1", "2")
    assert (world.file_tag(), world.image_of("frontend-primary")) == ("3.1.1", f"{PODINFO}:3.1.1")


def test_F12_G5_a_person_who_edits_the_same_line_in_mid_run_wins() -> None:
    world = under_way()
    world.repository.human_replaces(FRONTEND, "tag: 3.1.1", "tag: 3.0.9", "Mine")
    world.operator.wake("sync", "fetch")
    world.drive()
    found = results(world)
    assert found[0] == "Mine"
    assert found[1].startswith(f"Quarantine {PODINFO}:3.1.1: taken back by ")
    assert found[2].startswith("Supersede frontend.test 3.1.1")
    assert found[3:] == ["Promote frontend.test 3.0.9"]
    assert (world.file_tag(), world.image_of("frontend-primary")) == ("3.0.9", f"{PODINFO}:3.0.9")
    world.run_for(10)
    assert sum(subject.startswith("Auto-release") for subject in world.subjects()) == 1, "what a person took back is not bumped again"


def test_F12_G5_a_persons_edit_that_lands_just_before_the_rollback_is_left_alone_and_gets_its_own_run() -> None:
    world = under_way()
    world.judge = half_fail
    text = world.repository.text(FRONTEND)
    world.repository.human_pushes_before_next({FRONTEND: text.replace("tag: 3.1.1", "tag: 3.1.7")}, "Mine")
    world.run_until(lambda: any(one.startswith("Roll back") for one in results(world)))
    world.judge = all_good
    assert results(world)[:2] == ["Mine", "Roll back frontend.test 3.1.1 to 3.1.0: success rate 50.00% < 99%"]
    assert world.repository.changed_lines() == [], "the result's commit edits nothing"
    ledger = world.repository.text(LEDGER)
    assert "edited: false" in ledger
    assert f"holds {PODINFO}:3.1.7 by now" in " ".join(ledger.split())
    assert "tag: 3.1.1" in ledger
    world.drive()
    assert results(world)[2:] == ["Promote frontend.test 3.1.7"]
    assert (world.file_tag(), world.image_of("frontend-primary")) == ("3.1.7", f"{PODINFO}:3.1.7")


TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "a crash loop": (
        {"restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}},
        "container podinfo crashes with exit code 1, restarted 4 times",
    ),
    "a missing image": (
        {"image": f"{PODINFO}:3.1.1", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
        f"container podinfo cannot pull image {PODINFO}:3.1.1: ImagePullBackOff",
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_F26_an_image_that_never_comes_up_is_rolled_back_in_git_with_the_kubelets_reason(name: str) -> None:
    container, reason = TROUBLES[name]
    world = World()
    world.drive()
    meta = {"name": "frontend-new", "namespace": "test", "labels": {"app": "frontend"}}
    status = {"containerStatuses": [{"name": "podinfo", "ready": False, **container}]}
    world.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": status})
    world.controllers.never_ready.add(f"{PODINFO}:3.1.1")
    world.push_tag("3.1.1")
    world.run_for(20)
    assert results(world) == [f"Roll back frontend.test 3.1.1 to 3.1.0: progress deadline exceeded: {reason}"]
    assert world.said("Halt advancement frontend.test waiting for rollout to finish: ")
    assert world.said(f"Rolling back frontend.test progress deadline exceeded: {reason}")
    assert (world.file_tag(), world.image_of("frontend-primary")) == ("3.1.0", f"{PODINFO}:3.1.0")
    assert (world.status()["phase"], world.status()["canaryWeight"], world.replicas_of("frontend")) == ("Failed", 0, 0)
    assert "tag: 3.1.1" in world.repository.text(LEDGER)
    world.run_for(10)
    assert sum(subject.startswith("Auto-release") for subject in world.subjects()) == 1
