"""The canaries lane: which canaries are looked at, when their ticks are due, and how a step is carried out and repeated."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gitops_canary.domain.canary.machine import decide
from gitops_canary.domain.canary.reading import canary_spec
from gitops_canary.domain.canary.spec import CANARY, CanarySpec
from gitops_canary.domain.canary.status import CanaryStatus, status_from, status_patch, status_sample
from gitops_canary.domain.canary.workloads import readiness
from gitops_canary.domain.counting import counted
from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.managers.base import NoFigures, earliest
from gitops_canary.managers.canaries.apply import Effects
from gitops_canary.managers.canaries.asks import Asks
from gitops_canary.managers.canaries.checking import Checking
from gitops_canary.managers.canaries.concerns import Concerns
from gitops_canary.managers.canaries.configs import Configs
from gitops_canary.managers.canaries.event_hooks import EventHooks
from gitops_canary.managers.canaries.holding import Holding
from gitops_canary.managers.canaries.notices import Notices, key_of
from gitops_canary.managers.canaries.observe import Observer, World
from gitops_canary.managers.canaries.rules import LANE, CanaryRules, Knows
from gitops_canary.managers.canaries.telling import Telling
from gitops_canary.managers.canaries.timing import Ticks
from gitops_canary.managers.definition import Definition
from gitops_canary.ports import Checks, Cluster, Figures, Log, Moment, Notifier, Turn, Wake

STEPS = 16
"""Steps that one canary may take in one turn: more means that it does not come to rest."""
TRIES = 3
"""How often a canary is observed again at once when somebody else writes at the same time."""
LOOK_AGAIN = 30.0
"""Seconds after which every canary is looked at, whatever wakes were lost."""


@dataclass(frozen=True)
class Ports:
    cluster: Cluster
    checks: Checks
    notifier: Notifier
    log: Log
    figures: Figures = field(default_factory=NoFigures)


class CanaryManager:
    """Level-based: any turn does whatever is due for the canaries it looks at. Keys are `namespace/name`."""

    name = LANE

    def __init__(self, ports: Ports, rules: CanaryRules, knows: Knows | None = None) -> None:
        self._ports, self._rules = ports, rules
        configs = Configs(ports.cluster, tracking=rules.config_tracking)
        self._observer = Observer(ports.cluster, configs, rules, knows or Knows())
        self._effects = Effects(ports.cluster, configs, rules)
        self._telling = Telling(ports.cluster, EventHooks(ports.checks, rules.event_webhook), ports.log, ports.figures)
        self._notices = Notices(ports.notifier)
        self._definition = Definition(ports.cluster, "canaries.flagger.app", status_sample(), "analyse")
        self._ticks = Ticks()
        self._checking = Checking(ports.checks, Asks(ports.cluster, rules.metrics_server), self._ticks)
        self._concerns = Concerns()
        self._holding = Holding(ports.log)
        self._looked = float("-inf")

    # ------------------------------------------------------------ the lane

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """Look at `keys` and whoever is due; at everybody without keys."""
        due = (self._ticks.keys_due(now.mono) - self._idle()) | self._holding.retries(now)
        wakes: list[Wake] = []
        for doc in self._docs(None if self._everybody(now, keys, due) else keys | due):
            wakes += self._one(doc, now)
        running, known = len(self._checking.asked), len(self._concerns.keys())
        says = counted(known, "canary", "canaries") + (f", {running} waiting for checks" if running else "")
        return Turn(says, tuple(wakes), earliest((self._ticks.next(self._idle()), self._holding.next())))

    def _everybody(self, now: Moment, keys: frozenset[str], due: frozenset[str]) -> bool:
        """A turn without keys is either a timer for those that are due, or the lane's safety look; the second must not starve."""
        if keys or (due and now.mono - self._looked < LOOK_AGAIN):
            return False
        self._looked = now.mono
        return True

    def delivered(self, id_: str) -> str:
        """Receivers have taken the notice: the key of its canary, for a wake. Thread-safe."""
        self._notices.delivered(id_)
        return key_of(id_)

    def keys_of(self, kind: str, namespace: str, name: str) -> frozenset[str]:
        """The canaries that a changed object concerns: what the cluster's listener wakes. Thread-safe."""
        return self._concerns.of(kind, namespace, name)

    def _idle(self) -> frozenset[str]:
        """Whose tick is no reason to run: their checks are in flight, or they are held back after a failure."""
        return frozenset(self._checking.asked | self._holding.keys)

    def _docs(self, keys: Iterable[str] | None) -> list[Doc]:
        cluster = self._ports.cluster
        if keys is None:
            docs = list(cluster.list(*CANARY, self._rules.namespace))
            for gone in self._concerns.keys() - {_key(doc) for doc in docs}:
                self._forget(gone)
            return docs
        found: list[Doc] = []
        for key in sorted(keys):
            namespace, _, name = key.partition("/")
            doc = cluster.get(Ref(*CANARY, namespace, name))
            if doc is None:
                self._forget(key)
            elif self._rules.namespace in ("", namespace):
                found.append(doc)
        return found

    def _forget(self, key: str) -> None:
        self._concerns.forget(key)
        self._ticks.forget(key)
        self._holding.worked(key)
        self._checking.drop(key)

    # ------------------------------------------------------------ one canary

    def _one(self, doc: Doc, now: Moment) -> list[Wake]:
        """One failing canary delays no other; an API that does not answer holds it and is never counted (rule R10)."""
        key = _key(doc)
        self._concerns.know(key)
        if not self._holding.ready(key, now):
            return []
        try:
            with self._ports.figures.tick(key.partition("/")[0], _target_name(doc)):
                wakes = self._steps(doc, now)
        except UserError as error:
            self._refuse(doc, error, now)
            return []
        except (Unavailable, Conflict) as error:
            self._holding.failed(key, error, now)
            return []
        self._holding.worked(key)
        return wakes

    def _refuse(self, doc: Doc, error: UserError, now: Moment) -> None:
        key = _key(doc)
        try:
            self._telling.refused(doc, error, now)
        except GitopsCanaryError as again:
            self._holding.failed(key, again, now)
        self._ticks.forget(key)
        if not self._definition.keeps:
            self._holding.refused(key, now)

    def _steps(self, doc: Doc, now: Moment) -> list[Wake]:
        """Steps until the canary rests; a conflict observes again."""
        spec = canary_spec(doc, interval_floor=self._rules.interval_floor, rollback=self._rules.rollback)
        tries, before = TRIES, len((doc.get("status") or {}).get("pendingResults") or ())
        after = before
        for _ in range(STEPS):
            try:
                current = self._ports.cluster.get(ref_of(doc))
                if current is None:
                    self._forget(spec.key)
                    break
                self._definition.check(current)
                moved, after = self._step(current, spec, now)
            except Conflict:
                tries -= 1
                if not tries:
                    raise
                continue
            if not moved:
                break
        return [Wake("results", spec.key)] if after > before else []

    def _step(self, doc: Doc, spec: CanarySpec, now: Moment) -> tuple[bool, int]:
        """(whether the status moved, how many results are pending)."""
        status = status_from(doc.get("status") or {})
        world = self._look(doc, spec, status, now)
        self._ticks.plan(spec, status, now.mono, now.wall)
        verdicts = self._checking.verdicts(world, now)
        step = decide(spec, status, world.seen, verdicts, now.wall)
        after = self._notices.kept(spec, status, step.status, step.effects)
        self._effects.apply(world, step.effects)
        self._telling.step(world, step, now)
        moved = self._write(world, after, now)
        self._notices.send(spec, after)
        if verdicts is not None:
            self._checking.ticked(spec, step.status, now)
        elif moved and spec.key in self._checking.asked:
            # Another run or phase: what is in flight belongs to the one before.
            self._checking.drop(spec.key)
        self._ticks.plan(spec, step.status, now.mono, now.wall)
        return moved, len(step.status.pending)

    def _write(self, world: World, after: CanaryStatus, now: Moment) -> bool:
        """The status, last; False when it stays as it is."""
        patch = status_patch(world.canary.get("status") or {}, after, world.spec.target.kind, now.wall)
        if not patch:
            return False
        version = world.canary["metadata"]["resourceVersion"]
        made = self._ports.cluster.patch(ref_of(world.canary), {"status": patch}, subresource="status", resource_version=version)
        self._definition.compare(patch, made)
        self._telling.ended(world.spec, world.status, after, now)
        return True

    def _look(self, doc: Doc, spec: CanarySpec, status: CanaryStatus, now: Moment) -> World:
        target = self._ports.cluster.get(spec.target)
        self._concerns.look_at(spec.key, frozenset(self._observer.places(spec, target)))
        ready = target is None or readiness(target, spec.canary_ready).ready
        return self._observer.look(doc, spec, status, self._ticks.unready(spec.key, ready, now.mono), now.wall)


def _target_name(doc: Doc) -> str:
    return str(((doc.get("spec") or {}).get("targetRef") or {}).get("name") or doc["metadata"]["name"])


def _key(doc: Doc) -> str:
    return f"{doc['metadata']['namespace']}/{doc['metadata']['name']}"
