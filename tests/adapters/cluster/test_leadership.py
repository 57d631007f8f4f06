"""One leader at a time, on a real Lease: taken, given back, lost to another while frozen; and the label on its pod (rules O3, O4)."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.cluster.leadership import LEADER_LABEL, LeaseLeadership
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import NotLeader
from gitops_canary.domain.resources import Ref
from gitops_canary.ports import Moment
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.adapters.cluster.support import CONFIG_MAP, Proxy, config_map, connect, ref, server_of, through, watching

LEASE = "gitops-canary"


@dataclass
class SetClock:
    """Time goes on when the test says so."""

    mono: float = 1000.0

    def now(self) -> Moment:
        return Moment(self.mono, datetime.fromtimestamp(self.mono, UTC))


class Contender:
    """A process wanting to lead, as the operator's loop drives it."""

    def __init__(self, connection: Connection, clock: SetClock, namespace: str, name: str, pod: str = "") -> None:
        self.clock = clock
        self.leadership = LeaseLeadership(connection, clock, make_log(stream=io.StringIO()), namespace=namespace, identity=name, pod=pod)

    def step(self) -> bool:
        """One step; whether it leads afterwards."""
        self.leadership.step(self.clock.now())
        return self.leadership.leads(self.clock.now())


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def pod(connection: Connection, namespace: str, name: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": "x:1"}], "automountServiceAccountToken": False}}
    connection.request("POST", f"/api/v1/namespaces/{namespace}/pods", doing="make a pod", body=body)


def leaders(connection: Connection, namespace: str) -> list[str]:
    query = {"labelSelector": f"{LEADER_LABEL}=true"}
    found = connection.request("GET", f"/api/v1/namespaces/{namespace}/pods", doing="list pods", query=query).doc()
    return [one["metadata"]["name"] for one in found["items"]]


def test_o3_the_first_leads_and_the_second_waits(connection: Connection, namespace: str, clock: SetClock) -> None:
    first, second = Contender(connection, clock, namespace, "a"), Contender(connection, clock, namespace, "b")
    assert (first.step(), second.step()) == (True, False)
    for _ in range(10):
        clock.mono += 5
        assert (first.step(), second.step()) == (True, False)
    assert first.leadership.term == ("a", 0)
    second.leadership.step(clock.now())
    assert second.leadership.term == ("a", 0)


def test_o3_a_lease_given_back_is_taken_at_the_next_step(connection: Connection, namespace: str, clock: SetClock) -> None:
    first, second = Contender(connection, clock, namespace, "a"), Contender(connection, clock, namespace, "b")
    first.step()
    first.leadership.release()
    assert second.step()
    assert second.leadership.term == ("b", 1)
    assert not first.leadership.lost()
    with pytest.raises(NotLeader):
        first.leadership.guard()


def test_o3_a_silent_leader_may_not_act_long_before_it_is_replaced(connection: Connection, namespace: str, clock: SetClock) -> None:
    first, second = Contender(connection, clock, namespace, "a"), Contender(connection, clock, namespace, "b")
    first.step()
    second.step()
    clock.mono += 14.9
    first.leadership.guard()
    clock.mono += 0.1
    with pytest.raises(NotLeader, match=r"cannot act: a does not hold Lease t-\w+/gitops-canary"):
        first.leadership.guard()
    assert not second.step()
    clock.mono += 15
    assert second.step()
    # It comes back from its pause: it must not even try to renew.
    first.leadership.step(clock.now())
    assert first.leadership.lost()
    assert second.step()


def test_o3_a_leader_that_slept_too_long_ends_though_nobody_took_its_place(connection: Connection, namespace: str, clock: SetClock) -> None:
    first = Contender(connection, clock, namespace, "a")
    first.step()
    clock.mono += 15
    assert not first.step()
    assert first.leadership.lost()


def test_o3_a_leader_that_was_overwritten_has_lost_at_once(connection: Connection, namespace: str, clock: SetClock) -> None:
    first = Contender(connection, clock, namespace, "a")
    first.step()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    held = connection.request("GET", path, doing="read the lease").doc()
    held["spec"]["holderIdentity"] = "b"
    connection.request("PUT", path, doing="take the lease", body=held)
    clock.mono += 5
    assert not first.step()
    assert first.leadership.lost()


def test_o3_a_renewal_whose_answer_was_lost_is_not_a_loss(connection: Connection, namespace: str, clock: SetClock) -> None:
    """Somebody without standing touched the object: the version is stale, the holder is still us."""
    first = Contender(connection, clock, namespace, "a")
    first.step()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    held = connection.request("GET", path, doing="read the lease").doc()
    held["metadata"]["annotations"] = {"touched": "1"}
    connection.request("PUT", path, doing="touch the lease", body=held)
    clock.mono += 5
    assert first.step()


def test_o3_an_unreachable_server_is_survived_until_the_deadline(kubeconfig: Path, namespace: str, clock: SetClock, tmp_path: Path) -> None:
    proxy = Proxy(server_of(kubeconfig))
    first = Contender(connect(through(proxy, kubeconfig, tmp_path)), clock, namespace, "a")
    assert first.step()
    proxy.cut()
    clock.mono += 5
    assert first.step()
    proxy.mend()
    clock.mono += 5
    assert first.step()
    proxy.cut()
    clock.mono += 15
    assert not first.step()
    assert first.leadership.lost()
    proxy.close()


def test_o3_a_connection_that_died_in_silence_costs_one_renewal_not_the_lease(
    kubeconfig: Path, namespace: str, clock: SetClock, tmp_path: Path
) -> None:
    proxy = Proxy(server_of(kubeconfig))
    first = Contender(connect(through(proxy, kubeconfig, tmp_path)), clock, namespace, "a")
    first.step()
    clock.mono += 5
    assert proxy.freeze() == 1
    # The request hangs for three seconds of real time; the set clock shows what the operator's loop then has left.
    first.step()
    clock.mono += 5
    assert first.step()
    clock.mono += 14
    first.leadership.guard()
    proxy.close()


@pytest.mark.control_plane
def test_o3_being_stepped_often_costs_no_more_than_one_request_each_retry(
    control_plane: ControlPlane, real_namespace: str, clock: SetClock
) -> None:
    leader = Contender(connect(control_plane.kubeconfig("mesh")), clock, real_namespace, "a")
    leader.step()
    mark = control_plane.audit_mark()
    for _ in range(60):
        clock.mono += 1
        leader.step()
    asked = [(one.verb, one.resource) for one in control_plane.audit(mark, user="mesh")]
    assert asked == [("update", "leases")] * 12


def test_o4_only_the_leaders_pod_has_the_label(connection: Connection, namespace: str, clock: SetClock) -> None:
    for name in ("a-0", "b-0"):
        pod(connection, namespace, name)
    first = Contender(connection, clock, namespace, "a", pod="a-0")
    first.step()
    assert leaders(connection, namespace) == ["a-0"]
    second = Contender(connection, clock, namespace, "b", pod="b-0")
    second.step()
    assert leaders(connection, namespace) == ["a-0"]
    clock.mono += 30
    second.step()
    assert leaders(connection, namespace) == ["b-0"]
    second.leadership.release()
    assert leaders(connection, namespace) == []


def test_o4_a_process_takes_a_label_of_an_earlier_life_off_its_pod(connection: Connection, namespace: str, clock: SetClock) -> None:
    pod(connection, namespace, "a-0")
    with watching(connect_again(connection)) as (cluster, _):
        cluster.patch(Ref("v1", "Pod", namespace, "a-0"), {"metadata": {"labels": {LEADER_LABEL: "true"}}})
    Contender(connection, clock, namespace, "a", pod="a-0")
    assert leaders(connection, namespace) == []


def connect_again(connection: Connection) -> Connection:
    return Connection(connection._load, connection.limits)


@contextmanager
def holder(kubeconfig: Path, namespace: str, identity: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.adapters.cluster.lease_holder", str(kubeconfig), namespace, identity]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def test_o3_a_leader_frozen_with_sigstop_never_writes_after_its_successor(connection: Connection, kubeconfig: Path, namespace: str) -> None:
    ledger = config_map(namespace, "ledger")
    writers: list[str] = []
    with watching(connection, CONFIG_MAP, namespace=namespace) as (cluster, changes):
        cluster.subscribe(
            lambda *_: writers.append(((cluster.get(ref(ledger)) or ledger)["metadata"].get("annotations") or {}).get("by", ""))
        )
        cluster.apply(ledger)
        with holder(kubeconfig, namespace, "a") as first:
            changes.until(lambda: "a" in writers)
            with holder(kubeconfig, namespace, "b"):
                first.send_signal(signal.SIGSTOP)
                changes.until(lambda: "b" in writers)
                first.send_signal(signal.SIGCONT)
                assert first.wait(30) == 0
                since = len(writers)
                cluster.patch(ref(ledger), {"metadata": {"annotations": {"by": "test"}}})
                changes.until(lambda: "b" in writers[since:])
    assert "a" not in writers[writers.index("b") :]
