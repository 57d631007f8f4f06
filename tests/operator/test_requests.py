"""What the operator costs an API server, counted in the server's own audit log: nothing when idle, two writes and an Event an advance."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.sandbox.world import Shape
from tests.operator.stage import ACCOUNT, Stage

RENEWALS = {"sandbox": 3, "real": 12}
"""Lease renewals to wait for, one every five seconds: windows of more than ten seconds and of a minute, told by a count."""
REST = 2
"""Lease renewals until what follows a release, such as the sync of its result commit, is surely done."""
ADVANCE = Counter({("patch", "virtualservices"): 1, ("patch", "canaries/status"): 1, ("create", "events"): 1})


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.control_plane)])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(Path(tmp_path_factory.mktemp("world")), shape=Shape(control_plane=request.param)) as stage:
        yield stage


def test_an_advance_is_two_writes_and_one_event_and_no_read(stage: Stage) -> None:
    advances = stage.release("3.1.1").advances()
    assert len(advances) >= 4, "too few advances without a halt to tell"
    assert advances == [ADVANCE] * len(advances)


def test_an_idle_operator_asks_for_nothing_but_its_lease(stage: Stage) -> None:
    """After a release, when it is at rest: half a minute after its start, so that the lanes' safety turns fall into the window."""
    at_rest = _renewed(stage, len(stage.audit), REST)
    renewals = RENEWALS[stage.shape.control_plane]
    _renewed(stage, at_rest, renewals)
    asked = Counter((one.verb, one.resource) for one in stage.asked_since(at_rest) if one.verb != "watch")
    assert asked == Counter({("update", "leases"): renewals})


def test_the_operator_asks_under_its_own_account_and_as_the_applier(stage: Stage) -> None:
    """The counts above are of nobody else: what the operator does in the cluster is done by these two users."""
    assert {one.user for one in stage.asked_since(0)} == {ACCOUNT, f"{ACCOUNT}-applier"}


def _renewed(stage: Stage, since: int, times: int) -> int:
    """The audit log's length once the lease was renewed so often."""
    stage.wait(f"{times} lease renewals", lambda: sum(one.resource == "leases" for one in stage.asked_since(since)) >= times)
    return len(stage.audit)
