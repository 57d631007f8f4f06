"""`Recorder`: Events as controllers and kubelets write them: equal ones are counted, similar ones joined, floods held back."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.kube import MERGE, NETWORK, ApiError, Kube

Doc = dict[str, Any]
REMEMBERED = 4096
BURST, REFILL_SECONDS = 25.0, 300.0
"""How many Events of one teller there may be about one object at once, and after how long there may be one more."""
SIMILAR, SIMILAR_SECONDS = 10, 600.0
"""After so many sentences for one reason about one object, within so long, the rest share one Event."""
QUEUED = 1000
LONGEST_MESSAGE = 1024
TRIES, RETRY_SECONDS = 12, 1.0
T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """The object that a sentence is about; `field_path` names a part of it."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    field_path: str = ""
    version: str = field(default="", compare=False)

    @classmethod
    def of(cls, doc: Mapping[str, Any], kind: str, api_version: str, field_path: str = "") -> "About":
        meta = doc["metadata"]
        version = str(meta.get("resourceVersion", ""))
        return cls(kind, api_version, str(meta.get("namespace", "")), str(meta["name"]), str(meta["uid"]), field_path, version)


@dataclass(frozen=True)
class Sentence:
    """`type` is Normal or Warning."""

    about: About
    type: str
    reason: str
    message: str


@dataclass(frozen=True)
class Step:
    """What to write: Event `name`, which stands there already when `count` is over one."""

    sentence: Sentence
    name: str
    first: str
    last: str
    count: int


@dataclass
class _Budget:
    left: float = BURST
    at: float = 0.0


@dataclass
class _Group:
    messages: set[str] = field(default_factory=set)
    at: float = 0.0


class Correlator:
    """Which Event a sentence becomes, after those before it; forgets what was said longest ago. Does no I/O."""

    def __init__(self) -> None:
        self._budgets: OrderedDict[About, _Budget] = OrderedDict()
        self._groups: OrderedDict[Sentence, _Group] = OrderedDict()
        self._told: OrderedDict[Sentence, Step] = OrderedDict()

    def step(self, sentence: Sentence, now: float) -> Step | None:
        """`now` in seconds since 1970; None when too much was said about that object."""
        key = self._joined(sentence, now)
        if not self._affordable(sentence.about, now):
            return None
        at = stamp(datetime.fromtimestamp(now, UTC))
        fresh = Step(sentence, f"{sentence.about.name}.{int(now * 1e9):x}", at, at, 0)
        said = key if key == sentence else Sentence(sentence.about, sentence.type, sentence.reason, key.message + sentence.message)
        before = _recalled(self._told, key, lambda: fresh)
        self._told[key] = Step(said, before.name, before.first, at, before.count + 1)
        return self._told[key]

    def _joined(self, sentence: Sentence, now: float) -> Sentence:
        """The sentence by which it is counted: its own, or the one that all similar ones share."""
        similar = Sentence(sentence.about, sentence.type, sentence.reason, "(combined from similar events): ")
        group = _recalled(self._groups, similar, _Group)
        if now - group.at > SIMILAR_SECONDS:
            group.messages.clear()
        group.at = now
        group.messages.add(sentence.message)
        if len(group.messages) < SIMILAR:
            return sentence
        group.messages.pop()
        return similar

    def _affordable(self, about: About, now: float) -> bool:
        budget = _recalled(self._budgets, about, _Budget)
        budget.left = min(BURST, budget.left + (now - budget.at) / REFILL_SECONDS)
        budget.at = now
        if budget.left < 1:
            return False
        budget.left -= 1
        return True


class Recorder:
    """Speaks as `component` (on `host`). `tell` never waits and never fails: what cannot be written in a dozen tries is lost, as a real
    teller's is. `run` it beside the rest, on the client's loop."""

    def __init__(self, kube: Kube, component: str, host: str = "", now: Callable[[], float] = time.time) -> None:
        self._kube, self._component, self._host, self._now = kube, component, host, now
        self._correlator = Correlator()
        self._queue: asyncio.Queue[Step] = asyncio.Queue(QUEUED)

    def tell(self, about: About, reason: str, message: str, type_: str = "Normal") -> None:
        step = self._correlator.step(Sentence(about, type_, reason, message[:LONGEST_MESSAGE]), self._now())
        if step is not None:
            with contextlib.suppress(asyncio.QueueFull):
                self._queue.put_nowait(step)

    def warn(self, about: About, reason: str, message: str) -> None:
        self.tell(about, reason, message, "Warning")

    async def run(self) -> None:
        while True:
            step = await self._queue.get()
            for _ in range(TRIES):
                try:
                    await self._write(step)
                    break
                except ApiError:
                    break  # a namespace that goes takes no more Events
                except NETWORK:
                    await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, step: Step) -> None:
        path = f"/api/v1/namespaces/{step.sentence.about.namespace or 'default'}/events"
        if step.count > 1:
            patch = {"count": step.count, "lastTimestamp": step.last, "message": step.sentence.message}
            try:
                await self._kube.request("PATCH", f"{path}/{step.name}", patch, MERGE)
                return
            except ApiError as error:
                if error.status != 404:
                    raise
        await self._kube.request("POST", path, self._event(step))

    def _event(self, step: Step) -> Doc:
        about = step.sentence.about
        involved = {
            "kind": about.kind,
            "apiVersion": about.api_version,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.version,
            "fieldPath": about.field_path,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": step.name, "namespace": about.namespace or "default"},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "type": step.sentence.type,
            "reason": step.sentence.reason,
            "message": step.sentence.message,
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "firstTimestamp": step.first,
            "lastTimestamp": step.last,
            "count": step.count,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }


def _recalled(known: "OrderedDict[Any, T]", key: object, new: Callable[[], T]) -> T:
    """What is known of it, most recent last."""
    found = known.pop(key, None)
    known[key] = found if found is not None else new()
    if len(known) > REMEMBERED:
        known.popitem(last=False)
    return known[key]
