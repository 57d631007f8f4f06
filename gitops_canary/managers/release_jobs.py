"""Helm jobs as the release's spec wants them, and what the status remembers once one has ended (pure; rules H1-H3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases import Stored, good_revision
from gitops_canary.domain.releases_status import Failure, Mark, Record
from gitops_canary.managers.release_status import DIFFERS
from gitops_canary.ports import Chart, HelmDone, HelmJob, HelmRevision

WAITS = 3
"""Hooks before, the objects, hooks after: Helm's time limit may run out once for each."""
SLACK = 60.0
ACTING = {"install": "Installing", "upgrade": "Upgrading", "rollback": "RollingBack", "test": "Testing", "uninstall": "Uninstalling"}
FAILED = {"install": "DeployFailed", "upgrade": "DeployFailed", "rollback": "RollbackFailed", "test": "TestFailed", "uninstall": "Failed"}


@dataclass(frozen=True)
class Ended:
    """What an ended job means: the new record, the phases it went through, whether it failed, and Helm's storage if it is known."""

    record: Record
    phases: tuple[tuple[str, str], ...]
    failed: bool = False
    history: tuple[HelmRevision, ...] | None = None


def job_for(
    action: Any, spec: HelmReleaseSpec, chart: Chart | None, values: Mapping[str, Any], history: Sequence[HelmRevision], as_user: str
) -> HelmJob:
    job = HelmJob(
        spec.key, action, spec.release, spec.target_namespace, as_user=as_user, timeout=spec.timeout, max_history=spec.max_history
    )
    match action:
        case "install":
            return replace(job, chart=chart, values=values, wait=spec.wait, options={"skip_crds": spec.skip_crds})
        case "upgrade":
            options = {"reuse_values": not spec.reset_values, "force": spec.force}
            return replace(job, chart=chart, values=values, wait=spec.wait, options=options)
        case "rollback":
            to = {"version": good_revision(stored(history)), "force": spec.rollback.force, "disable_hooks": spec.rollback.disable_hooks}
            return replace(job, wait=spec.rollback.wait or spec.wait, timeout=spec.rollback.timeout, options=to)
        case "test":
            return replace(job, timeout=spec.test.timeout)
        case "mark-failed":
            return replace(job, options={"version": history[-1].number, "description": "left pending by a worker that was lost"})
    return job


def marked(record: Record, job: HelmJob, inputs: str, history: Sequence[HelmRevision], by: str, now: datetime) -> Record:
    """The record with the mark that is written before Helm runs (rule H2). A new attempt may be rolled back anew."""
    until = now + timedelta(seconds=WAITS * job.timeout + SLACK)
    last = history[-1].number if history else 0
    mark = Mark(by, job.action, inputs, last + 1, stamp(now), stamp(until))
    fresh = job.action in ("install", "upgrade")
    other = record.failure is None or record.failure.inputs != inputs
    return replace(
        record,
        mark=mark,
        release=job.release,
        rolled_back="" if fresh else record.rolled_back,
        rollbacks=0 if fresh and other else record.rollbacks,
    )


def ended(spec: HelmReleaseSpec, record: Record, done: HelmDone, history: Sequence[HelmRevision], now: datetime) -> Ended:
    """`record` still carries the mark of the job."""
    if not done.ok:
        return _failed(spec, record, done, now)
    match done.action:
        case "install" | "upgrade":
            assert done.revision is not None
            return deployed(spec, record, done.revision, history)
        case "rollback":
            made = replace(record, mark=None, rolled_back=_inputs(record), rollbacks=record.rollbacks + 1, revision=_number(done))
            return Ended(made, (("RolledBack", f"rolled back to what worked; {DIFFERS}"),), history=done.history)
        case "test":
            made = replace(record, mark=None, tested=_inputs(record), failure=None)
            return Ended(made, (("Tested", "the chart's tests have passed"), ("Succeeded", "the chart's tests have passed")))
        case "uninstall":
            return Ended(replace(record, mark=None, inputs="", revision=0, tested=""), (("Failed", "uninstalled"),), history=())
        case _:
            return Ended(replace(record, mark=None), ())


def deployed(spec: HelmReleaseSpec, record: Record, revision: HelmRevision, history: Sequence[HelmRevision]) -> Ended:
    """An install or upgrade that worked, told by the job or found after a restart."""
    made = Record(inputs=_inputs(record), revision=revision.number, release=record.release)
    message = f"revision {revision.number}, {revision.chart}"
    phases = (("Deployed", message),) if spec.test.enable else (("Deployed", message), ("Succeeded", message))
    older = [replace(one, status="superseded") if one.status == "deployed" else one for one in history if one.number != revision.number]
    return Ended(made, phases, history=(*older, revision))


def _failed(spec: HelmReleaseSpec, record: Record, done: HelmDone, now: datetime) -> Ended:
    inputs, before = _inputs(record), record.failure
    count = before.count + 1 if before is not None and before.inputs == inputs else 1
    # Without a history nobody knows what was left behind: the mark stays until it has been read.
    mark = None if done.history and not done.history[-1].status.startswith("pending-") else record.mark
    made = replace(record, mark=mark, failure=Failure(inputs, count, stamp(now), done.message))
    phases: tuple[tuple[str, str], ...] = ((FAILED.get(done.action, "Failed"), f"{done.message}; {DIFFERS}"),)
    if done.action == "rollback":
        made = replace(made, rolled_back=inputs)
    if done.action == "test":
        made = replace(made, tested=inputs)
        if spec.test.ignore_failures:
            return Ended(replace(made, failure=None), (*phases, ("Succeeded", "tests have failed and are ignored")))
        phases = (*phases, ("Failed", f"{done.message}; {DIFFERS}"))
    return Ended(made, phases, failed=True, history=done.history or None)


def stored(history: Sequence[HelmRevision]) -> tuple[Stored, ...]:
    return tuple(Stored(one.number, one.status) for one in history)


def _inputs(record: Record) -> str:
    return record.mark.inputs if record.mark else record.inputs


def _number(done: HelmDone) -> int:
    return done.history[-1].number if done.history else (done.revision.number if done.revision else 0)
