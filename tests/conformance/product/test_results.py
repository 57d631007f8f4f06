"""Stories of results in Git: Git away, the operator killed before it recorded, people who push meanwhile, other clusters' folders."""

import os
import time
from collections.abc import Callable

import pytest
import yaml

from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.sandbox.gitd.bare import BareRepository
from gitops_canary.sandbox.world import NAMESPACE, REPOSITORY
from tests.conformance.product.apps import App, Cast
from tests.conformance.product.scripts import plain
from tests.conformance.product.stage import Stage

APPS = [
    plain("away", step=5),
    plain("awry", judged=True, threshold=5),
    plain("late", judged=True, threshold=3),
    plain("rewound"),
    plain("busy-branch"),
    plain("just-rewound"),
    plain("back-again"),
    plain("elsewhere"),
    plain("shared", judged=True),
    plain("freed", judged=True),
]

GIT_AWAY = float(os.environ.get("GITOPS_CANARY_GIT_AWAY", "0"))
"""Seconds that Git stays away at least, an hour for who has one; in CI it is back as soon as both runs have ended and that was said."""
LONGEST_TRY = 60.0
"""Seconds between two tries to record a result, when many have failed."""


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def pending(app: App) -> list[str]:
    """Outcomes that wait for Git."""
    return [one["outcome"] for one in app.status.get("pendingResults") or ()]


@pytest.mark.timeout(600 + GIT_AWAY)
def test_G1_two_runs_end_while_git_is_away_and_both_are_recorded_in_order_when_it_is_back(cast: Cast, stage: Stage) -> None:
    good, bad = cast["away"], cast["awry"]
    good.push("1.0.1")
    bad.push("1.0.1", "errors=0.5")
    for app in (good, bad):
        app.wait_phase("Progressing")
    mark, pod, back = stage.mark(), stage.operator_pods()[0], time.monotonic() + GIT_AWAY
    with stage.git_away():
        good.wait("the promotion's end", lambda: good.phase == "Succeeded" and pending(good) == ["promoted"])
        bad.wait("the rollback's end", lambda: bad.phase == "Failed" and pending(bad) == ["rolled-back"])
        stage.wait_said("2 results wait for Git: cannot push to", since=mark)
        stage.wait("Git's return", lambda: time.monotonic() >= back, patience=GIT_AWAY + 60)
        tries = sum("results wait for Git" in one.line for one in stage.log.lines[mark.lines :])
        assert tries >= GIT_AWAY / LONGEST_TRY - 2, "it is tried again for as long as it takes"
        assert [one["status"]["containerStatuses"][0]["restartCount"] for one in stage.operator_pods()] == [
            pod["status"]["containerStatuses"][0]["restartCount"]
        ], "and nobody ends it for that"
        assert (pending(good), pending(bad)) == (["promoted"], ["rolled-back"])
        assert (good.weight, good.replicas(), good.image()) == (0, 0, "1.0.1")
        assert (bad.weight, bad.replicas(), bad.image()) == (0, 0, "1.0.0")
        ends = {app.name: app.status["pendingResults"][0]["ended"] for app in (good, bad)}
    good.wait_commit("Promote app.away 1.0.1", mark)
    bad.wait_commit("Roll back app.awry 1.0.1 to 1.0.0: ", mark)
    stage.wait("nothing pending", lambda: not pending(good) and not pending(bad))
    recorded = [name for subject in stage.since(mark).subjects for name in ends if f" app.{name} " in subject]
    assert recorded in (sorted(ends, key=ends.__getitem__), *([["away", "awry"]] if ends["away"] == ends["awry"] else []))
    assert "image: shop/awry:1.0.0\n" in bad.file


def test_G5_a_persons_newer_edit_of_the_line_is_left_alone_and_the_result_says_so(cast: Cast, stage: Stage) -> None:
    app = cast["late"]
    app.push("1.0.1", "errors=0.5")
    app.wait_phase("Progressing")
    with stage.git_away():
        app.wait("a result that waits", lambda: pending(app) == ["rolled-back"])
        host = stage.world.git.repository(REPOSITORY)
        edited = host.read(app.script.path).replace(b"shop/late:1.0.1", b"shop/late:0.9.0")
        host.commit({app.script.path: edited}, "Back to what I know")
    recorded = app.results_at(app.wait_commit("Roll back app.late 1.0.1"))
    # Not before: the run of 0.9.0 could end first, and then that is what the older result says (rule G4).
    app.push("0.9.0")
    assert "image: shop/late:0.9.0\n" in app.file
    assert (recorded["run"]["edited"], "0.9.0" in recorded["run"]["says"]) == (False, True)
    assert [one["tag"] for one in recorded["quarantine"]] == ["1.0.1"]
    app.wait_promoted("0.9.0")


def noted(number: int) -> Callable[[BareRepository], object]:
    """A person's commit that lands just before the operator's push."""
    return lambda host: host.commit({"notes.md": f"Note {number}\n".encode()}, f"Note {number}")


def test_G3_commits_that_land_just_before_every_push_all_stay(cast: Cast, stage: Stage) -> None:
    app, outruns = cast["busy-branch"], stage.git.faults.outruns
    mark = stage.mark()
    outruns += [noted(0), noted(1)]
    app.push("1.0.1")
    app.wait_commit("Auto-release shop/busy-branch:1.0.1", mark)
    outruns += [noted(2), noted(3)]
    app.wait_commit("Promote app.busy-branch 1.0.1", mark)
    assert [subject for subject in stage.since(mark).subjects if "Note" in subject or "busy-branch" in subject] == [
        "Note 0",
        "Note 1",
        "Auto-release shop/busy-branch:1.0.1",
        "Note 2",
        "Note 3",
        "Promote app.busy-branch 1.0.1",
    ]


def test_G3_what_a_person_removed_by_a_rewind_just_before_a_push_does_not_come_back(cast: Cast, stage: Stage) -> None:
    app = cast["just-rewound"]
    before = stage.commits()[-1].revision
    removed = stage.person.commit({"notes.md": "Never mind\n"}, "Never mind")
    stage.wait_synced(removed)
    stage.git.faults.outruns.append(lambda host: host.rewind(before))
    app.push("1.0.1")
    app.wait_commit("Auto-release shop/just-rewound:1.0.1")
    app.wait_promoted("1.0.1")
    assert removed not in [one.revision for one in stage.commits()]
    assert app.subjects() == ["Auto-release shop/just-rewound:1.0.1", "Promote app.just-rewound 1.0.1"]


def test_G3_O2_a_rewound_branch_is_adopted_nothing_is_brought_back_and_nothing_is_pruned(cast: Cast, stage: Stage) -> None:
    app = cast["rewound"]
    config = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lost", "namespace": "rewound"}})
    before = stage.commits()[-1].revision
    lost = stage.person.commit({"apps/lost.yaml": config}, "A ConfigMap")
    stage.wait_synced(lost)
    assert app.find("configmap", "lost")
    mark = stage.mark()
    stage.person.force(before)
    stage.wait_said("the branch was rewritten", since=mark)
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    assert lost not in [one.revision for one in stage.commits()]
    assert app.find("configmap", "lost"), "what the branch lost stays in the cluster"
    entries = InventoryStore(stage.world.cluster, NAMESPACE).load().entries.values()
    (entry,) = [one for one in entries if (one.ref.kind, one.ref.namespace, one.ref.name) == ("ConfigMap", "rewound", "lost")]
    assert entry.orphaned


def test_G8_a_tag_that_a_person_took_back_is_quarantined_until_it_is_retried(cast: Cast, stage: Stage) -> None:
    app = cast["back-again"]
    app.push("1.0.1")
    app.wait_promoted("1.0.1")
    revision = app.edit("shop/back-again:1.0.1", "shop/back-again:1.0.0", "We do not like it")
    app.wait("the quarantine", lambda: app.results.get("quarantine"))
    app.wait_commit("Promote app.back-again 1.0.0")
    assert [(one["tag"], one["reason"]) for one in app.results["quarantine"]] == [("1.0.1", f"taken back by {revision[:12]}")]
    assert "image: shop/back-again:1.0.0\n" in app.file
    mark = stage.mark()
    stage.command("retry", "back-again/app")
    app.wait_commit("Retry app.back-again 1.0.1", mark)
    app.wait_commit("Promote app.back-again 1.0.1", mark)
    assert not app.results.get("quarantine")


def test_G8_deleting_the_entry_by_a_commit_frees_the_tag(cast: Cast, stage: Stage) -> None:
    app = cast["freed"]
    app.push("1.0.1", "errors=0.5")
    app.wait_commit("Roll back app.freed 1.0.1 to 1.0.0: ")
    stage.polls(3)
    mark, path = stage.mark(), ".gitops-canary/default/freed/app.yaml"
    assert app.subjects(mark) == []
    head, entry, _ = stage.person.read(path).partition("quarantine:")
    assert entry
    stage.person.commit({path: head}, "It deserves another chance")
    app.wait_commit("Auto-release shop/freed:1.0.1", mark)


def test_G9_what_another_cluster_promoted_is_not_taken_back(cast: Cast, stage: Stage) -> None:
    app = cast["shared"]
    run = {"number": 4, "outcome": "promoted", "to": {"image": "shop/shared:1.0.1"}}
    text = yaml.safe_dump({"cluster": "other", "clusterId": "other-id", "canary": "shared/app", "run": run})
    stage.person.commit({".gitops-canary/other/shared/app.yaml": text}, "Another cluster's result")
    app.push("1.0.1", "errors=0.5")
    app.wait_commit("Roll back app.shared 1.0.1")
    assert "image: shop/shared:1.0.1\n" in app.file
    recorded = app.results["run"]
    assert (recorded["edited"], recorded["differs"], "promoted in cluster other" in recorded["says"]) == (False, True, True)
    assert (app.weight, app.image()) == (0, "1.0.0")


def test_G9_what_another_cluster_quarantined_is_not_bumped(cast: Cast, stage: Stage) -> None:
    app = cast["elsewhere"]
    entry = {"image": "shop/elsewhere", "tag": "1.0.1", "reason": "success rate 50.00% < 99%"}
    text = yaml.safe_dump({"cluster": "other", "clusterId": "other-id", "canary": "elsewhere/app", "quarantine": [entry]})
    stage.person.commit({".gitops-canary/other/elsewhere/app.yaml": text}, "Another cluster's result")
    stage.polls(2)
    app.push("1.0.1")
    stage.polls(3)
    assert app.subjects() == []
    app.push("1.0.2")
    app.wait_promoted("1.0.2")
    assert app.subjects() == ["Auto-release shop/elsewhere:1.0.2", "Promote app.elsewhere 1.0.2"]


def test_G9_a_foreign_id_in_its_own_folder_stops_bumps_and_records_and_is_said(cast: Cast, stage: Stage) -> None:
    app = cast["elsewhere"]
    path = ".gitops-canary/default/elsewhere/app.yaml"
    ours = stage.person.read(path)
    foreign = ours.replace(app.results["clusterId"], "another-cluster")
    mark = stage.mark()
    stage.person.commit({path: foreign}, "A rebuilt cluster's folder")
    try:
        stage.wait_said("cannot record results or bump", "another-cluster", "--adopt-results", since=mark)
        app.push("1.0.3")
        stage.polls(5)
        assert app.subjects(mark) == []
    finally:
        stage.person.commit({path: ours}, "Ours again")
    app.wait_promoted("1.0.3")
