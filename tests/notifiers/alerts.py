"""One notice of every alert, told by the machine itself; the receivers' payloads are judged and drawn from these."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from gitops_canary.domain.canary.machine import decide
from gitops_canary.domain.canary.model import Check, Notify, Readiness, Seen, Verdict, Verdicts, Workload, revision_id
from gitops_canary.domain.canary.spec import Alert, CanarySpec, Hook, Service
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.domain.resources import Ref
from gitops_canary.managers.canaries.notices import Notices
from gitops_canary.ports import Notice

COMMIT = "https://git.example.com/cluster/commit/4f1d2c7a9be0"
REASON = "success rate 62.50% < 99%"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = CanarySpec(
    "test",
    "frontend",
    Ref("apps/v1", "Deployment", "test", "frontend"),
    Service("frontend", 80, "http", 80, {}),
    steps=(5, 50),
    threshold=1,
)
OLD, NEW = ("sha256:old", "registry.example.com/podinfo:3.1.0"), ("sha256:new", "registry.example.com/podinfo:3.1.1")
FAILED = (Verdict(Check("success", "metric"), "failed", f"Halt frontend.test advancement {REASON}", REASON, "62.5", ">= 99"),)
CLOSED = (Verdict(Check("gate", "hook", hook=Hook("confirm-promotion", "gate", "http://gate/")), "closed", "Halt advancement"),)


class Kept:
    """A receiver that keeps what it is given."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        return True

    def send(self, notice: Notice) -> None:
        self.notices.append(notice)


def look(target: tuple[str, str], primary: tuple[str, str] = OLD) -> Seen:
    serving = Workload(primary[0], 2, Readiness(True), {"podinfo": primary[1]})
    carries = revision_id(primary[0], {})
    return Seen(Workload(target[0], 2, Readiness(True), {"podinfo": target[1]}), serving, carries, finalizer=True)


def told(status: CanaryStatus, seen: Seen, verdicts: Verdicts = ()) -> tuple[CanaryStatus, Notice]:
    """Ticks until somebody is told: the status then, and what they are told."""
    receiver = Kept()
    for _ in range(20):
        step = decide(SPEC, status, seen, verdicts, NOW)
        status = step.status
        if any(isinstance(effect, Notify) for effect in step.effects):
            notices = Notices(receiver)
            notices.send(SPEC, notices.kept(SPEC, CanaryStatus(), status, step.effects))
            return status, receiver.notices[0]
    raise AssertionError(f"nobody was told anything: {status.phase} {status.says}")


def runs() -> Iterator[tuple[str, Notice]]:
    ready, initialized = told(CanaryStatus(), look(OLD))
    begun, started = told(ready, look(NEW))
    split = decide(SPEC, decide(SPEC, begun, look(NEW), (), NOW).status, look(NEW), (), NOW).status
    yield from (("initialized", initialized), ("started", started))
    yield "waiting", told(split, look(NEW), CLOSED)[1]
    yield "promoted", replace(told(split, look(NEW, NEW))[1], link=COMMIT)
    yield "rolled back", replace(told(split, look(NEW), FAILED)[1], link=COMMIT)
    yield "aborted", replace(told(split, look(OLD))[1], link=COMMIT)


ALERTS = {
    **dict(runs()),
    "release failed": Notice(
        "release/test/frontend/failed",
        "error",
        "Release frontend failed",
        'cannot upgrade frontend: Deployment.apps "frontend" is invalid: spec.selector: Invalid value: field is immutable',
        (("HelmRelease", "test/frontend"), ("Namespace", "test"), ("Release", "frontend")),
    ),
}
