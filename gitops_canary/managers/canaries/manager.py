"""The canaries lane: which canaries are looked at, when their ticks are due, and how a step is carried out and repeated."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.canary.checks import checks_due, progress
from gitops_canary.domain.canary.machine import decide
from gitops_canary.domain.canary.model import Answered, Check, Line, Step, Verdicts
from gitops_canary.domain.canary.spec import CANARY, CanarySpec, canary_spec
from gitops_canary.domain.canary.status import REFUSED, CanaryStatus, since, stamp, status_from, status_patch, status_sample
from gitops_canary.domain.canary.transitions import RESTING
from gitops_canary.domain.canary.workloads import readiness
from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.managers.base import Backoff, NoFigures, earliest
from gitops_canary.managers.canaries.apply import Effects, told_key
from gitops_canary.managers.canaries.asks import Asks, answered
from gitops_canary.managers.canaries.configs import Configs
from gitops_canary.managers.canaries.event_hooks import EventHooks
from gitops_canary.managers.canaries.notices import Notices, key_of
from gitops_canary.managers.canaries.observe import Observer, World
from gitops_canary.managers.canaries.rules import LANE, CanaryRules, Knows
from gitops_canary.managers.canaries.timing import Ticks
from gitops_canary.managers.definition import Definition
from gitops_canary.ports import Checks, Cluster, Figures, Log, Moment, Notifier, Sentence, Turn, Wake

STEPS = 16
"""Steps that one canary may take in one turn: more means that it does not come to rest."""
TRIES = 3
"""How often a canary is observed again at once when somebody else writes at the same time."""
LOOK_AGAIN = 30.0
"""Seconds after which every canary is looked at, whatever wakes were lost."""
SAID = 4096
"""Sentences remembered as told; beyond it a repetition costs one request that changes nothing."""


CONFLICT_WAIT = 0.1
"""Seconds until a canary is looked at again whose objects others wrote at the same time; doubled while it goes on."""


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
        self._ports = ports
        self._rules = rules
        configs = Configs(ports.cluster, tracking=rules.config_tracking)
        self._observer = Observer(ports.cluster, configs, rules, knows or Knows())
        self._effects = Effects(ports.cluster, configs, rules)
        self._events = EventHooks(ports.checks, rules.event_webhook)
        self._notices = Notices(ports.notifier)
        self._definition = Definition(ports.cluster, "canaries.flagger.app", status_sample(), "analyse")
        self._asks = Asks(ports.cluster, rules.metrics_server)
        self._ticks = Ticks()
        self._backoff = Backoff(first=1.0, most=30.0)
        self._told: OrderedDict[str, None] = OrderedDict()
        self._watched: dict[tuple[str, str, str], frozenset[str]] = {}
        self._places: dict[str, frozenset[tuple[str, str, str]]] = {}
        self._asked: set[str] = set()
        self._held: set[str] = set()
        self._looked = float("-inf")

    # ------------------------------------------------------------ the lane

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """Look at `keys` and whoever is due; at everybody without keys."""
        due = (self._ticks.keys_due(now.mono) - self._idle()) | self._retries(now)
        wakes: list[Wake] = []
        for doc in self._docs(None if self._everybody(now, keys, due) else keys | due):
            wakes += self._one(doc, now)
        running = len(self._asked)
        says = f"{len(self._places)} canaries, {running} waiting for checks" if running else f"{len(self._places)} canaries"
        return Turn(says, tuple(wakes), earliest((self._ticks.next(self._idle()), self._backoff.next())))

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
        """The canaries that a changed object concerns: what the cluster's listener wakes. Thread-safe (reads one dict)."""
        if kind == CANARY[1]:
            return frozenset({f"{namespace}/{name}"})
        return self._watched.get((kind, namespace, name), frozenset())

    def _idle(self) -> frozenset[str]:
        """Whose tick is no reason to run: their checks are in flight, or they are held back after a failure."""
        return frozenset(self._asked | self._held)

    def _retries(self, now: Moment) -> frozenset[str]:
        return frozenset(key for key in self._held if self._backoff.ready(key, now.mono))

    def _docs(self, keys: Iterable[str] | None) -> list[Doc]:
        cluster = self._ports.cluster
        if keys is None:
            docs = list(cluster.list(*CANARY, self._rules.namespace))
            for gone in self._places.keys() - {_key(doc) for doc in docs}:
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
        self._index(key, frozenset())
        self._places.pop(key, None)
        self._ticks.forget(key)
        self._worked(key)
        self._drop_checks(key)

    def _index(self, key: str, places: frozenset[tuple[str, str, str]]) -> None:
        old = self._places.get(key, frozenset())
        for place in old - places:
            self._watched[place] = self._watched.get(place, frozenset()) - {key}
        for place in places - old:
            self._watched[place] = self._watched.get(place, frozenset()) | {key}
        self._places[key] = places

    # ------------------------------------------------------------ one canary

    def _one(self, doc: Doc, now: Moment) -> list[Wake]:
        """One failing canary delays no other; an API that does not answer holds it and is never counted (rule R10)."""
        key = _key(doc)
        self._places.setdefault(key, frozenset())
        if not self._backoff.ready(key, now.mono):
            return []
        try:
            with self._ports.figures.tick(key.partition("/")[0], _target_name(doc)):
                wakes = self._steps(doc, now)
        except UserError as error:
            self._refuse(doc, error, now)
            self._ticks.forget(key)
            if not self._definition.keeps:
                self._backoff.failed(key, now.mono)
                self._held.add(key)
            return []
        except (Unavailable, Conflict) as error:
            self._hold(key, error, now)
            return []
        self._worked(key)
        return wakes

    def _hold(self, key: str, error: GitopsCanaryError, now: Moment) -> None:
        """A conflict passes as soon as the cache has the newer object: it is tried again at once and is no news."""
        conflict = isinstance(error, Conflict)
        least = getattr(error, "retry_after", None) or 0.0
        until = self._backoff.failed(key, now.mono, at_least=least, first=CONFLICT_WAIT if conflict else None)
        self._held.add(key)
        if not conflict or until - now.mono > 1.0:
            self._ports.log.warning(f"{error}; tried again in {until - now.mono:.0f} s", canary=key)

    def _worked(self, key: str) -> None:
        self._held.discard(key)
        self._backoff.worked(key)

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
        verdicts = self._verdicts(world, now)
        step = decide(spec, status, world.seen, verdicts, now.wall)
        after = self._notices.kept(spec, status, step.status, step.effects)
        self._effects.apply(world, step.effects)
        patch = status_patch(doc.get("status") or {}, after, spec.target.kind, now.wall)
        self._tell(world, step, now)
        if patch:
            version = world.canary["metadata"]["resourceVersion"]
            made = self._ports.cluster.patch(ref_of(doc), {"status": patch}, subresource="status", resource_version=version)
            self._definition.compare(patch, made)
            self._count(spec, status, after, now)
        self._notices.send(spec, after)
        if verdicts is not None:
            self._ticked(spec, step.status, now)
        elif patch and spec.key in self._asked:
            # Another run or phase: what is in flight belongs to the one before.
            self._drop_checks(spec.key)
        self._ticks.plan(spec, step.status, now.mono, now.wall)
        return bool(patch), len(step.status.pending)

    def _count(self, spec: CanarySpec, before: CanaryStatus, after: CanaryStatus, now: Moment) -> None:
        run = after.run
        if run is not None and not run.under_way and (before.run is None or before.run.under_way):
            seconds = since(run.started, now.wall)
            self._ports.figures.ended(spec.namespace, spec.target.name, run.outcome, skipped=spec.skip_analysis, seconds=seconds)

    def _look(self, doc: Doc, spec: CanarySpec, status: CanaryStatus, now: Moment) -> World:
        target = self._ports.cluster.get(spec.target)
        self._index(spec.key, frozenset(self._observer.places(spec, target)))
        ready = target is None or readiness(target, spec.canary_ready).ready
        return self._observer.look(doc, spec, status, self._ticks.unready(spec.key, ready, now.mono), now.wall)

    # ------------------------------------------------------------ ticks and checks

    def _verdicts(self, world: World, now: Moment) -> Verdicts | None:
        """The judged checks of a tick that is due, once all are; None without a tick, or while answers are missing."""
        spec, status = world.spec, world.status
        after_end = status.phase in RESTING and status.run is not None and status.run.post
        if not after_end and not self._ticks.due(spec.key, now.mono):
            return None
        checks = checks_due(spec, status, world.seen, now.wall)
        answers = answered(self._ports.checks.answers(spec.key))
        answers |= self._start(world, checks, answers)
        state = progress(spec, checks, answers)
        if state.complete:
            self._asked.discard(spec.key)
            return state.verdicts
        self._asked.add(spec.key)
        return None

    def _start(self, world: World, checks: tuple[Check, ...], answers: dict[str, Answered]) -> dict[str, Answered]:
        """Start what is next; returns answers that need no asking (a template that cannot be rendered)."""
        known: dict[str, Answered] = {}
        for check in progress(world.spec, checks, answers).start:
            ask = self._asks.ask(world.spec, world.status, check)
            if isinstance(ask, Answered):
                known[check.key] = ask
            else:
                self._ports.checks.start(world.spec.key, ask)
        return known

    def _ticked(self, spec: CanarySpec, after: CanaryStatus, now: Moment) -> None:
        self._drop_checks(spec.key)
        if self._ticks.due(spec.key, now.mono):
            self._ticks.done(spec, after, now.mono)

    def _drop_checks(self, key: str) -> None:
        self._asked.discard(key)
        self._ports.checks.forget(key)

    # ------------------------------------------------------------ what people read

    def _tell(self, world: World, step: Step, now: Moment) -> None:
        told = World(world.canary, world.spec, step.status, world.seen) if _restarts(world.status, step.status) else world
        for line in step.story:
            self._say(told, line, now)

    def _say(self, world: World, line: Line, now: Moment) -> None:
        key = told_key(world, line.key, line.text)
        if key in self._told:
            return
        if line.event:
            self._ports.cluster.tell(world.canary, Sentence(line.text, line.warning), key=key, now=now.wall)
            self._events.tell(world.spec, world.status, line, key, now.wall)
        say = self._ports.log.warning if line.warning else self._ports.log.info
        say(line.text, canary=f"{world.spec.name}.{world.spec.namespace}")
        self._told[key] = None
        if len(self._told) > SAID:
            self._told.popitem(last=False)

    def _refuse(self, doc: Doc, error: UserError, now: Moment) -> None:
        """A Canary that cannot be read, or an effect that a person must allow: said in condition, Event and log, once. Where the
        definition drops `says`, the condition remembers."""
        status: dict[str, Any] = doc.get("status") or {}
        text = str(error)
        if text in (status.get("says"), *(one.get("message") for one in status.get("conditions") or ())):
            return
        condition = {"type": "Promoted", "status": "False", "reason": REFUSED, "message": text}
        times = {"lastUpdateTime": stamp(now.wall), "lastTransitionTime": stamp(now.wall)}
        self._ports.log.warning(text, canary=_key(doc))
        try:
            self._ports.cluster.tell(doc, Sentence(text, warning=True), key=f"refused/{text}", now=now.wall)
            patch = {"status": {"says": text, "conditions": [{**condition, **times}]}}
            self._ports.cluster.patch(ref_of(doc), patch, subresource="status", resource_version=doc["metadata"]["resourceVersion"])
        except GitopsCanaryError as again:
            self._hold(_key(doc), again, now)


def _restarts(old: CanaryStatus, new: CanaryStatus) -> bool:
    """Sentences that begin a run belong to the new one."""
    return new.number != old.number


def _target_name(doc: Doc) -> str:
    return str(((doc.get("spec") or {}).get("targetRef") or {}).get("name") or doc["metadata"]["name"])


def _key(doc: Doc) -> str:
    return f"{doc['metadata']['namespace']}/{doc['metadata']['name']}"
