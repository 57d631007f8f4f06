"""Leadership by a Lease: asks and renews when stepped, guards every effect, labels the leader's pod (rules O3, O4)."""

import contextlib
from dataclasses import replace
from typing import Any

from gitops_canary.adapters.cluster import lease
from gitops_canary.adapters.cluster.connection import MERGE_PATCH, Connection
from gitops_canary.adapters.cluster.discovery import Kind
from gitops_canary.adapters.cluster.lease import Record, Standing, Timing
from gitops_canary.domain.errors import Conflict, GitopsCanaryError, NotLeader
from gitops_canary.ports import Clock, Log, Moment

NAME = "gitops-canary"
LEADER_LABEL = "gitops-canary.dev/leader"
"""The Service selects it, so that webhooks reach the one process that acts on them."""
LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases", True)
PATIENCE = 3.0
"""Seconds a request about the Lease may take: one that hangs on a dead connection must leave time for another before the deadline."""
PODS = Kind("v1", "Pod", "pods", True)


class LeaderLabel:
    """The label on the leader's pod; `pod` "" = not in a pod, then nothing is labelled."""

    def __init__(self, connection: Connection, namespace: str, pod: str) -> None:
        self._http, self._namespace, self._pod = connection, namespace, pod

    def put_on(self) -> None:
        """Off every other pod first: two pods behind the Service would be worse than none."""
        if not self._pod:
            return
        query = {"labelSelector": f"{LEADER_LABEL}=true"}
        found = self._http.request("GET", PODS.path(self._namespace), doing="list the pods of earlier leaders", query=query).doc()
        for other in {one["metadata"]["name"] for one in found["items"]} - {self._pod}:
            self._set(other, None)
        self._set(self._pod, "true")

    def take_off(self) -> None:
        if self._pod:
            self._set(self._pod, None)

    def _set(self, pod: str, value: str | None) -> None:
        body = {"metadata": {"labels": {LEADER_LABEL: value}}}
        path = PODS.path(self._namespace, pod)
        self._http.request("PATCH", path, doing=f"label Pod {self._namespace}/{pod}", body=body, content=MERGE_PATCH, missing_ok=True)


class LeaseLeadership:
    """The operator's `Leadership`. `identity` is unique to this process: a restarted pod is another holder.

    `step` is called by one thread; `leads`, `guard` and `term` by any.
    """

    def __init__(
        self, connection: Connection, clock: Clock, log: Log, *, namespace: str, identity: str, pod: str = "", timing: Timing | None = None
    ) -> None:
        self._http, self._clock, self._log = connection, clock, log
        self._namespace, self._me, self._timing = namespace, identity, timing or Timing()
        self._label = LeaderLabel(connection, namespace, pod)
        self._label_is_right = self._try_label(LeaderLabel.take_off)
        self._standing = Standing()
        self._said = ""
        self._due = 0.0

    @property
    def term(self) -> tuple[str, int]:
        """Holder and transition of the Lease as last seen: who wrote a mark, and whether that one still leads (rule H2)."""
        record = self._standing.record
        return (record.holder, record.transitions) if record is not None else ("", 0)

    def step(self, now: Moment) -> float:
        """Renews or asks for the Lease when that is due; returns when it will be. Never raises: an unreachable server is only said."""
        self._set(lease.expired(self._standing, now.mono, self._timing))
        if now.mono < self._due:
            return self._due
        self._due = now.mono + self._timing.retry
        if not self._standing.ended:
            try:
                self._renew(now) if self._standing.renewed is not None else self._ask(now)
                self._said = ""
            except GitopsCanaryError as error:
                self._say(str(error))
            self._set(lease.expired(self._standing, self._clock.now().mono, self._timing))
        if self._standing.renewed is not None and not self._standing.ended and not self._label_is_right:
            self._label_is_right = self._try_label(LeaderLabel.put_on)
        return self._due

    def leads(self, now: Moment) -> bool:
        return lease.leads(self._standing, now.mono, self._timing)

    def lost(self) -> bool:
        return self._standing.ended

    def guard(self) -> None:
        """Raises NotLeader when no effect may start now: give it to `KubernetesCluster` and ask it before each push."""
        if not self.leads(self._clock.now()):
            raise NotLeader(f"cannot act: {self._me} does not hold Lease {self._namespace}/{NAME}, or renewed it too long ago")

    def release(self) -> None:
        """Gives the Lease back, so that a successor need not wait; after the last effect."""
        self._try_label(LeaderLabel.take_off)
        record = self._standing.record
        if self.leads(self._clock.now()) and record is not None:
            # Who cannot be told waits the Lease's duration.
            with contextlib.suppress(GitopsCanaryError):
                self._write(replace(record, holder="", duration=1))
        self._set(replace(self._standing, renewed=None))

    def _ask(self, now: Moment) -> None:
        self._set(lease.observed(self._standing, self._read(), self._clock.now().mono))
        if not lease.may_take(self._standing, self._clock.now().mono):
            return
        with contextlib.suppress(Conflict):
            self._claim(self._clock.now())
            self._label_is_right = False
            self._log.info(f"{self._me} leads now", lease=f"{self._namespace}/{NAME}", transition=self.term[1])

    def _renew(self, now: Moment) -> None:
        try:
            self._claim(now)
        except Conflict:
            self._set(lease.observed(self._standing, self._read(), self._clock.now().mono))
            self._set(lease.overtaken(self._standing, self._me))
            if not self._standing.ended:
                self._claim(now)

    def _claim(self, sent: Moment) -> None:
        answer = self._write(lease.claim(self._standing, self._me, sent.wall, self._timing))
        self._set(lease.won(self._standing, answer, sent.mono))

    def _read(self) -> Record | None:
        path = LEASES.path(self._namespace, NAME)
        answer = self._http.request("GET", path, doing=f"read Lease {self._namespace}/{NAME}", missing_ok=True, within=PATIENCE)
        return None if answer.status == 404 else lease.record_of(answer.doc())

    def _write(self, record: Record) -> Record:
        doc: dict[str, Any] = lease.lease_of(record, self._namespace, NAME)
        verb, name = ("PUT", NAME) if record.version else ("POST", "")
        doing, path = f"hold Lease {self._namespace}/{NAME}", LEASES.path(self._namespace, name)
        answer = self._http.request(verb, path, doing=doing, body=doc, within=PATIENCE)
        return lease.record_of(answer.doc())

    def _try_label(self, change: Any) -> bool:
        try:
            change(self._label)
        except GitopsCanaryError as error:
            self._log.warning(str(error))
            return False
        return True

    def _set(self, standing: Standing) -> None:
        if standing.ended and not self._standing.ended:
            self._log.error(f"{self._me} has lost Lease {self._namespace}/{NAME}: this process must end")
        self._standing = standing

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._log.warning(sentence)
