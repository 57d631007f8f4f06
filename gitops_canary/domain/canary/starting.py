"""How a run starts, what hinders it, and how a newer revision takes over; what happens during it is `analysis`."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gitops_canary.domain.canary import story
from gitops_canary.domain.canary.ending import ended, facts
from gitops_canary.domain.canary.model import Create, Effect, Finalizer, Line, Notify, Readiness, Route, Scale, Seen, Step, Workload
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import MOST_PENDING, CanaryStatus, Run, precise
from gitops_canary.domain.canary.transitions import Phase
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import parse_image
from gitops_canary.domain.results import Outcome, Revision


def current(seen: Seen) -> tuple[str, dict[str, str]]:
    """The revision that the target has now: template and configs."""
    return (seen.target.template if seen.target else "", dict(seen.configs))


def hindrance(spec: CanarySpec, status: CanaryStatus, seen: Seen) -> str:
    """Why no run may start, a sentence; "" when it may (rules G1, G2)."""
    if len(status.pending) >= MOST_PENDING:
        return story.too_many_pending(spec, len(status.pending))
    if seen.recorded is None and not status.number:
        return story.branch_unread(spec)
    return ""


def target_waits(spec: CanarySpec, readiness: Readiness, ticking: bool) -> tuple[Line, ...]:
    """What is said while a rollout is waited for."""
    return (story.waiting(story.target(spec), readiness, story.TARGET_WAITS),) if _worth(readiness, ticking) else ()


def primary_waits(spec: CanarySpec, readiness: Readiness | None, ticking: bool) -> tuple[Line, ...]:
    return (story.waiting(story.primary(spec), readiness, story.PRIMARY_WAITS),) if readiness and _worth(readiness, ticking) else ()


def _worth(readiness: Readiness, ticking: bool) -> bool:
    return bool(readiness.waits) and (ticking or not readiness.early)


def start(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime, *, restart: bool = False) -> Step:
    """A run of the target's present revision: number, pin and *from* are fixed here (rules R3, R4, G2)."""
    assert seen.target is not None
    template, configs = current(seen)
    changed = story.changed_configs(status.configs, configs)
    run = _new_run(status, seen, seen.target, now)
    gated = bool(spec.hooks_of("confirm-rollout")) and (not restart or status.phase is Phase.WAITING)
    after = replace(
        status,
        phase=Phase.WAITING if gated else Phase.PROGRESSING,
        failed_checks=0,
        weight=0,
        iterations=0,
        applied=template,
        configs=configs,
        run=run,
        number=run.number,
        differs=False,
        says="",
    )
    effects: tuple[Effect, ...] = (*((Finalizer(held=True),) if seen.git else ()), Create(), Route(0))
    if gated:
        return Step(after, effects, story.configs_changed(changed))
    line = story.restarting(spec) if restart else story.new_revision(spec)
    return Step(after, (*effects, *scale_up(seen), begun(after)), (*story.configs_changed(changed), line))


def begun(status: CanaryStatus) -> Notify:
    return Notify("started", "info", "New revision detected, progressing canary analysis.", facts(status))


def scale_up(seen: Seen) -> tuple[Effect, ...]:
    """A target that has pods keeps its number."""
    return () if seen.target is not None and seen.target.replicas else (Scale(seen.scale_up),)


def supersede(spec: CanarySpec, status: CanaryStatus, seen: Seen, now: datetime, reason: str = "") -> Step:
    """A newer revision ends the run and starts the next at 100/0 (rule R5); with too many results pending it has to wait (rule G1)."""
    assert status.run is not None
    closed = ended(spec, status, seen, Outcome.SUPERSEDED, reason or f"superseded by {_what(seen, status.run)}", now)
    hindered = hindrance(spec, closed, seen)
    if hindered:
        after = replace(closed, phase=Phase.FAILED, says=hindered)
        return Step(after, (Route(0), Scale(0)), (story.hindered(hindered),))
    return start(spec, closed, seen, now, restart=True)


def _what(seen: Seen, run: Run) -> str:
    image = seen.target.images.get(run.container, "") if seen.target else ""
    return image if image and image != run.now.image else "a newer revision"


def _new_run(status: CanaryStatus, seen: Seen, target: Workload, now: datetime) -> Run:
    template, configs = current(seen)
    old = seen.primary.images if seen.primary else {}
    container = next((name for name, image in target.images.items() if old.get(name) != image), next(iter(target.images), ""))
    was = _revision(old.get(container, ""), status.promoted, status.promoted_configs)
    pinned = _revision(target.images.get(container, ""), template, configs)
    number = 1 + max(status.number, seen.recorded or 0)
    return Run(number, was, pinned, precise(now), container, _changed(was, pinned))


def _revision(image: str, template: str, configs: Mapping[str, str]) -> Revision:
    try:
        digest = parse_image(image).digest if image else ""
    except UserError:
        # Kubernetes takes it, so it runs; only its digest is unknown.
        digest = ""
    return Revision(image, digest, template, dict(configs))


def _changed(was: Revision, now: Revision) -> str:
    """The first thing that changed when the image did not."""
    if was.image != now.image:
        return ""
    configs = story.changed_configs(was.configs, now.configs)
    return story.config_name(configs[0]) if configs else "pod template"
