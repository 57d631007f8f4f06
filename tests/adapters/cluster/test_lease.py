"""Who leads, as values: tables for the decisions and a law over random histories of two processes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.adapters.cluster import lease
from gitops_canary.adapters.cluster.lease import Record, Standing, Timing

TIMING = Timing()
WALL = datetime(2026, 1, 1, tzinfo=UTC)


def record(holder: str = "other", renewed: str = "1", transitions: int = 0) -> Record:
    return Record(holder, 30, transitions, renewed, "0", "7")


@pytest.mark.parametrize(
    ("seen", "now", "free"),
    [
        pytest.param(None, 0.0, True, id="there is no Lease"),
        pytest.param(record(holder=""), 0.0, True, id="it was given back"),
        pytest.param(record(), 29.9, False, id="the holder may live"),
        pytest.param(record(), 30.0, True, id="the holder was silent for the whole duration"),
    ],
)
def test_o3_a_lease_is_taken_only_when_nobody_can_hold_it(seen: Record | None, now: float, free: bool) -> None:
    standing = lease.observed(Standing(), seen, 0.0)
    assert lease.may_take(standing, now) is free


def test_o3_a_renewal_seen_restarts_the_wait() -> None:
    standing = lease.observed(Standing(), record(renewed="1"), 0.0)
    standing = lease.observed(standing, record(renewed="1"), 20.0)
    assert lease.may_take(standing, 30.0)
    standing = lease.observed(standing, record(renewed="2"), 29.0)
    assert not lease.may_take(standing, 58.0)


def test_o3_nothing_starts_later_than_the_deadline_after_the_last_renewal() -> None:
    standing = lease.won(Standing(), record("me"), sent=100.0)
    assert lease.leads(standing, 114.9, TIMING)
    assert not lease.leads(standing, 115.0, TIMING)
    assert lease.expired(standing, 115.0, TIMING).ended


def test_o3_a_refused_renewal_is_a_loss_unless_it_was_our_own_write() -> None:
    leader = lease.won(Standing(), record("me"), sent=0.0)
    assert lease.overtaken(lease.observed(leader, record("other"), 5.0), "me").ended
    assert not lease.overtaken(lease.observed(leader, record("me", renewed="2"), 5.0), "me").ended
    assert lease.overtaken(lease.observed(leader, None, 5.0), "me").ended


def test_a_take_over_counts_one_transition_and_a_renewal_none() -> None:
    taken = lease.claim(Standing(record("other", transitions=4)), "me", WALL, TIMING)
    assert (taken.holder, taken.transitions, taken.version) == ("me", 5, "7")
    renewed = lease.claim(Standing(taken), "me", WALL, TIMING)
    assert (renewed.transitions, renewed.acquired) == (5, taken.acquired)


def test_a_record_survives_the_way_through_the_object() -> None:
    written = lease.lease_of(lease.claim(Standing(), "me", WALL, TIMING), "ns", "gitops-canary")
    assert "resourceVersion" not in written["metadata"]
    written["metadata"]["resourceVersion"] = "9"
    read = lease.record_of(written)
    assert (read.holder, read.duration, read.renewed, read.version) == ("me", 30, "2026-01-01T00:00:00.000000Z", "9")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.1, 40.0), st.booleans()), max_size=40))
def test_o3_two_processes_never_lead_at_the_same_time(history: list[tuple[str, float, bool]]) -> None:
    """Each step: time passes, one process runs (the other stands still, as after SIGSTOP), and its request is heard or not."""
    now, held, standings = 0.0, None, {"a": Standing(), "b": Standing()}
    for number, (me, passed, answered) in enumerate(history):
        now += passed
        mine = lease.expired(standings[me], now, TIMING)
        if answered and not mine.ended:
            if mine.renewed is None:
                mine = lease.observed(mine, held, now)
            if mine.renewed is not None and held is not None and mine.record is not None and held.renewed != mine.record.renewed:
                mine = lease.overtaken(lease.observed(mine, held, now), me)
            elif mine.renewed is not None or lease.may_take(mine, now):
                held = lease.claim(mine, me, WALL, TIMING)
                held = Record(held.holder, held.duration, held.transitions, str(number), held.acquired, str(number))
                mine = lease.won(mine, held, now)
        standings[me] = mine
        assert sum(lease.leads(one, now, TIMING) for one in standings.values()) <= 1
