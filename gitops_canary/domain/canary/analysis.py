"""The analysis: one interval tick after the other from the first weight to the promotion or the rollback."""

from dataclasses import replace
from datetime import datetime

from gitops_canary.domain.canary import story
from gitops_canary.domain.canary.ending import facts, revert, roll_back
from gitops_canary.domain.canary.model import Effect, Line, Notify, Route, Seen, Step, Verdict, Verdicts, Workload
from gitops_canary.domain.canary.spec import CanarySpec, Hook
from gitops_canary.domain.canary.starting import begun, current, scale_up, supersede, target_waits
from gitops_canary.domain.canary.status import CanaryStatus, Run, precise, since
from gitops_canary.domain.canary.transitions import Phase
from gitops_canary.domain.results import CheckRecord


def analyse(
    spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, target: Workload, verdicts: Verdicts | None, now: datetime
) -> Step:
    """Waiting, Progressing and WaitingPromotion: another revision and the deadline at any time, everything else on ticks."""
    revision = current(seen)
    if revision == (run.was.template, dict(run.was.configs)):
        return revert(spec, status, seen, now)
    if revision != (run.now.template, dict(run.now.configs)):
        return supersede(spec, status, seen, now)
    if status.phase is Phase.WAITING:
        return _approve(spec, status, run, seen, verdicts, now)
    keep: tuple[Effect, ...] = (Route(status.weight), *scale_up(seen))
    if not target.readiness.ready:
        return _wait(spec, status, run, seen, target, verdicts is not None, now)
    if spec.skip_analysis:
        return _promote(spec, status, run, seen, now, keep)
    if verdicts is None:
        return Step(status, keep)
    if status.failed_checks >= spec.threshold:
        return _too_many(spec, status, run, seen, now, keep)
    return _tick(spec, status, run, seen, verdicts, now)


def _approve(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, verdicts: Verdicts | None, now: datetime) -> Step:
    """The gate before a run: the target stays without pods until it opens."""
    if verdicts is None:
        return Step(status, (Route(0),))
    if verdicts and verdicts[-1].outcome != "passed":
        return _gate(status, _ticked(run, now), verdicts[-1])
    lines = [line for verdict in verdicts if (line := story.passed("confirm-rollout", verdict.check.name))]
    after = replace(status, phase=Phase.PROGRESSING, run=replace(_ticked(run, now), waits="", started=precise(now)))
    return Step(after, (Route(0), *scale_up(seen), begun(after)), (*lines, story.new_revision(spec)))


def _wait(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, target: Workload, ticking: bool, now: datetime) -> Step:
    """Pods that are not ready hold the run, uncounted, until the deadline; then it rolls back with that reason. While none of them is
    available the primary serves everybody, where Flagger lets the canary's share of the users fail."""
    unready = seen.canary_unready if run.first_weight else since(run.started, now)
    if target.readiness.final or unready > spec.deadline:
        reason = f"progress deadline exceeded: {target.readiness.waits}"
        return roll_back(spec, status, seen, reason, now, story.deadline_exceeded(spec, target.readiness.waits))
    weight = 0 if target.readiness.deserted else status.weight
    return Step(status, (Route(weight), *scale_up(seen)), target_waits(spec, target.readiness, ticking))


def _too_many(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, now: datetime, keep: tuple[Effect, ...]) -> Step:
    """Threshold N: N failed ticks, rolled back on the next, as Flagger does."""
    if not spec.rollback:
        return Step(status, keep)
    return roll_back(spec, status, seen, run.reason, now, story.threshold_reached(spec, status.failed_checks))


def _tick(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, verdicts: Verdicts, now: datetime) -> Step:
    run = _ticked(replace(run, checks=_counted(run, verdicts)), now)
    lines = [] if run.analysing else [story.starting(spec)]
    lines += [line for v in verdicts if v.outcome == "passed" and (line := _passed(v, run)) is not None]
    status = replace(status, run=replace(run, analysing=True))
    assert status.run is not None
    step = _judged(spec, status, status.run, seen, verdicts[-1] if verdicts else None, now)
    return replace(step, story=(*lines, *step.story))


def _passed(verdict: Verdict, run: Run) -> Line | None:
    """Gates that open at every step are told at every step; a rollback hook that signals nothing says nothing."""
    hook = verdict.check.hook
    if hook is None or hook.type == "rollback":
        return None
    line = story.passed(hook.type, hook.name)
    return replace(line, key=f"tick {run.tick}") if line else None


def _judged(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, last: Verdict | None, now: datetime) -> Step:
    if last is None or last.outcome == "passed":
        return _good(spec, replace(status, run=replace(run, waits="")), run, seen, now)
    if last.check.hook is not None and last.check.hook.type == "rollback":
        return roll_back(spec, status, seen, last.reason, now, story.rolled_back_by_hand(spec), rank="warn")
    if last.outcome == "closed":
        return _gate(status, run, last)
    if last.outcome == "no-data" and _may_wait(run, last, now):
        return Step(status, (Route(status.weight),), (Line(f"{last.sentence}, no data yet", key=f"tick {run.tick}", event=False),))
    after = replace(status, failed_checks=status.failed_checks + 1, run=replace(run, failed=run.failed + 1, reason=last.reason))
    return Step(after, (Route(status.weight),), (Line(last.sentence, warning=True, key=f"tick {run.tick}"),))


def _may_wait(run: Run, last: Verdict, now: datetime) -> bool:
    """No data yet: uncounted for one metric interval after the first weight (rule R9)."""
    metric = last.check.metric
    return metric is not None and bool(run.first_weight) and since(run.first_weight, now) < metric.window


def _gate(status: CanaryStatus, run: Run, closed: Verdict) -> Step:
    """A closed gate holds, uncounted and told once; checks go on while a promotion waits."""
    hook = closed.check.hook
    assert hook is not None
    phase = Phase.WAITING_PROMOTION if hook.type == "confirm-promotion" else status.phase
    after = replace(status, phase=phase, run=replace(run, waits=closed.check.name))
    if run.waits == closed.check.name:
        return Step(after, (Route(status.weight),))
    alerts = () if hook.mute else (_awaits(status, run, hook),)
    return Step(after, (Route(status.weight), *alerts), (Line(closed.sentence, warning=True, key=f"tick {run.tick}"),))


def _awaits(status: CanaryStatus, run: Run, hook: Hook) -> Notify:
    """Flagger alerts at every tick of a wait; here once a wait, whose first tick names it."""
    return Notify(f"gate-{run.tick}", "warn", story.awaits(hook.type), (("Gate", hook.name), *facts(status)))


def _good(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, now: datetime) -> Step:
    """One weight further; after the last one was judged, promote."""
    after = next((step for step in spec.steps if step > status.weight), None)
    if after is None:
        return _promote(spec, status, run, seen, now, (Route(status.weight),))
    moved = replace(run, first_weight=run.first_weight or precise(now), peak=max(run.peak, after), waits="")
    return Step(replace(status, weight=after, run=moved), (Route(after),), (story.advanced(spec, after),))


def _promote(spec: CanarySpec, status: CanaryStatus, run: Run, seen: Seen, now: datetime, keep: tuple[Effect, ...]) -> Step:
    """The point of no return, written before the copy (rule R2), unless the release itself is not done (rule H1)."""
    if seen.held:
        return Step(status, keep, (story.held(seen.held),))
    return Step(replace(status, phase=Phase.PROMOTING, run=replace(run, promoting=precise(now))), keep)


def _ticked(run: Run, now: datetime) -> Run:
    return replace(run, tick=run.tick + 1, ticked=precise(now))


def _counted(run: Run, verdicts: Verdicts) -> dict[str, CheckRecord]:
    """The last value of each check against its limit, and how often it passed and failed."""
    records = dict(run.checks)
    for verdict in verdicts:
        if not verdict.value:
            continue
        name = verdict.check.name
        old = records.get(name, CheckRecord(name))
        good = verdict.outcome == "passed"
        records[name] = CheckRecord(name, verdict.value, verdict.limit, old.passed + good, old.failed + (not good))
    return records
