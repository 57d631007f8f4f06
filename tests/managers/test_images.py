"""Bumps as timelines: what is pushed to a registry, what people commit meanwhile, and what the repository says afterwards (rules B1-B5)."""

from datetime import timedelta

import pytest

from gitops_canary.domain.images import ImageRef
from gitops_canary.managers.images import ImageRules
from gitops_canary.web.hooks import EVERY_IMAGE
from tests.managers.gitops_world import FRONTEND, PODINFO, World, deployment, release
from tests.memory.clock import EPOCH
from tests.memory.repository import message_of

CANONICAL = f"index.docker.io/{PODINFO}"
LEDGER = ".gitops-canary/default/test/frontend.yaml"


def quarantine(tag: str, digest: str = "", owner: str = "HelmRelease/test/frontend") -> str:
    return (
        f"run: {{number: 1}}\nquarantine:\n- image: {PODINFO}\n  tag: {tag}\n  digest: '{digest}'\n  owner: {owner}\n"
        "  container: chart-image\n  reason: success rate 62% < 99%\n"
    )


def test_B1_the_newest_allowed_tag_becomes_one_commit_with_a_one_line_diff() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1", "3.1.2", "3.2.0", "latest")
    turn = world.scan()
    subject, trailers = message_of(world.repository.last())
    assert subject == f"Auto-release {PODINFO}:3.1.2"
    assert trailers["Image"] == f"{PODINFO}:3.1.2@{world.registry.digest(ImageRef(PODINFO), '3.1.2')}"
    assert world.repository.changed_lines() == ["-      tag: 3.1.0", "+      tag: 3.1.2"]
    assert [wake.lane for wake in turn.wakes] == ["sync"]


def test_B1_nothing_is_ever_downgraded() -> None:
    world = World({FRONTEND: release(tag="3.1.5")})
    world.registry.push(PODINFO, "3.1.1", "3.1.2")
    world.scan()
    assert world.repository.log() == ["Start"]
    assert any("not newer than the file's tag 3.1.5" in sentence for sentence in world.log.sentences)


def test_B1_what_serves_counts_too() -> None:
    world = World()
    world.canary(primary=f"{PODINFO}:3.1.4")
    world.registry.push(PODINFO, "3.1.3")
    world.scan()
    assert world.repository.log() == ["Start"]
    assert any("not newer than what serves 3.1.4" in sentence for sentence in world.log.sentences)


def test_B1_a_tag_that_the_policy_cannot_order_is_older_than_any() -> None:
    world = World({FRONTEND: release(tag="main")})
    world.registry.push(PODINFO, "3.1.3")
    world.scan()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.3"


def test_B1_a_quarantined_tag_is_not_walked_around() -> None:
    world = World({FRONTEND: release(), LEDGER: quarantine("3.1.2")})
    world.registry.push(PODINFO, "3.1.1", "3.1.2")
    world.scan()
    world.registry.delete(PODINFO, "3.1.2")
    world.scan()
    assert world.repository.log() == ["Start"]
    world.registry.push(PODINFO, "3.1.3")
    world.scan()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.3"


def test_B1_a_quarantine_binds_its_own_key_only() -> None:
    files = {FRONTEND: release(), "releases/backend.yaml": release("backend"), LEDGER: quarantine("3.1.2")}
    world = World(files)
    world.registry.push(PODINFO, "3.1.2")
    world.scan()
    assert "tag: 3.1.0" in world.repository.text(FRONTEND)
    assert "tag: 3.1.2" in world.repository.text("releases/backend.yaml")


def test_B5_another_digest_under_a_quarantined_tag_is_something_new() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.2", digest="sha256:" + "1" * 64)
    world.repository.human_pushes({LEDGER: quarantine("3.1.2", "sha256:" + "1" * 64)})
    world.scan()
    assert "tag: 3.1.0" in world.repository.text(FRONTEND)
    world.registry.push(PODINFO, "3.1.2", digest="sha256:" + "2" * 64)
    world.scan()
    assert f"tag: 3.1.2@sha256:{'2' * 64}\n" in world.repository.text(FRONTEND)
    before = world.repository.tip
    world.scan()
    assert world.repository.tip == before


def test_B5_a_quarantined_tag_without_a_digest_stays_out() -> None:
    world = World({FRONTEND: release(), LEDGER: quarantine("3.1.2")})
    world.registry.push(PODINFO, "3.1.2")
    world.registry.push(PODINFO, "3.1.2")
    world.scan()
    assert world.repository.log() == ["Start"]


def test_B2_all_bumps_of_a_scan_are_one_commit() -> None:
    world = World(
        {f"releases/{name}.yaml": release(name) for name in ("one", "two")}
        | {"x.yaml": release("x", "1.0.0", "semver:1", image="ghcr.io/a/x")}
    )
    world.registry.push(PODINFO, "3.1.1")
    world.registry.push("ghcr.io/a/x", "1.2.0")
    world.scan()
    message = world.repository.last().message
    assert message.startswith(f"Auto-release multiple (2) images\n\n - ghcr.io/a/x:1.2.0\n - {PODINFO}:3.1.1\n")
    assert len(world.repository.changed_lines()) == 6
    assert len(world.repository.pushes) == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("semver:~3.1", "semver:~3.0", "tag: 3.1.0", id="policy"),
        pytest.param("tag: 3.1.0", "tag: 3.1.7", "tag: 3.1.7", id="same line"),
        pytest.param('fluxcd.io/automated: "true"', 'fluxcd.io/automated: "false"', "tag: 3.1.0", id="automation off"),
        pytest.param("name: frontend", "name: frontend # mine", "tag: 3.1.1", id="another line"),
        pytest.param("kind: HelmRelease", "kind: [", "tag: 3.1.0", id="broken"),
    ],
)
def test_B2_a_refused_push_decides_again_on_the_persons_commit(old: str, new: str, expected: str) -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.repository.human_pushes_before_next({FRONTEND: release().replace(old, new, 1)})
    world.scan()
    assert expected in world.repository.text(FRONTEND)
    assert "Edit by hand" in world.repository.log()
    assert (new if new != "kind: [" else "kind: [") in world.repository.text(FRONTEND)


def test_B2_a_quarantine_that_lands_during_the_push_counts() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.repository.human_pushes_before_next({LEDGER: quarantine("3.1.1")}, "Roll back")
    world.scan()
    assert world.repository.log() == ["Roll back", "Start"]


def test_B2_a_lost_reply_makes_no_second_commit() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.faults.plan[len(world.faults.effects)] = "lost"
    world.scan()
    world.scan()
    world.restart()
    world.scan()
    assert world.repository.log() == [f"Auto-release {PODINFO}:3.1.1", "Start"]


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"phase": "Promoting"}, id="promoting"),
        pytest.param({"phase": "Finalising"}, id="finalising"),
        pytest.param({"phase": "Failed", "pendingResults": [{}]}, id="result pending"),
        pytest.param({"phase": "Promoting", "run": {"number": 1, "serves": True}}, id="R11 serves from its target"),
    ],
)
def test_B3_a_key_is_held_while_its_canary_ends_a_run(status: dict[str, object]) -> None:
    world = World()
    world.canary(status=status)
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    assert world.repository.log() == ["Start"]
    world.canary(status={"phase": "Succeeded"})
    asked = len(world.registry.asked)
    world.poll()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"
    assert len(world.registry.asked) == asked


def test_B3_a_newer_tag_supersedes_a_run_unless_told_to_wait() -> None:
    world = World(rules=ImageRules(hold_during_run=True))
    world.canary(status={"phase": "Progressing", "run": {"number": 1}})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    assert world.repository.log() == ["Start"]
    world.rules = ImageRules()
    world.restart()
    world.scan()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"


def test_B4_a_tag_that_the_filter_does_not_match_may_stand_in_the_file() -> None:
    world = World({FRONTEND: release(tag="2.9.0")})
    world.scan()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.0"
    world = World({FRONTEND: release(tag="4.0.0")})
    world.scan()
    assert world.repository.log() == ["Start"]


def test_G8_what_a_person_takes_back_is_quarantined_and_not_bumped_again() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    revert = world.repository.human_replaces(FRONTEND, "tag: 3.1.1", "tag: 3.1.0", 'Revert "Auto-release"')
    for _ in range(10):
        world.scan()
    assert world.repository.log()[0] == f"Quarantine {PODINFO}:3.1.1: taken back by {revert[:7]}"
    assert world.repository.log()[1] == 'Revert "Auto-release"'
    assert f"taken back by {revert[:12]}" in world.repository.text(LEDGER)
    world.registry.push(PODINFO, "3.1.2")
    world.scan()
    assert "tag: 3.1.2" in world.repository.text(FRONTEND)


@pytest.mark.parametrize("restarts", [False, True], ids=["the-same-process", "a-new-process"])
def test_G8_what_a_person_takes_back_stays_so_when_the_push_of_its_quarantine_fails(restarts: bool) -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    world.repository.human_replaces(FRONTEND, "tag: 3.1.1", "tag: 3.1.0", 'Revert "Auto-release"')
    world.repository.faults.away.add("git: push")
    assert "cannot" in world.scan().says
    world.repository.faults.away.clear()
    if restarts:
        world.restart()
    for _ in range(3):
        world.scan()
    assert [subject.partition(":")[0] for subject in world.repository.log()[:2]] == [f"Quarantine {PODINFO}", 'Revert "Auto-release"']
    assert "tag: 3.1.0" in world.repository.text(FRONTEND)


def test_G8_what_a_person_took_back_before_many_other_commits_is_quarantined() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    world.repository.human_replaces(FRONTEND, "tag: 3.1.1", "tag: 3.1.0", 'Revert "Auto-release"')
    for number in range(120):
        world.repository.human_pushes({"notes.md": f"{number}\n"}, f"Note {number}")
    world.scan()
    assert "tag: 3.1.0" in world.repository.text(FRONTEND)
    assert world.repository.log()[0].startswith(f"Quarantine {PODINFO}:3.1.1: taken back by")


def test_G8_a_deleted_entry_frees_the_tag_even_after_a_restart() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    world.repository.human_replaces(FRONTEND, "tag: 3.1.1", "tag: 3.1.0")
    world.scan()
    world.repository.human_pushes({LEDGER: None}, "Free 3.1.1")
    world.restart()
    world.scan()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"


def test_G8_a_revert_during_the_push_of_another_bump_is_respected() -> None:
    world = World({FRONTEND: release(), "releases/x.yaml": release("x", "1.0.0", "semver:1", image="ghcr.io/a/x")})
    world.registry.push("ghcr.io/a/x", "1.0.0")
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    world.registry.push("ghcr.io/a/x", "1.1.0")
    world.repository.human_pushes_before_next({FRONTEND: release()}, "Revert")
    world.scan()
    assert "tag: 1.1.0" in world.repository.text("releases/x.yaml")
    world.scan()
    assert "tag: 3.1.0" in world.repository.text(FRONTEND)


def test_G9_a_foreign_folder_stops_bumps_and_says_so() -> None:
    world = World({FRONTEND: release(), LEDGER: "clusterId: somebody-else\nrun: {number: 3}\n"})
    world.registry.push(PODINFO, "3.1.1")
    turn = world.scan()
    assert "--adopt-results" in turn.says
    assert sum("--adopt-results" in sentence for sentence in world.log.sentences) == 1
    world.scan()
    assert sum("--adopt-results" in sentence for sentence in world.log.sentences) == 2
    assert world.repository.log() == ["Start"]
    world.rules = ImageRules(adopt_results=True)
    world.restart()
    world.scan()
    assert world.repository.log()[0].startswith("Auto-release")


def test_G9_another_clusters_quarantine_counts() -> None:
    world = World({FRONTEND: release(), ".gitops-canary/west/test/frontend.yaml": quarantine("3.1.1")})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    assert world.repository.log() == ["Start"]


def test_a_result_file_that_cannot_be_read_stops_bumps_until_it_can() -> None:
    world = World({FRONTEND: release(), LEDGER: "run: [\n"})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    assert world.repository.log() == ["Start"]
    assert any(f"cannot read {LEDGER}" in sentence for sentence in world.log.sentences)


# ---------------------------------------------------------------- Flux v1's acceptance rows


def test_F6_a_locked_release_stays_although_a_newer_tag_exists() -> None:
    world = World({FRONTEND: release(extra='\n    fluxcd.io/locked: "true"')})
    world.registry.push(PODINFO, "3.1.5")
    for _ in range(3):
        world.scan()
    assert world.repository.log() == ["Start"]


def test_F7_unlocked_files_move_to_the_newest_in_their_ranges() -> None:
    workload = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  namespace: test
  annotations: {fluxcd.io/automated: "true", flux.weave.works/tag.app: "glob:3.1.1-debian-9-*"}
spec: {template: {spec: {containers: [{name: app, image: bitnami/app:3.1.1-debian-9-r1}]}}}
"""
    locked = '\n    fluxcd.io/locked: "true"'
    world = World({FRONTEND: release(extra=locked), "app.yaml": workload})
    world.registry.push(PODINFO, "3.1.5", "3.2.0")
    world.registry.push("bitnami/app", "3.1.1-debian-9-r1", "3.1.1-debian-9-r2", "3.1.2-debian-9-r0")
    world.repository.human_pushes({FRONTEND: release()}, "Unlock")
    world.scan()
    assert "tag: 3.1.5\n" in world.repository.text(FRONTEND)
    assert "image: bitnami/app:3.1.1-debian-9-r2}" in world.repository.text("app.yaml")


def test_F17_an_image_without_a_tag_and_tags_without_dates_are_left_alone() -> None:
    world = World({FRONTEND: release(filter_text="glob:*"), "x.yaml": release("x", '""', "semver:*", image="a/untagged")})
    world.registry.push(PODINFO, "3.1.9", dated=False)
    world.registry.push("a/untagged", "1.0.0")
    world.scan()
    assert world.repository.log() == ["Start"]
    assert any("does not say when it was built" in sentence for sentence in world.log.sentences)
    assert any("a/untagged:1.0.0 is not bumped in x.yaml:1: it has no tag there" in sentence for sentence in world.log.sentences)


def test_by_date_only_allowed_tags_are_asked_for_their_dates_and_once() -> None:
    world = World({FRONTEND: release(filter_text="glob:main-*")})
    world.registry.push(PODINFO, "main-1", "main-2", "other")
    world.registry.push(PODINFO, "main-0", created=EPOCH - timedelta(days=1))
    world.scan()
    world.scan()
    assert "tag: main-2" in world.repository.text(FRONTEND)
    created = sorted(asked for asked in world.registry.asked if asked.startswith("created"))
    assert created == [f"created {tag} {CANONICAL}" for tag in ("3.1.0", "main-0", "main-1", "main-2")]


# ---------------------------------------------------------------- requests, failures


def test_tags_are_listed_once_per_repository_and_poll() -> None:
    world = World({f"{name}.yaml": release(name, image=image) for name, image in (("a", PODINFO), ("b", f"docker.io/{PODINFO}"))})
    world.scan()
    world.poll(after=10)
    assert world.registry.asked.count(f"tags {CANONICAL}") == 1
    world.scan()
    assert world.registry.asked.count(f"tags {CANONICAL}") == 2


def test_a_webhook_lists_its_image_at_once_in_any_spelling() -> None:
    world = World()
    world.scan()
    world.registry.push(PODINFO, "3.1.1")
    world.poll(f"docker.io/{PODINFO}:3.1.1", after=1)
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"
    world.poll("NOT AN IMAGE", after=1)


def test_a_webhook_that_names_nothing_lists_every_image() -> None:
    world = World()
    world.scan()
    world.registry.push(PODINFO, "3.1.1")
    world.poll("", after=1)
    assert world.repository.log() == ["Start"], "sync wakes this lane after every commit: nothing is asked for that"
    world.poll(EVERY_IMAGE.key, after=1)
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"


def test_a_webhook_that_comes_before_a_turn_can_look_is_not_forgotten() -> None:
    world = World()
    world.scan()
    world.registry.push(PODINFO, "3.1.1")
    world.repository.restart()
    assert world.images.ensure(world.clock.now(), frozenset({PODINFO})).says == "waiting for the first fetch"
    world.poll(after=1)
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"
    listed = world.registry.asked.count(f"tags {CANONICAL}")
    world.poll(after=1)
    assert world.registry.asked.count(f"tags {CANONICAL}") == listed, "once it was listed it waits for its poll again"


def test_a_registry_that_is_away_delays_no_other_and_is_asked_again() -> None:
    world = World({FRONTEND: release(), "x.yaml": release("x", "1.0.0", "semver:1", image="ghcr.io/a/x")})
    world.registry.push("ghcr.io/a/x", "1.1.0")
    world.registry.push(PODINFO, "3.1.1")
    world.faults.away.add(f"registry: tags {CANONICAL}")
    turn = world.scan()
    assert world.repository.log()[0] == "Auto-release ghcr.io/a/x:1.1.0"
    assert turn.not_before == world.clock.seconds + 10
    world.faults.away.clear()
    world.poll(after=11)
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"


@pytest.mark.parametrize("away", ["registry: digest", "registry: created"])
def test_a_scan_that_fails_half_way_decides_nothing(away: str) -> None:
    world = World({FRONTEND: release(filter_text="glob:3.*")})
    world.registry.push(PODINFO, "3.1.1")
    world.faults.away.add(away)
    world.scan()
    assert world.repository.log() == ["Start"]


def test_a_bad_filter_is_told_with_its_place_and_the_rest_goes_on() -> None:
    world = World({FRONTEND: release(), "bad.yaml": release("bad", filter_text="semver:banana")})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    world.scan()
    told = [sentence for sentence in world.log.sentences if "banana" in sentence]
    assert len(told) == 1
    assert "bad.yaml:1" in told[0]
    assert "tag: 3.1.1" in world.repository.text(FRONTEND)
    assert "tag: 3.1.0" in world.repository.text("bad.yaml")


def test_a_place_that_cannot_be_edited_is_told_and_the_rest_goes_on() -> None:
    block = release("block").replace("tag: 3.1.0", "tag: |-\n        3.1.0")
    world = World({FRONTEND: release(), "block.yaml": block})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    assert "tag: 3.1.1" in world.repository.text(FRONTEND)
    assert any("block of text" in sentence for sentence in world.log.sentences)


def test_B30_an_unquoted_number_as_tag_is_told_not_guessed() -> None:
    world = World({FRONTEND: release(tag="3.10")})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    assert world.repository.log() == ["Start"]
    assert any("quotes" in sentence for sentence in world.log.sentences)


def test_included_and_excluded_images_limit_what_is_scanned() -> None:
    world = World(rules=ImageRules(exclude=("index.docker.io/*",)))
    world.scan()
    assert world.registry.asked == []


def test_a_repository_without_write_access_is_told_and_tried_again() -> None:
    world = World()
    world.registry.push(PODINFO, "3.1.1")
    world.repository.writable = False
    assert "deploy key may only read" in world.scan().says
    world.repository.writable = True
    world.poll(after=11)
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"


def test_a_list_item_and_an_init_container_are_bumped_in_place() -> None:
    pod = "{spec: {initContainers: [{name: i, image: a/i:1.0.0}], containers: [{name: c, image: a/c:1.0.0}]}}"
    text = f"""apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: CronJob
  metadata:
    name: job
    namespace: test
    annotations: {{fluxcd.io/automated: "true", fluxcd.io/tag.i: "semver:1", fluxcd.io/tag.c: "semver:1"}}
  spec: {{jobTemplate: {{spec: {{template: {pod}}}}}}}
"""
    world = World({"list.yaml": text})
    world.registry.push("a/i", "1.1.0")
    world.registry.push("a/c", "1.2.0")
    world.scan()
    assert world.repository.text("list.yaml") == text.replace("a/i:1.0.0", "a/i:1.1.0").replace("a/c:1.0.0", "a/c:1.2.0")


def test_deployment_of_a_file_of_its_own_counts_what_serves() -> None:
    text = f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: test, annotations: {{fluxcd.io/automated: "true", fluxcd.io/tag.podinfo: "semver:3"}}}}
spec: {{template: {{spec: {{containers: [{{name: podinfo, image: "{PODINFO}:3.0.0"}}]}}}}}}
"""
    world = World({"app.yaml": text})
    world.canary("app", image=f"{PODINFO}:3.0.0", primary=f"{PODINFO}:3.5.0")
    world.cluster.put(deployment("app", f"{PODINFO}:3.0.0"))
    world.scan()
    assert world.repository.log() == ["Start"]
    world.registry.push(PODINFO, "3.6.0")
    world.scan()
    assert "podinfo:3.6.0" in world.repository.text("app.yaml")
