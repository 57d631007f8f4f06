"""What the canary machine sees, answers and has done: observations, effects and steps as values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gitops_canary.domain.canary.spec import Hook, Metric
from gitops_canary.domain.canary.status import HASH, CanaryStatus
from gitops_canary.domain.canary.transitions import Phase

# ---------------------------------------------------------------- what is seen


@dataclass(frozen=True)
class Readiness:
    """Whether a rollout has finished; `waits` is Flagger's suffix otherwise, `final` says that waiting longer does not help, `early` that
    controllers are only about to begin: not worth telling before the next tick, `far` grows while the rollout comes nearer to its end,
    `deserted` that no pod is available."""

    ready: bool
    waits: str = ""
    final: bool = False
    early: bool = False
    far: int = field(default=0, compare=False)
    deserted: bool = False


@dataclass(frozen=True)
class Workload:
    """A Deployment: `template` is the hash of its pod template (of the primary's with the renames undone), `images` by container."""

    template: str
    replicas: int
    readiness: Readiness
    images: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Seen:
    """One frozen look at the world of a canary."""

    target: Workload | None
    primary: Workload | None = None
    primary_carries: str = ""
    """The revision (`revision_id`) that was copied to the primary last."""
    primary_configs: Mapping[str, str] | None = field(default=None, hash=False)
    """Hashes of the primary's copies under their originals' names; only looked at where Flagger's status is taken over (rule R12)."""
    configs: Mapping[str, str] = field(default_factory=dict, hash=False)
    pinned_available: bool = True
    """The run's template and configs can still be copied (rule R4)."""
    scale_up: int = 1
    """Pods that a run of the target starts with."""
    wanted_primary: int = 1
    obstacle: str = ""
    """Why nothing may be done: a missing target or config, a Service that a chart renders … a whole sentence."""
    deleted: float | None = None
    """Seconds since somebody deleted the Canary; None = it stands."""
    patience: float = 600.0
    """Seconds that a deleted Canary waits for Git before it is let go with its result in an Event (rule R13)."""
    finalizer: bool = False
    recorded: int | None = 0
    """The highest run number that Git knows; None = the branch has not been read yet (rule G2)."""
    git: bool = True
    file_image: str | None = None
    """The image that the cluster repository holds for the run's container; None = nobody knows."""
    canary_unready: float = 0.0
    """Seconds since which the target has not been ready."""
    held: str = ""
    """Why a finished analysis may not be promoted yet (rule H1), a sentence."""


# ---------------------------------------------------------------- checks


@dataclass(frozen=True)
class Check:
    """One webhook or metric of a tick; `key` names run, tick and check."""

    key: str
    kind: Literal["hook", "metric"]
    hook: Hook | None = None
    metric: Metric | None = None
    window: float = 0.0
    phase: str = ""
    """The phase that the hook's payload says."""

    @property
    def name(self) -> str:
        return self.hook.name if self.hook else self.metric.name if self.metric else ""


@dataclass(frozen=True)
class Verdict:
    """A judged check; `sentence` says why it did not pass, `value` and `limit` as they are printed."""

    check: Check
    outcome: Literal["passed", "failed", "closed", "no-data"]
    sentence: str = ""
    reason: str = ""
    """The sentence without its head, for results: `success rate 62.50% < 99%`."""
    value: str = ""
    limit: str = ""


@dataclass(frozen=True)
class Answered:
    """What the other side of a check said: `value` in percent, milliseconds or the query's own unit; `message` in its own words."""

    kind: Literal["passed", "failed", "value", "no-data", "unreachable"]
    value: float | None = None
    message: str = ""


Verdicts = tuple[Verdict, ...]
"""The judged checks of one tick in order; all passed but perhaps the last."""


# ---------------------------------------------------------------- what is done


@dataclass(frozen=True)
class Create:
    """The primary, its configs and autoscaler, and the Services of both sides, as far as they are missing."""


@dataclass(frozen=True)
class Route:
    """All objects of the split, with this much traffic to the canary (percent)."""

    canary: int


@dataclass(frozen=True)
class Scale:
    """Replicas of the target, through /scale."""

    replicas: int


@dataclass(frozen=True)
class ScalePrimary:
    replicas: int


@dataclass(frozen=True)
class Copy:
    """The run's pinned revision to the primary: configs, autoscaler, pod template; `back` = what the run started from instead."""

    back: bool = False


@dataclass(frozen=True)
class Finalizer:
    """Rule R13: hold the Canary until its result is recorded, or let it go."""

    held: bool


@dataclass(frozen=True)
class Notify:
    """An alert; `kind` with the run id makes a repeated one recognisable."""

    kind: str
    severity: Literal["info", "warn", "error"]
    text: str
    fields: tuple[tuple[str, str], ...] = ()


Effect = Create | Route | Scale | ScalePrimary | Copy | Finalizer | Notify


@dataclass(frozen=True)
class Line:
    """A sentence of the story. `key` distinguishes a repetition that is meant from a replay; "" = once per run. `place` is where it stands
    among the sentences of its tick."""

    text: str
    warning: bool = False
    key: str = ""
    event: bool = True
    place: int = field(default=50, compare=False)


@dataclass(frozen=True)
class Step:
    """What follows: apply `effects` in order, tell `story`, then write `status` (last)."""

    status: CanaryStatus
    effects: tuple[Effect, ...] = ()
    story: tuple[Line, ...] = ()


def holds_bumps(status: Mapping[str, Any]) -> str:
    """Why no tag behind this canary may be bumped now (rule B3), from the raw status; "" when it may."""
    run = status.get("run") or {}
    if run.get("serves"):
        return "its last promotion failed, it serves from its target until the primary is ready"
    if status.get("phase") in (Phase.PROMOTING, Phase.FINALISING):
        return "it is being promoted"
    if status.get("pendingResults"):
        return "its last result is not recorded in Git yet"
    return ""


def revision_id(template: str, configs: Mapping[str, str]) -> str:
    """One hash for template and configs together, as the primary carries it."""
    parts = [template, *(f"{name}={value}" for name, value in sorted(configs.items()))]
    return HASH + hashlib.sha256("\n".join(parts).encode()).hexdigest()
