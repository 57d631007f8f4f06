"""Which checks a tick asks, in order, and what their answers mean; asking them is the manager's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitops_canary.domain.canary import story
from gitops_canary.domain.canary.durations import go_duration, go_number
from gitops_canary.domain.canary.model import Answered, Check, Seen, Verdict, Verdicts
from gitops_canary.domain.canary.spec import CanarySpec, Hook, Metric
from gitops_canary.domain.canary.status import CanaryStatus, Run, since
from gitops_canary.domain.canary.transitions import ANALYSING, RESTING, Phase

PROVIDER = "istio"
LONGEST_WORDS = 200


def run_id(spec: CanarySpec, run: Run) -> str:
    return f"{spec.namespace}.{spec.name}-{run.number}"


def checks_due(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime) -> tuple[Check, ...]:
    """The checks of the tick that is due, in the order they are asked; the first that does not pass ends the tick."""
    run = status.run
    if run is None or spec.suspend or seen.obstacle or seen.deleted is not None:
        return ()
    if status.phase in RESTING:
        return _hooks(spec, run, ("post-rollout",), status.phase) if run.post else ()
    if status.phase is Phase.WAITING:
        return _hooks(spec, run, ("confirm-rollout",), Phase.WAITING)
    ready = seen.target is not None and seen.target.readiness.ready
    if status.phase not in ANALYSING or not ready or spec.skip_analysis or status.failed_checks >= spec.threshold:
        return ()
    return _analysis(spec, status, run, now)


def _analysis(spec: CanarySpec, status: CanaryStatus, run: Run, now: datetime) -> tuple[Check, ...]:
    """Event payloads say Progressing throughout the analysis, as Flagger's do."""
    due = _hooks(spec, run, ("rollback",), Phase.PROGRESSING)
    if status.weight == 0:
        due += _hooks(spec, run, ("pre-rollout",), Phase.PROGRESSING)
    else:
        due += _hooks(spec, run, ("rollout",), Phase.PROGRESSING)
        elapsed = since(run.first_weight, now) if run.first_weight else 0.0
        key = f"{run_id(spec, run)}/{run.tick}"
        due += tuple(
            Check(f"{key}/metric-{i}-{metric.name}", "metric", metric=metric, window=window(metric, spec.interval, elapsed))
            for i, metric in enumerate(spec.metrics)
        )
    if status.phase is not Phase.WAITING_PROMOTION:
        due += _hooks(spec, run, ("confirm-traffic-increase",), Phase.PROGRESSING)
    if status.weight >= spec.steps[-1]:
        due += _hooks(spec, run, ("confirm-promotion",), Phase.PROGRESSING)
    return due


def _hooks(spec: CanarySpec, run: Run, types: tuple[str, ...], phase: Phase) -> tuple[Check, ...]:
    key = f"{run_id(spec, run)}/{run.tick}"
    return tuple(
        Check(f"{key}/{hook.type}-{i}-{hook.name}", "hook", hook=hook, phase=phase.value)
        for i, hook in enumerate(spec.hooks)
        if hook.type in types
    )


def window(metric: Metric, interval: float, elapsed: float) -> float:
    """Seconds that a check may look back on: never before its run's first weight, in whole analysis intervals where they fit (rule R9).
    A tick comes a little early or late, hence the tenth."""
    most = min(metric.window, elapsed)
    whole = int(most / interval + 0.1)
    return min(whole * interval, metric.window) if whole else max(most, 1.0)


@dataclass(frozen=True)
class Progress:
    """How far a tick's checks are: `start` these now; `verdicts` so far; `complete` = the tick can be decided."""

    start: tuple[Check, ...]
    verdicts: Verdicts
    complete: bool


def progress(spec: CanarySpec, checks: tuple[Check, ...], answers: Mapping[str, Answered]) -> Progress:
    """Hooks are asked one by one; metrics together, but judged in order."""
    verdicts: list[Verdict] = []
    for at, check in enumerate(checks):
        answer = answers.get(check.key)
        if answer is None:
            return Progress(_together(checks[at:]), tuple(verdicts), complete=False)
        verdicts.append(judge(spec, check, answer))
        if verdicts[-1].outcome != "passed":
            break
    return Progress((), tuple(verdicts), complete=True)


def _together(rest: tuple[Check, ...]) -> tuple[Check, ...]:
    if rest[0].kind == "hook":
        return rest[:1]
    ends = next((i for i, check in enumerate(rest) if check.kind == "hook"), len(rest))
    return rest[:ends]


def judge(spec: CanarySpec, check: Check, answer: Answered) -> Verdict:
    """An answer against the check's limits, with the sentence a user reads."""
    if check.hook is not None:
        return _judge_hook(spec, check, check.hook, answer)
    assert check.metric is not None
    if answer.kind == "value" and answer.value is not None:
        return _judge_value(spec, check, check.metric, answer.value)
    if answer.kind == "no-data":
        return _no_data(spec, check, check.metric)
    return _unreachable(check, check.metric, answer.message)


def _judge_hook(spec: CanarySpec, check: Check, hook: Hook, answer: Answered) -> Verdict:
    good, words = answer.kind == "passed", answer.message[:LONGEST_WORDS]
    if hook.type == "rollback":
        return Verdict(check, "failed", reason="manual webhook invoked") if good else Verdict(check, "passed")
    if good:
        return Verdict(check, "passed", value="passed")
    if hook.type.startswith("confirm-"):
        return Verdict(check, "closed", story.closed(spec, hook.type, hook.name))
    if hook.type == "post-rollout":
        return Verdict(check, "failed", f"Post-rollout hook {hook.name} failed {words}".rstrip())
    what = f"pre-rollout check {hook.name}" if hook.type == "pre-rollout" else f"external check {hook.name}"
    reason = f"{what} failed {words}".rstrip()
    return Verdict(check, "failed", f"Halt {story.canary(spec)} advancement {reason}", reason, value="failed")


def _judge_value(spec: CanarySpec, check: Check, metric: Metric, value: float) -> Verdict:
    """Limits are inclusive, as in Flagger."""
    name, shown, form = _printed(metric, value)
    low = metric.least is not None and value < metric.least
    high = metric.most is not None and value > metric.most
    required = _required(metric, form)
    if not (low or high):
        return Verdict(check, "passed", value=shown, limit=required)
    bound = f"> {form(metric.most)}" if high else f"< {form(metric.least)}"
    reason = f"{name} {shown} {bound}"
    return Verdict(check, "failed", f"Halt {story.canary(spec)} advancement {reason}", reason, shown, required)


def _required(metric: Metric, form: Any) -> str:
    """What a good value is: `>= 99%`, `<= 500ms`, or both."""
    least = [] if metric.least is None else [f">= {form(metric.least)}"]
    return " and ".join(least + ([] if metric.most is None else [f"<= {form(metric.most)}"]))


def _printed(metric: Metric, value: float) -> tuple[str, str, Any]:
    """What the metric is called in sentences, its value, and how its limits are printed."""
    if metric.builtin and metric.name == "request-success-rate":
        return "success rate", f"{value:.2f}%", lambda limit: f"{go_number(limit)}%"
    if metric.builtin:
        return "request duration", go_duration(value), go_duration
    return metric.name, f"{value:.2f}", go_number


def _no_data(spec: CanarySpec, check: Check, metric: Metric) -> Verdict:
    if metric.builtin:
        reason = f"no values found for {PROVIDER} metric {metric.name} probably {story.target(spec)} is not receiving traffic"
    else:
        reason = f"no values found for {'custom metric' if metric.template else 'metric'}: {metric.name}"
    return Verdict(check, "no-data", f"Halt advancement {reason}", reason, "no data")


def _unreachable(check: Check, metric: Metric, words: str) -> Verdict:
    words = words[:LONGEST_WORDS]
    if metric.builtin:
        reason = f"Prometheus query failed: {words}"
    else:
        reason = f"{'Metric' if metric.template else 'Prometheus'} query failed for {metric.name}: {words}"
    return Verdict(check, "failed", reason, reason, "unreachable")
