"""How a run ends: the result that is recorded, and the steps to Succeeded, Failed or Terminating; when it ends is the machine's."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from gitops_canary.domain.canary import story
from gitops_canary.domain.canary.model import Effect, Line, Notify, Route, Scale, Seen, Step
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import CanaryStatus, Run
from gitops_canary.domain.canary.transitions import Phase
from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.results import Outcome, Result

PROMOTION_FAILED = "primary not ready: "
"""What the reason of a failed promotion starts with (rule R11)."""


def result_of(spec: CanarySpec, status: CanaryStatus, run: Run, outcome: Outcome, reason: str, now: datetime) -> Result:
    """The run's record; a rollback puts the image back and quarantines its tag when the image is what changed (rules G5, G8)."""
    back = outcome is Outcome.ROLLED_BACK and run.was.image != run.now.image
    return Result(
        namespace=spec.namespace,
        canary=spec.name,
        number=run.number,
        outcome=outcome,
        reason=reason,
        started=run.started,
        ended=stamp(now),
        was=run.was,
        now=run.now,
        container=run.container,
        changed=run.changed,
        target=f"{spec.target.api_version}/{spec.target.kind}/{spec.target.name}",
        weight=run.peak,
        failed_checks=run.failed,
        checks=tuple(run.checks.values()),
        put_back=back,
        quarantine=back,
    )


def ended(
    spec: CanarySpec, status: CanaryStatus, seen: Seen, outcome: Outcome, reason: str, now: datetime, *, differs: bool = False
) -> CanaryStatus:
    """The status with the run closed and its result pending; without Git it only stays as the last result (rule G11)."""
    assert status.run is not None
    raw = plain(replace(result_of(spec, status, status.run, outcome, reason, now), differs=differs))
    post = bool(spec.hooks_of("post-rollout")) and outcome in (Outcome.PROMOTED, Outcome.ROLLED_BACK, Outcome.ABORTED)
    run = replace(status.run, outcome=outcome.value, reason=reason, ended=stamp(now), post=post, waits="")
    status = replace(status, run=run, weight=0, failed_checks=0, iterations=0, differs=differs, says="")
    if seen.git:
        return replace(status, pending=(*status.pending, raw))
    return replace(status, last_result=raw)


def plain(result: Result) -> dict[str, Any]:
    """As it will be read back from the API."""
    raw = result.to_dict()
    return {**raw, "outcome": result.outcome.value, "checks": list(raw["checks"])}


def roll_back(
    spec: CanarySpec,
    status: CanaryStatus,
    seen: Seen,
    reason: str,
    now: datetime,
    *lines: Line,
    rank: Literal["warn", "error"] = "error",
) -> Step:
    """All traffic to the primary, no pods for the target, Failed."""
    after = replace(ended(spec, status, seen, Outcome.ROLLED_BACK, reason, now), phase=Phase.FAILED)
    alert = Notify("result", rank, f"Canary failed, rolled back: {reason}", facts(status))
    return Step(after, (Route(0), Scale(0), alert), (*lines, story.failed(spec)))


def succeed(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime) -> Step:
    """What was analysed serves everybody."""
    run = status.run
    assert run is not None
    after = ended(spec, status, seen, Outcome.PROMOTED, _why_promoted(spec, run), now)
    after = replace(after, phase=Phase.SUCCEEDED, promoted=run.now.template, promoted_configs=run.now.configs)
    text = (
        "Canary analysis was skipped, promotion finished."
        if spec.skip_analysis
        else "Canary analysis completed successfully, promotion finished."
    )
    return Step(after, (Scale(0), Notify("result", "info", text, facts(status))), (story.promoted(spec),))


def _why_promoted(spec: CanarySpec, run: Run) -> str:
    return "the analysis was skipped" if spec.skip_analysis else f"all checks passed up to weight {run.peak}"


def revert(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime) -> Step:
    """The target went back to what the run started from (rule R8): nothing to judge any more."""
    run = status.run
    assert run is not None
    differs = seen.file_image is not None and seen.file_image == run.now.image != run.was.image
    reason = f"the target went back to {run.was.image}" if run.was.image != run.now.image else "the target went back to what is promoted"
    after = ended(spec, status, seen, Outcome.ABORTED, reason, now, differs=differs)
    phase = Phase.FAILED if differs else Phase.SUCCEEDED
    after = replace(after, phase=phase, applied=run.was.template, configs=run.was.configs)
    return Step(
        after, (Route(0), Scale(0), Notify("result", "warn", f"Run aborted: {reason}", facts(status))), (story.aborted(spec, reason),)
    )


def fail_promotion(spec: CanarySpec, status: CanaryStatus, seen: Seen, reason: str, now: datetime) -> Step:
    """The primary did not come up: the target, which was judged good, serves until it does (rule R11)."""
    why = f"{PROMOTION_FAILED}{reason}"
    after = ended(spec, status, seen, Outcome.ABORTED, why, now)
    assert after.run is not None
    # A newer revision in the target was never judged: then the primary keeps what it has.
    weight = 0 if after.run.diverted else 100
    after = replace(after, phase=Phase.FAILED, weight=weight, run=replace(after.run, serves=True))
    alert = Notify("result", "error", f"Promotion failed, {why}", facts(status))
    return Step(after, (Route(weight), alert), (story.promotion_failed(spec, reason),))


def terminate(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime) -> Step:
    """The Canary is deleted in mid-run (rule R13)."""
    after = replace(ended(spec, status, seen, Outcome.ABORTED, "canary deleted", now), phase=Phase.TERMINATING)
    effects: tuple[Effect, ...] = (Route(0), Notify("result", "warn", "Run aborted: canary deleted", facts(status)))
    return Step(after, effects, (story.aborted(spec, "canary deleted"),))


def facts(status: CanaryStatus) -> tuple[tuple[str, str], ...]:
    """What an alert shows beside its sentence."""
    run = status.run
    if run is None:
        return ()
    from_to = (("From", run.was.image), ("To", run.now.image), ("Changed", run.changed), ("Weight", f"{run.peak}%"))
    return tuple((name, value) for name, value in from_to if value)
