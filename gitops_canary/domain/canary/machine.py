"""The canary machine: from spec, status and one look at the world to the next step; the theory stands in `transitions`."""

from dataclasses import replace
from datetime import datetime

from gitops_canary.domain.canary import story
from gitops_canary.domain.canary.analysis import analyse
from gitops_canary.domain.canary.ending import fail_promotion, succeed, terminate
from gitops_canary.domain.canary.model import (
    Copy,
    Create,
    Effect,
    Finalizer,
    Line,
    Notify,
    Route,
    Scale,
    ScalePrimary,
    Seen,
    Step,
    Verdicts,
    Workload,
    revision_id,
)
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.starting import current, hindrance, primary_waits, start, supersede
from gitops_canary.domain.canary.status import CanaryStatus, Run, precise, since
from gitops_canary.domain.canary.transitions import ANALYSING, RESTING, RUNNING, Phase


def decide(spec: CanarySpec, status: CanaryStatus, seen: Seen, verdicts: Verdicts | None, now: datetime) -> Step:
    """The next step. `verdicts` = the judged checks of an interval tick that is due, None = only a wake: then weights and checks stay
    (rule R1). Deciding again on what the step made leads on; a step that changes nothing means rest."""
    if seen.deleted is not None:
        return _deleted(spec, status, seen, now)
    if status.phase is Phase.TERMINATING:
        return Step(status)
    if spec.suspend:
        return Step(replace(status, says=story.suspended(spec)))
    if seen.obstacle or seen.target is None:
        says = seen.obstacle or f"{story.canary(spec)} waits for its target {story.target(spec)}"
        phase = Phase.INITIALIZING if status.phase is Phase.NEW else status.phase
        return Step(replace(status, says=says, phase=phase), (), (story.obstacle(says, resting=status.phase in RESTING),))
    if status.phase in (Phase.NEW, Phase.INITIALIZING):
        return _initialise(spec, status, seen, seen.target, verdicts)
    if status.foreign:
        return _adopt(spec, status, seen, seen.target, now)
    if status.phase in RESTING:
        return _rest(spec, status, seen, verdicts, now)
    run = status.run
    if run is None or not run.under_way:
        # Somebody wiped our part of the status: the analysis begins anew.
        return start(spec, status, seen, now)
    if status.phase is Phase.WAITING or status.phase in ANALYSING:
        return analyse(spec, status, run, seen, seen.target, verdicts, now)
    if status.phase is Phase.PROMOTING:
        return _promote(spec, status, run, seen, verdicts, now)
    if status.phase is Phase.FINALISING:
        return succeed(spec, status, seen, now)
    return Step(status)


# ---------------------------------------------------------------- before the first run


def _initialise(spec: CanarySpec, status: CanaryStatus, seen: Seen, target: Workload, verdicts: Verdicts | None) -> Step:
    """The primary comes up beside the serving target; only then traffic and pods move to it."""
    status = replace(status, phase=Phase.INITIALIZING, says="")
    template, configs = current(seen)
    primary = seen.primary
    if primary is None or seen.primary_carries != revision_id(template, configs):
        return Step(status, (Create(),))
    if primary.replicas < seen.wanted_primary:
        return Step(status, (Create(), ScalePrimary(seen.wanted_primary)))
    if not primary.readiness.ready and not spec.skip_analysis:
        return Step(status, (Create(),), primary_waits(spec, primary.readiness, verdicts is not None))
    status = replace(
        status,
        phase=Phase.INITIALIZED,
        weight=0,
        failed_checks=0,
        applied=template,
        promoted=template,
        configs=configs,
        promoted_configs=configs,
    )
    alert = Notify("initialized", "info", f"New {spec.target.kind} detected, initialization completed.")
    return Step(status, (Create(), Route(0), Scale(0), alert), (story.initialised(spec),))


def _adopt(spec: CanarySpec, status: CanaryStatus, seen: Seen, target: Workload, now: datetime) -> Step:
    """A status that Flagger wrote (rule R12): its hashes say nothing to us, so the live primary is compared."""
    if seen.primary is None:
        return Step(replace(status, phase=Phase.INITIALIZING, applied=""), (Create(),))
    template, configs = current(seen)
    serving = seen.primary_configs or {}
    status = replace(status, promoted=seen.primary.template, promoted_configs=serving, says="")
    equal = (seen.primary.template, dict(serving)) == (template, dict(configs))
    if equal or status.phase is Phase.FAILED:
        phase = Phase.SUCCEEDED if status.phase in RUNNING else status.phase
        phase = phase if phase in RESTING else Phase.SUCCEEDED
        after = replace(status, phase=phase, weight=0, failed_checks=0, run=None, applied=template, configs=configs, differs=not equal)
        return Step(after, (Create(), Route(0), Scale(0)))
    hindered = hindrance(spec, status, seen)
    if hindered:
        return Step(replace(status, promoted="", promoted_configs={}, says=hindered), (Route(0),))
    return start(spec, replace(status, configs=serving), seen, now)


# ---------------------------------------------------------------- at rest


def _rest(spec: CanarySpec, status: CanaryStatus, seen: Seen, verdicts: Verdicts | None, now: datetime) -> Step:
    run = status.run
    if run is not None and run.post and verdicts is not None:
        return _called_after(status, run, verdicts)
    if run is not None and run.serves:
        return _heal(spec, status, run, seen)
    release: tuple[Effect, ...] = (Finalizer(held=False),) if seen.finalizer and not status.pending else ()
    quiet: tuple[Effect, ...] = (Create(), Route(0), Scale(0), *release)
    revision = current(seen)
    if revision == (status.applied, dict(status.configs)):
        return Step(replace(status, says="", weight=0), quiet)
    if revision == (status.promoted, dict(status.promoted_configs)):
        return _taken_back(spec, status, quiet)
    hindered = hindrance(spec, status, seen)
    if hindered:
        return Step(replace(status, says=hindered), (Create(), Route(0)), (story.hindered(hindered),))
    if seen.primary is not None and not seen.primary.readiness.ready and not spec.skip_analysis:
        return Step(replace(status, says=""), (Create(), Route(0)), primary_waits(spec, seen.primary.readiness, verdicts is not None))
    return start(spec, status, seen, now)


def _taken_back(spec: CanarySpec, status: CanaryStatus, quiet: tuple[Effect, ...]) -> Step:
    """A revert starts no run and is written once, so that the failed revision, brought back by a human, runs again (rule R7)."""
    after = replace(status, applied=status.promoted, configs=status.promoted_configs, differs=False, says="", weight=0)
    return Step(after, quiet, (replace(story.reverted(spec), event=False),))


def _called_after(status: CanaryStatus, run: Run, verdicts: Verdicts) -> Step:
    """The post-rollout hooks: the first failure stops the rest and changes nothing else."""
    lines: list[Line] = []
    for verdict in verdicts:
        said = story.passed("post-rollout", verdict.check.name) if verdict.outcome == "passed" else story.failed_after(verdict.sentence)
        lines += [said] if said else []
    return Step(replace(status, run=replace(run, post=False)), (), tuple(lines))


def _heal(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen) -> Step:
    """The target serves because the primary did not come up (rule R11): copy until it does, without a second result. A target that went
    back to what was last promoted is what the primary shall have then."""
    back = current(seen) == (run.was.template, dict(run.was.configs))
    goal = run.was if back else run.now
    if seen.primary_carries != revision_id(goal.template, goal.configs):
        available = back or seen.pinned_available
        return Step(status, (Route(status.weight), *((Copy(back=back),) if available else ())))
    if seen.primary is None or not seen.primary.readiness.ready:
        return Step(status, (Route(status.weight),))
    after = replace(status, phase=Phase.SUCCEEDED, weight=0, promoted=goal.template, promoted_configs=goal.configs, says="")
    after = replace(after, applied=goal.template, configs=goal.configs, run=replace(run, serves=False))
    return Step(after, (Route(0), Scale(0)), (story.promoted(spec),))


# ---------------------------------------------------------------- promotion


def _promote(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, verdicts: Verdicts | None, now: datetime) -> Step:
    """Copy, wait for the primary, route back, finalise; a replay copies again and checks no more (rule R2)."""
    if current(seen) != (run.now.template, dict(run.now.configs)) and not run.diverted:
        after = replace(status, weight=0, run=replace(run, diverted=True))
        return Step(after, (Route(0),), (story.diverted(spec),))
    if seen.primary_carries != revision_id(run.now.template, run.now.configs):
        if not seen.pinned_available:
            return supersede(spec, status, seen, now, "the analysed revision is gone before it was copied")
        return Step(status, (Route(status.weight), Copy()), (*story.synced(_copied(run)), story.copying(spec)))
    readiness = seen.primary.readiness if seen.primary else None
    if readiness is None or not readiness.ready:
        waits = readiness.waits if readiness else "it is gone"
        if (readiness and readiness.final) or since(run.promoting, now) > spec.deadline:
            return fail_promotion(spec, status, seen, waits, now)
        return Step(status, (Route(status.weight),), primary_waits(spec, readiness, verdicts is not None))
    return _back_to_primary(spec, status, run, verdicts, now)


def _copied(run: Run) -> list[str]:
    return [key for key in run.now.configs if run.was.configs.get(key) != run.now.configs[key]]


def _back_to_primary(spec: CanarySpec, status: CanaryStatus, run: Run, verdicts: Verdicts | None, now: datetime) -> Step:
    if not spec.step_back or not status.weight:
        return Step(replace(status, phase=Phase.FINALISING, weight=0), (Route(0),), (story.routing_to_primary(spec),))
    if verdicts is None:
        return Step(status, (Route(status.weight),))
    weight = max(0, status.weight - spec.step_back)
    phase = status.phase if weight else Phase.FINALISING
    after = replace(status, phase=phase, weight=weight, run=replace(run, tick=run.tick + 1, ticked=precise(now)))
    return Step(after, (Route(weight),), (story.stepped_back(spec, 100 - weight),))


# ---------------------------------------------------------------- the end


def _deleted(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime) -> Step:
    """Rule R13: the run ends, its result is recorded or told, then the object may go."""
    if status.phase in RUNNING and status.run is not None and status.run.under_way and seen.finalizer:
        return terminate(spec, status, seen, now)
    if not seen.finalizer:
        return Step(status)
    if not status.pending:
        return Step(status, (Finalizer(held=False),))
    if (seen.deleted or 0.0) < seen.patience:
        return Step(status)
    lines = tuple(story.unrecorded(raw) for raw in status.pending)
    return Step(status, (Finalizer(held=False),), lines)
