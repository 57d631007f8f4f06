"""Ended runs as timelines: what waits in a Canary's status becomes exactly one commit, whatever happens in between (rules G1-G11)."""

from dataclasses import replace
from typing import Any

import pytest

from gitops_canary.domain.canary.spec import Alert
from gitops_canary.domain.results import Outcome, Result, Revision
from gitops_canary.managers.results import ResultRules, ResultsManager
from gitops_canary.ports import Notice, Turn
from tests.managers.gitops_world import FRONTEND, PODINFO, World, deployment, release
from tests.memory.faults import Crash
from tests.memory.repository import message_of

LEDGER = ".gitops-canary/default/test/frontend.yaml"
BAD = f"{PODINFO}:3.1.1"
GOOD = f"{PODINFO}:3.1.0"
DIGEST = "sha256:" + "d" * 64


def result(number: int = 1, outcome: Outcome = Outcome.ROLLED_BACK, name: str = "frontend", **changed: Any) -> Result:
    back = outcome is Outcome.ROLLED_BACK
    made = Result(
        namespace="test",
        canary=name,
        number=number,
        outcome=outcome,
        reason="success rate 62.50% < 99%" if back else "",
        started="2026-01-01T00:00:00Z",
        ended="2026-01-01T00:10:00Z",
        was=Revision(GOOD),
        now=Revision(BAD, DIGEST),
        container="podinfo",
        target=f"apps/v1/Deployment/{name}",
        weight=20,
        failed_checks=2,
        put_back=back,
        quarantine=back,
    )
    return replace(made, **changed)


class Inbox:
    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        return True

    def send(self, notice: Notice) -> None:
        self.notices.append(notice)


class Results(World):
    """A world whose file holds the failed tag and whose canary has ended its run."""

    def __init__(self, files: dict[str, str] | None = None, rules: ResultRules | None = None, head: bool = True) -> None:
        self.result_rules = rules or ResultRules()
        self.inbox = Inbox()
        super().__init__(files if files is not None else {FRONTEND: release(tag="3.1.1")})
        if head:
            self.repository.fetch()

    def restart(self) -> None:
        super().restart()
        self.results = ResultsManager(self.repository, self.cluster, self.load, self.inbox, self.result_rules, self.log)

    def ends(self, *results: Result, **status: Any) -> None:
        name = results[-1].canary
        pending = [{**one.to_dict(), "outcome": one.outcome.value} for one in results]
        self.canary(name, {"phase": "Failed", **status, "pendingResults": pending}, image=BAD, primary=GOOD)

    def record(self, after: float = 0.0) -> Turn:
        self.clock.advance(after)
        return self.results.ensure(self.clock.now(), frozenset())

    def waits(self, name: str = "frontend") -> int:
        canary = next(doc for doc in self.cluster.list("flagger.app/v1beta1", "Canary") if doc["metadata"]["name"] == name)
        return len(canary["status"].get("pendingResults") or ())

    def ledger(self) -> str:
        return self.repository.text(LEDGER)


def test_G1_a_result_becomes_a_commit_and_leaves_the_status() -> None:
    world = Results()
    world.ends(result())
    turn = world.record()
    assert world.repository.log()[0] == "Roll back frontend.test 3.1.1 to 3.1.0: success rate 62.50% < 99%"
    assert world.waits() == 0
    assert [wake.lane for wake in turn.wakes] == ["sync"]
    before = (world.repository.tip, len(world.cluster.requests))
    for _ in range(10):
        world.record(after=60)
    assert (world.repository.tip, len(world.cluster.requests)) == before


def test_G5_a_rollback_puts_the_image_back_in_the_same_one_line_diff() -> None:
    world = Results()
    world.ends(result())
    world.record()
    assert world.repository.changed_lines() == ["-      tag: 3.1.1", "+      tag: 3.1.0"]
    assert len(world.repository.pushes) == 1
    assert "edited: true" in world.ledger()


def test_G10_subjects_and_trailers_say_what_happened() -> None:
    world = Results({FRONTEND: release()})
    world.registry.push(PODINFO, "3.1.1")
    world.scan()
    bump = world.repository.tip
    world.ends(result())
    world.record()
    subject, trailers = message_of(world.repository.last())
    assert trailers == {
        "Canary": "frontend.test",
        "Canary-Run-Id": "test.frontend-1",
        "Canary-Outcome": "rolled-back",
        "Image": f"{BAD}@{DIGEST}",
        "Bump-Commit": bump,
    }
    assert subject.startswith("Roll back")


SUBJECTS = [
    pytest.param(result(outcome=Outcome.PROMOTED), "Promote frontend.test 3.1.1", id="promoted"),
    pytest.param(result(outcome=Outcome.SUPERSEDED, reason="3.1.2 came"), "Supersede frontend.test 3.1.1: 3.1.2 came", id="superseded"),
    pytest.param(result(outcome=Outcome.ABORTED, reason="reverted"), "Abort frontend.test 3.1.1: reverted", id="aborted"),
    pytest.param(result(outcome=Outcome.INCONCLUSIVE, reason="gate"), "Hold frontend.test 3.1.1: gate", id="inconclusive"),
    pytest.param(
        result(outcome=Outcome.PROMOTED, was=Revision(BAD), changed="ConfigMap backend"),
        "Promote frontend.test ConfigMap backend",
        id="config",
    ),
    pytest.param(
        result(reason="a\nCanary: forged\n\x1b[31m", was=Revision(GOOD)),
        "Roll back frontend.test 3.1.1 to 3.1.0: a Canary: forged [31m",
        id="B72 no line of one's own",
    ),
]


@pytest.mark.parametrize(("ended", "subject"), SUBJECTS)
def test_G10_each_outcome_has_its_subject(ended: Result, subject: str) -> None:
    world = Results()
    world.ends(ended)
    world.record()
    assert world.repository.log()[0] == subject
    assert message_of(world.repository.last())[1]["Canary"] == "frontend.test"


def test_G10_many_results_are_many_commits_and_one_push() -> None:
    world = Results({FRONTEND: release(tag="3.1.1"), "b.yaml": release("backend", "3.1.1")})
    world.ends(result())
    world.ends(result(name="backend"))
    world.record()
    assert len(world.repository.log()) == 3
    assert len(world.repository.pushes) == 1
    assert (world.waits(), world.waits("backend")) == (0, 0)


def test_G1_results_are_recorded_in_the_order_in_which_their_runs_ended() -> None:
    world = Results({FRONTEND: release(tag="3.1.1"), "b.yaml": release("backend", "3.1.1")})
    stepped_back = result(2, Outcome.PROMOTED, now=Revision(f"{PODINFO}:3.1.2"), ended="2026-01-01T00:01:00Z")
    world.ends(result(1), stepped_back)
    world.ends(result(name="backend", ended="2026-01-01T00:11:00Z"))
    world.record()
    assert [subject.partition(":")[0] for subject in world.repository.log()[:-1]] == [
        "Roll back backend.test 3.1.1 to 3.1.0",
        "Promote frontend.test 3.1.2",
        "Roll back frontend.test 3.1.1 to 3.1.0",
    ], "one canary's clock that was set back does not turn its own runs around"


@pytest.mark.parametrize("mode", ["before", "after", "lost"])
@pytest.mark.parametrize("effect", [0, 1])
def test_G2_a_run_is_recorded_exactly_once_wherever_the_process_ends(mode: Any, effect: int) -> None:
    world = Results()
    world.ends(result())
    world.faults.plan[len(world.faults.effects) + effect] = mode
    try:
        world.record()
    except Crash:
        world.restart()
    for _ in range(3):
        world.repository.fetch()
        world.record(after=61)
    assert world.repository.log() == ["Roll back frontend.test 3.1.1 to 3.1.0: success rate 62.50% < 99%", "Start"]
    assert world.waits() == 0


def test_G2_the_number_comes_from_the_file_and_only_once_the_branch_was_read() -> None:
    world = Results({FRONTEND: release(), LEDGER: "run: {number: 7}\n"}, head=False)
    assert world.results.recorded_number("test/frontend") is None
    world.repository.fetch()
    assert world.results.recorded_number("test/frontend") == 7
    assert world.results.recorded_number("test/other") == 0


def test_G2_a_number_that_the_file_has_is_not_recorded_again() -> None:
    world = Results({FRONTEND: release(tag="3.1.1"), LEDGER: "run: {number: 7}\n"})
    world.ends(result(7))
    world.record()
    assert world.repository.log() == ["Start"]
    assert world.waits() == 0


def test_G3_a_persons_commit_in_between_is_kept_and_the_edit_runs_again() -> None:
    world = Results()
    world.ends(result())
    world.repository.human_pushes_before_next({FRONTEND: release(tag="3.1.1") + "    mine: true\n"})
    world.record()
    text = world.repository.text(FRONTEND)
    assert "mine: true" in text
    assert "tag: 3.1.0" in text
    assert world.repository.log()[1] == "Edit by hand"


def test_G5_a_persons_newer_edit_is_left_alone_and_the_tag_is_quarantined_all_the_same() -> None:
    world = Results()
    world.ends(result())
    world.repository.human_pushes_before_next({FRONTEND: release(tag="3.1.7")})
    world.record()
    assert "tag: 3.1.7" in world.repository.text(FRONTEND)
    assert "edited: false" in world.ledger()
    assert f"holds {PODINFO}:3.1.7 by now" in " ".join(world.ledger().split())
    assert "tag: 3.1.1" in world.ledger()


def test_G5_whoever_committed_the_failed_tag_it_is_put_back() -> None:
    world = Results({FRONTEND: release()})
    world.repository.human_replaces(FRONTEND, "tag: 3.1.0", "tag: 3.1.1")
    world.repository.fetch()
    world.ends(result())
    world.record()
    assert "tag: 3.1.0" in world.repository.text(FRONTEND)


def test_G4_only_the_newest_of_several_results_edits_the_image() -> None:
    world = Results()
    world.ends(result(1), result(2, Outcome.PROMOTED, was=Revision(GOOD), now=Revision(BAD)))
    world.record()
    assert world.repository.log()[:2] == [
        "Promote frontend.test 3.1.1",
        "Roll back frontend.test 3.1.1 to 3.1.0: success rate 62.50% < 99%",
    ]
    assert "tag: 3.1.1" in world.repository.text(FRONTEND)


def test_G6_a_release_is_found_by_its_helm_annotations_not_by_its_file_name() -> None:
    world = Results({"x/odd.yaml": release("other-name", "3.1.1").replace("releaseName: other-name", "releaseName: frontend")})
    world.ends(result())
    world.record()
    assert "tag: 3.1.0" in world.repository.text("x/odd.yaml")


def test_G6_a_workload_of_a_file_of_its_own_is_put_back_there() -> None:
    text = f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: frontend}}
spec: {{template: {{spec: {{containers: [{{name: side, image: "{BAD}"}}, {{name: podinfo, image: "{BAD}"}}]}}}}}}
"""
    world = Results({"d.yaml": text}, ResultRules(default_namespace="test"))
    world.ends(result())
    world.record()
    assert world.repository.text("d.yaml") == text.replace(f'podinfo, image: "{BAD}"', f'podinfo, image: "{GOOD}"')


TWICE = release(tag="3.1.1") + f"    side:\n      image: {BAD}\n"
NOWHERE = [
    pytest.param({FRONTEND: TWICE}, "2 image locations", id="two"),
    pytest.param({FRONTEND: release(image="a/b", tag="3.1.1")}, "no image location", id="none"),
    pytest.param({"x.yaml": release("x")}, "no HelmRelease", id="no release"),
    pytest.param({"a.yaml": release(tag="3.1.1"), "b.yaml": release(tag="3.1.1")}, "more than one HelmRelease", id="B34 two releases"),
    pytest.param({FRONTEND: release(tag="|-\n        3.1.1")}, "block of text", id="a block"),
]


@pytest.mark.parametrize(("files", "why"), NOWHERE)
def test_G6_none_or_two_locations_are_not_edited_and_the_result_says_why(files: dict[str, str], why: str) -> None:
    world = Results(dict(files))
    world.ends(result())
    world.record()
    assert world.repository.changed_lines() == []
    assert why in " ".join(world.ledger().split())
    assert "edited: false" in world.ledger()
    assert "differs: true" in world.ledger()
    assert world.cluster.list("flagger.app/v1beta1", "Canary")[0]["status"]["differs"]


def shared(world: Results, other: dict[str, Any]) -> None:
    """Two canaries behind one HelmRelease."""
    world.canary("twin", other, image=BAD, primary=GOOD)
    twin = deployment("twin", BAD, {"meta.helm.sh/release-name": "frontend", "meta.helm.sh/release-namespace": "test"})
    world.cluster.put(twin)


@pytest.mark.parametrize(
    ("run", "tag"),
    [
        pytest.param({"number": 1, "now": {"image": BAD}}, "3.1.1", id="still analysing"),
        pytest.param({"number": 1, "now": {"image": BAD}, "outcome": "promoted"}, "3.1.1", id="promoted it"),
        pytest.param({"number": 1, "now": {"image": BAD}, "outcome": "rolled-back"}, "3.1.0", id="rolled back too"),
        pytest.param({"number": 1, "now": {"image": GOOD}, "outcome": "promoted"}, "3.1.0", id="promoted another"),
        pytest.param({"number": 1, "now": {"image": BAD}, "outcome": "aborted", "serves": True}, "3.1.1", id="serves it from its target"),
    ],
)
def test_G6_a_shared_key_is_put_back_when_all_have_ended_and_none_promoted(run: dict[str, Any], tag: str) -> None:
    world = Results()
    shared(world, {"phase": "Progressing", "run": run})
    world.ends(result())
    world.record()
    assert f"tag: {tag}\n" in world.repository.text(FRONTEND)


@pytest.mark.parametrize(
    ("outcome", "run", "serves", "tag"),
    [
        pytest.param(Outcome.ABORTED, "rolled-back", False, "3.1.0", id="aborted after one failed"),
        pytest.param(Outcome.INCONCLUSIVE, "rolled-back", False, "3.1.0", id="inconclusive after one failed"),
        pytest.param(Outcome.ABORTED, "aborted", False, "3.1.1", id="nobody judged it bad"),
        pytest.param(Outcome.ABORTED, "promoted", False, "3.1.1", id="the other promoted it"),
        pytest.param(Outcome.ABORTED, "rolled-back", True, "3.1.1", id="its own target serves it"),
        pytest.param(Outcome.PROMOTED, "rolled-back", False, "3.1.1", id="promoted after one failed"),
    ],
)
def test_G6_whoever_ends_last_puts_back_what_another_canary_of_the_key_failed(outcome: Outcome, run: str, serves: bool, tag: str) -> None:
    world = Results()
    shared(world, {"phase": "Failed", "run": {"number": 1, "now": {"image": BAD}, "outcome": run}})
    world.ends(result(outcome=outcome), run={"number": 1, "now": {"image": BAD}, "outcome": outcome.value, "serves": serves})
    world.record()
    assert f"tag: {tag}\n" in world.repository.text(FRONTEND)
    assert ("edited: true" in world.ledger()) == (tag == "3.1.0")


def test_G7_what_cannot_be_put_back_names_the_commit_that_brought_it() -> None:
    world = Results({FRONTEND: release()})
    culprit = world.repository.human_replaces(FRONTEND, "chart: {path: charts/podinfo}", "chart: {path: charts/pod}", "Another chart")
    world.repository.fetch()
    world.ends(result(was=Revision(GOOD), now=Revision(GOOD), changed="values", quarantine=False, put_back=False))
    world.record()
    message = world.repository.last().message
    assert message.startswith("Roll back frontend.test values: success rate")
    assert f"{FRONTEND} was changed last by {culprit[:12]} (Ada): Another chart" in message
    assert "differs: true" in world.ledger()


def test_G8_a_failed_tag_is_not_bumped_again_until_its_entry_is_deleted() -> None:
    world = Results()
    world.registry.push(PODINFO, "3.1.1", digest=DIGEST)
    world.ends(result())
    world.record()
    world.canary(status={"phase": "Failed"})
    for _ in range(10):
        world.scan()
    assert world.repository.log()[0].startswith("Roll back")
    assert f"digest: {DIGEST}" in world.ledger()
    world.repository.human_pushes({LEDGER: world.ledger().partition("quarantine:")[0]}, "Free it")
    world.scan()
    assert world.repository.log()[0] == f"Auto-release {PODINFO}:3.1.1"


def test_G8_a_superseded_tag_is_not_quarantined() -> None:
    world = Results()
    world.ends(result(outcome=Outcome.SUPERSEDED, reason="3.1.2 came"))
    world.record()
    assert "quarantine" not in world.ledger().partition("cluster:")[2]


def test_G9_the_file_says_what_happened_and_whose_it_is() -> None:
    world = Results()
    world.ends(result())
    world.record()
    text = world.ledger()
    for part in (
        "clusterId: memory-cluster",
        "canary: test/frontend",
        "id: test.frontend-1",
        f"image: {BAD}",
        "highestWeight: 20",
        "rolled-back: 1",
    ):
        assert part in text


def test_G9_a_foreign_folder_is_not_written_and_said_at_every_poll() -> None:
    world = Results({FRONTEND: release(tag="3.1.1"), LEDGER: "clusterId: other\nrun: {number: 3}\n"})
    world.ends(result(4))
    assert "--adopt-results" in world.record().says
    assert "--adopt-results" in world.record(after=61).says
    assert (world.repository.log(), world.waits()) == (["Start"], 1)
    world.result_rules = ResultRules(adopt=True)
    world.restart()
    world.record()
    assert "clusterId: memory-cluster" in world.ledger()


def test_G9_what_another_cluster_promoted_is_not_taken_back() -> None:
    west = f"clusterId: w\nrun: {{number: 9, outcome: promoted, to: {{image: '{BAD}'}}}}\n"
    world = Results({FRONTEND: release(tag="3.1.1"), ".gitops-canary/west/test/frontend.yaml": west})
    world.ends(result())
    world.record()
    assert "tag: 3.1.1" in world.repository.text(FRONTEND)
    assert "promoted in cluster west" in " ".join(world.ledger().split())
    assert "differs: true" in world.ledger()


def test_git_away_for_an_hour_while_two_runs_end_loses_nothing() -> None:
    world = Results()
    world.faults.away.add("git: ")
    world.ends(result(1))
    world.record()
    world.ends(result(1), result(2, Outcome.PROMOTED, now=Revision(f"{PODINFO}:3.1.2")))
    for _ in range(60):
        world.record(after=60)
    assert world.waits() == 2
    world.faults.away.clear()
    world.record(after=61)
    assert world.repository.log()[:2] == [
        "Promote frontend.test 3.1.2",
        "Roll back frontend.test 3.1.1 to 3.1.0: success rate 62.50% < 99%",
    ]
    assert world.waits() == 0


def test_R13_a_deleted_canarys_result_is_recorded_with_nothing_edited() -> None:
    world = Results()
    world.ends(result(outcome=Outcome.ABORTED, reason="canary deleted"))
    world.record()
    assert world.repository.log()[0] == "Abort frontend.test 3.1.1: canary deleted"
    assert world.repository.changed_lines() == []


def test_G1_a_result_that_comes_while_one_is_recorded_is_not_lost() -> None:
    world = Results()
    world.ends(result(1))
    second = result(2, Outcome.PROMOTED)
    world.repository.before_push.append(lambda: world.ends(result(1), second))
    world.record()
    assert world.waits() == 2
    world.record(after=1)
    assert world.waits() == 0
    assert len(world.repository.log()) == 3


def notice(kind: str = "result") -> Notice:
    return Notice(f"test.frontend-1/{kind}", "error", "frontend.test", "Canary failed")


def test_G1_an_alert_carries_the_link_to_the_commit() -> None:
    world = Results()
    world.repository.url = "ssh://git@github.com/acme/cluster.git"
    world.ends(result())
    world.results.notices.send(notice())
    assert world.inbox.notices == []
    world.record()
    assert [one.link for one in world.inbox.notices] == [f"https://github.com/acme/cluster/commit/{world.repository.tip}"]


def test_G1_an_alert_waits_ten_seconds_for_git_and_no_longer() -> None:
    world = Results()
    world.faults.away.add("git: ")
    world.ends(result())
    world.results.notices.send(notice())
    turn = world.record()
    assert turn.not_before is not None
    assert turn.not_before <= world.clock.seconds + 10
    world.record(after=9)
    assert world.inbox.notices == []
    world.record(after=1)
    assert [one.link for one in world.inbox.notices] == [""]
    world.faults.away.clear()
    world.record(after=61)
    assert len(world.inbox.notices) == 1


def test_other_notices_pass_at_once() -> None:
    world = Results()
    world.results.notices.send(notice("started"))
    assert len(world.inbox.notices) == 1


def test_one_broken_result_file_delays_no_other_canary() -> None:
    world = Results({FRONTEND: release(tag="3.1.1"), "b.yaml": release("backend", "3.1.1"), LEDGER: "run: [\n"})
    world.ends(result())
    world.ends(result(name="backend"))
    turn = world.record()
    assert f"cannot read {LEDGER}" in turn.says
    assert (world.waits(), world.waits("backend")) == (1, 0)


def test_what_is_no_result_of_ours_is_told_and_dropped() -> None:
    world = Results()
    world.ends(result())
    canary = world.cluster.list("flagger.app/v1beta1", "Canary")[0]
    pending = [*canary["status"]["pendingResults"], {"what": "ever"}]
    world.canary(status={"phase": "Failed", "pendingResults": pending}, image=BAD, primary=GOOD)
    world.record()
    assert any("none of ours" in sentence for sentence in world.log.sentences)
    assert len(world.repository.log()) == 2


def test_R8_the_image_that_git_holds_is_known() -> None:
    world = Results()
    world.ends(result())
    assert world.results.file_image("test/frontend", "podinfo") == BAD
    assert world.results.file_image("test/frontend", "other") is None
    assert world.results.file_image("test/none", "podinfo") is None
