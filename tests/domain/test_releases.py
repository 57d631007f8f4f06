"""What a release needs in each situation (rules H1-H4), and what its inputs and its status are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain import helmrelease
from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.helmrelease import HelmReleaseSpec, Rollback
from gitops_canary.domain.releases import ACTIONS, Action, Situation, Stored, action_for, classify
from gitops_canary.domain.releases_status import (
    Conditions,
    Failure,
    Mark,
    Record,
    conditions_of,
    record_of,
    status_patch,
)
from gitops_canary.domain.releases_values import inputs_of, merge_values

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SPEC = HelmReleaseSpec("frontend", "test", "frontend", "test", path="charts/podinfo")
ME, NEXT, TWIN = "pod-a#4", "pod-b#5", "pod-b#4"
DONE = Record(inputs="new", revision=2)
FIRST, SECOND = Stored(1, "superseded"), Stored(2, "deployed")
BROKEN = (FIRST, SECOND, Stored(3, "failed"))
ROLL = replace(SPEC, rollback=Rollback(enable=True))
TEST = replace(SPEC, test=helmrelease.Tests(enable=True))


def at(seconds: float) -> str:
    return stamp(NOW + timedelta(seconds=seconds))


def mark(by: str = ME, *, action: str = "upgrade", revision: int = 3, until: float = 300) -> Mark:
    return Mark(by, action, "new", revision, at(-10), at(until))


def failed(count: int = 1, ago: float = 10, inputs: str = "new") -> Failure:
    return Failure(inputs, count, at(-ago), "it broke")


PENDING = (FIRST, SECOND, Stored(3, "pending-upgrade"))
CASES: list[Any] = [
    pytest.param(SPEC, Record(), (), "absent", id="nothing is installed"),
    pytest.param(SPEC, DONE, (FIRST, SECOND), "in sync", id="unchanged inputs are left alone"),
    pytest.param(SPEC, replace(DONE, inputs="old"), (FIRST, SECOND), "changed", id="the chart or the values have changed"),
    pytest.param(SPEC, Record(), (FIRST, SECOND), "changed", id="a release that somebody else installed is taken over"),
    pytest.param(SPEC, DONE, (FIRST, SECOND, Stored(3, "deployed")), "changed by somebody else", id="helm upgrade by hand"),
    pytest.param(SPEC, replace(DONE, failure=failed()), BROKEN, "failed, waiting", id="H1 the same inputs wait after a failure"),
    pytest.param(SPEC, replace(DONE, failure=failed(ago=31)), BROKEN, "failed, to be tried again", id="H1 and are tried again"),
    pytest.param(SPEC, replace(DONE, failure=failed(inputs="other")), BROKEN, "changed", id="H1 other inputs are tried at once"),
    pytest.param(SPEC, replace(DONE, inputs="old", failure=failed()), (FIRST, SECOND), "failed, waiting", id="H1 failed, no revision"),
    pytest.param(SPEC, Record(failure=failed()), (), "failed, waiting", id="H1 a failed installation waits too"),
    pytest.param(SPEC, replace(DONE, mark=mark()), PENDING, "left pending by us", id="H2 this holder's own, and no job of it runs"),
    pytest.param(SPEC, replace(DONE, mark=mark(NEXT)), PENDING, "left pending by us", id="H2 its holder has lost the lease"),
    pytest.param(SPEC, replace(DONE, mark=mark(TWIN)), PENDING, "under way", id="H2 another one without leader election is at it"),
    pytest.param(SPEC, replace(DONE, mark=mark(TWIN, until=-1)), PENDING, "left pending by us", id="H2 its time is up"),
    pytest.param(SPEC, DONE, PENDING, "left pending by somebody else", id="H2 no mark of ours"),
    pytest.param(SPEC, replace(DONE, mark=mark(revision=9)), PENDING, "left pending by somebody else", id="H2 a mark for another revision"),
    pytest.param(SPEC, replace(DONE, mark=mark()), (FIRST, SECOND, Stored(3, "deployed")), "done but not recorded", id="H2 done"),
    pytest.param(ROLL, replace(DONE, failure=failed()), BROKEN, "to be rolled back", id="rollback enabled"),
    pytest.param(ROLL, replace(DONE, failure=failed()), (Stored(1, "failed"),), "failed, waiting", id="no revision to go back to"),
    pytest.param(ROLL, Record("old", 4, rolled_back="new", failure=failed()), (*BROKEN, Stored(4, "deployed")), "rolled back", id="rests"),
    pytest.param(TEST, DONE, (FIRST, SECOND), "to be tested", id="tests come after the upgrade"),
    pytest.param(TEST, replace(DONE, tested="new"), (FIRST, SECOND), "in sync", id="tests run once"),
    pytest.param(
        TEST, Record("new", 1, tested="new", failure=failed()), (Stored(1, "deployed"),), "to be removed", id="tests of a first revision"
    ),
    pytest.param(TEST, replace(DONE, tested="new", failure=failed()), (FIRST, SECOND), "failed, waiting", id="tests failed"),
]


@pytest.mark.parametrize(("spec", "record", "history", "expected"), CASES)
def test_a_situation_is_recognised(spec: HelmReleaseSpec, record: Record, history: tuple[Stored, ...], expected: str) -> None:
    verdict = classify(spec, record, history, "new", NOW, ME)
    assert verdict.situation == expected, verdict.reason
    assert verdict.reason


def test_H2_a_release_left_pending_goes_forward_and_never_back() -> None:
    assert ACTIONS[Situation.LEFT_PENDING] is Action.MARK_FAILED
    after = (FIRST, SECOND, Stored(3, "failed"))
    assert action_for(classify(ROLL, replace(DONE, inputs="old"), after, "new", NOW, ME)) is Action.UPGRADE


def test_nothing_is_decided_while_a_job_runs() -> None:
    assert action_for(classify(SPEC, Record(), (), "new", NOW, ME, busy=True)) is Action.WAIT


def test_every_situation_has_an_action() -> None:
    assert set(ACTIONS) == set(Situation)


@pytest.mark.parametrize(
    ("count", "wait"), [(1, 30), (2, 60), (3, 120), (7, 1800), (40, 1800), (10_000, 1800)], ids=lambda value: f"{value}"
)
def test_H1_the_wait_doubles_from_30_seconds_to_30_minutes(count: int, wait: float) -> None:
    assert failed(count, ago=0).retry_at() == NOW.timestamp() + wait


def test_F24_retries_after_rollbacks_end_at_max_retries() -> None:
    spec = replace(SPEC, rollback=Rollback(enable=True, retry=True, max_retries=1))
    history = (*BROKEN, Stored(4, "deployed"))
    seen = []
    for rollbacks in (1, 2):
        record = Record("old", 4, rolled_back="new", rollbacks=rollbacks, failure=failed(ago=9999))
        seen.append(classify(spec, record, history, "new", NOW, ME).situation)
    assert seen == [Situation.RETRY, Situation.ROLLED_BACK]


def test_F25_what_made_no_revision_is_not_rolled_back() -> None:
    record = replace(DONE, inputs="old", failure=failed())
    assert classify(ROLL, record, (FIRST, SECOND), "new", NOW, ME).situation == Situation.WAITING


records = st.builds(
    Record,
    inputs=st.sampled_from(["", "old", "new"]),
    revision=st.integers(0, 4),
    tested=st.sampled_from(["", "new"]),
    rolled_back=st.sampled_from(["", "new"]),
    rollbacks=st.integers(0, 6),
    release=st.sampled_from(["", "frontend"]),
    mark=st.none() | st.builds(mark, st.sampled_from([ME, NEXT, TWIN]), revision=st.integers(1, 4), until=st.sampled_from([-1, 300])),
    failure=st.none() | st.builds(failed, st.integers(1, 9), st.sampled_from([0, 9999]), st.sampled_from(["old", "new"])),
)
histories = st.lists(
    st.sampled_from(["deployed", "failed", "superseded", "pending-upgrade", "pending-install", "uninstalled"]), max_size=4
).map(lambda statuses: tuple(Stored(number, status) for number, status in enumerate(statuses, 1)))


@given(records, histories, st.sampled_from([SPEC, ROLL, TEST]))
def test_H2_only_a_mark_of_ours_lets_a_pending_release_be_touched(
    record: Record, history: tuple[Stored, ...], spec: HelmReleaseSpec
) -> None:
    action = action_for(classify(spec, record, history, "new", NOW, ME))
    pending = bool(history) and history[-1].pending
    assert (action is Action.MARK_FAILED) <= (pending and record.mark is not None)
    assert pending <= (action in (Action.MARK_FAILED, Action.REPORT, Action.WAIT))


@given(records)
def test_a_record_survives_its_status(record: Record) -> None:
    assert record_of({**status_patch(record), "releaseName": record.release}) == record


def test_R12_a_status_of_the_helm_operator_knows_no_inputs() -> None:
    status = {"observedGeneration": 3, "phase": "Succeeded", "releaseName": "frontend", "rollbackCount": 1, "record": "odd", "failure": 7}
    assert record_of(status) == Record(release="frontend", rollbacks=1)


def test_conditions_are_the_helm_operators_and_keep_their_times() -> None:
    first = Conditions().after("Upgrading", "at work", NOW)
    done = first.after("Deployed", "done", NOW).after("Succeeded", "done", NOW + timedelta(seconds=5))
    assert {entry["type"]: (entry["status"], entry["reason"]) for entry in done.entries} == {
        "Deployed": ("True", "Deployed"),
        "Released": ("True", "Succeeded"),
    }
    again = done.after("Succeeded", "done", NOW + timedelta(hours=1))
    assert again == done
    assert conditions_of({"conditions": list(done.entries)}) == done
    assert conditions_of({"conditions": "odd"}) == Conditions()


def test_F22_a_failed_upgrade_is_neither_deployed_nor_released() -> None:
    entries = Conditions().after("DeployFailed", "no", NOW).entries
    assert {entry["type"]: entry["status"] for entry in entries} == {"Deployed": "False", "Released": "False"}


@pytest.mark.parametrize(
    ("sources", "merged"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([{"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}], {"a": {"b": 1, "c": 3}}, id="maps are merged deep"),
        pytest.param([{"a": [1, 2]}, {"a": [3]}], {"a": [3]}, id="lists are replaced"),
        pytest.param([{"a": {"b": 1}}, {"a": "text"}], {"a": "text"}, id="a scalar replaces a map"),
        pytest.param([{"a": "text"}, {"a": {"b": 1}}], {"a": {"b": 1}}, id="a map replaces a scalar"),
        pytest.param([{"a": {"b": 1}}, {"a": {"b": None}}], {"a": {"b": None}}, id="null is a value: Helm takes it as unset"),
    ],
)
def test_values_are_merged_as_the_helm_operator_does(sources: list[dict[str, Any]], merged: dict[str, Any]) -> None:
    assert merge_values(sources) == merged


def test_absurdly_nested_values_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="64 deep"):
        merge_values([deep])


def test_inputs_depend_on_chart_values_and_rules_and_on_nothing_else() -> None:
    base = inputs_of(SPEC, "chart", {"a": 1, "b": 2})
    assert base == inputs_of(replace(SPEC, timeout=9, max_history=3, wait=True), "chart", {"b": 2, "a": 1})
    others = [
        inputs_of(SPEC, "other", {"a": 1, "b": 2}),
        inputs_of(SPEC, "chart", {"a": 1, "b": 3}),
        inputs_of(SPEC, "chart", {"a": 1, "b": "2"}),
        inputs_of(replace(SPEC, reset_values=False), "chart", {"a": 1, "b": 2}),
        inputs_of(replace(SPEC, release="x"), "chart", {"a": 1, "b": 2}),
    ]
    assert len({base, *others}) == 6
