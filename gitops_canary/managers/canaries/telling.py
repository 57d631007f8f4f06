"""What people read of a canary: each sentence once, in log, Event and event webhooks, a refusal in the status too; no alerts."""

from collections import OrderedDict
from typing import Any

from gitops_canary.domain.canary.model import Line, Step
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import REFUSED, CanaryStatus, since
from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.managers.canaries.apply import order_of, told_key
from gitops_canary.managers.canaries.event_hooks import EventHooks
from gitops_canary.managers.canaries.observe import World
from gitops_canary.ports import Cluster, Figures, Log, Moment, Sentence

SAID = 4096
"""Sentences remembered as told; beyond it a repetition costs one request that changes nothing."""


class Telling:
    def __init__(self, cluster: Cluster, events: EventHooks, log: Log, figures: Figures) -> None:
        self._cluster, self._events, self._log, self._figures = cluster, events, log, figures
        self._told: OrderedDict[str, None] = OrderedDict()

    def step(self, world: World, step: Step, now: Moment) -> None:
        """Sentences that begin a run belong to the new one."""
        begins = world.status.number != step.status.number
        told = World(world.canary, world.spec, step.status, world.seen) if begins else world
        for line in step.story:
            self._say(told, line, order_of(step.status, line), now)

    def ended(self, spec: CanarySpec, before: CanaryStatus, after: CanaryStatus, now: Moment) -> None:
        """Counts a run whose end has just been written."""
        run = after.run
        if run is not None and not run.under_way and (before.run is None or before.run.under_way):
            seconds = since(run.started, now.wall)
            self._figures.ended(spec.namespace, spec.target.name, run.outcome, skipped=spec.skip_analysis, seconds=seconds)

    def refused(self, doc: Doc, error: UserError, now: Moment) -> None:
        """A Canary that cannot be read, or an effect that a person must allow: said in condition, Event and log, once. Where the
        definition drops `says`, the condition remembers."""
        status: dict[str, Any] = doc.get("status") or {}
        text, meta = str(error), doc["metadata"]
        if text in (status.get("says"), *(one.get("message") for one in status.get("conditions") or ())):
            return
        condition = {"type": "Promoted", "status": "False", "reason": REFUSED, "message": text}
        times = {"lastUpdateTime": stamp(now.wall), "lastTransitionTime": stamp(now.wall)}
        self._log.warning(text, canary=f"{meta['namespace']}/{meta['name']}")
        self._cluster.tell(doc, Sentence(text, warning=True), key=f"refused/{text}", now=now.wall)
        patch = {"status": {"says": text, "conditions": [{**condition, **times}]}}
        self._cluster.patch(ref_of(doc), patch, subresource="status", resource_version=meta["resourceVersion"])

    def _say(self, world: World, line: Line, order: str, now: Moment) -> None:
        key = told_key(world, line.key, line.text)
        if key in self._told:
            return
        if line.event:
            self._cluster.tell(world.canary, Sentence(line.text, line.warning, order), key=key, now=now.wall)
            self._events.tell(world.spec, world.status, line, key, now.wall)
        say = self._log.warning if line.warning else self._log.info
        say(line.text, canary=f"{world.spec.name}.{world.spec.namespace}")
        self._told[key] = None
        if len(self._told) > SAID:
            self._told.popitem(last=False)
