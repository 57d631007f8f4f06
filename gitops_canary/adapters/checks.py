"""Checks that are started and never waited for: hooks and metric queries on a few threads, bounded per host and per owner."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gitops_canary.adapters.exchange import Exchange, NoAnswer, host_of
from gitops_canary.metrics import prometheus
from gitops_canary.ports import Answer, Ask, HookAsk, QueryAsk

PASSES = 202
"""Flagger's rule: a hook passes with a status up to this."""
QUERY_TIMEOUT = 5.0
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds between a hook's attempts, the last for all further ones, as Flagger's retrying client waits."""
REMEMBERED = 30
"""Seconds that a grouped answer is kept for those who ask for that same second."""


@dataclass(frozen=True)
class _Waiter:
    """Who wants an answer; `mark` tells this start from an earlier one of the same key that was forgotten."""

    owner: str
    ask: Ask
    mark: object


@dataclass(eq=False)
class _Job:
    """One exchange to be done. `owner` is "" for a grouped query, which belongs to everybody."""

    owner: str
    host: str
    waiters: list[_Waiter]
    group: prometheus.GroupKey | None = None
    attempt: int = 0
    due: float = 0.0


@dataclass
class _Entry:
    mark: object
    answer: Answer | None = None


@dataclass
class _State:
    """Everything that threads share, under one condition."""

    entries: dict[str, dict[str, _Entry]] = field(default_factory=dict)
    queue: list[_Job] = field(default_factory=list)
    running: list[_Job] = field(default_factory=list)
    groups: dict[prometheus.GroupKey, prometheus.Grouped | _Job] = field(default_factory=dict)
    threads: int = 0
    stopped: bool = False


class HttpChecks:
    """Implements `ports.Checks`. `on_answer(owner)` is called on a worker's thread (or the starter's, when the answer is known already)."""

    def __init__(
        self,
        on_answer: Callable[[str], None],
        *,
        workers: int = 32,
        per_host: int = 8,
        per_owner: int = 4,
        pauses: tuple[float, ...] = PAUSES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._on_answer, self._wall, self._pauses = on_answer, wall, pauses
        self._workers, self._per_host, self._per_owner = workers, per_host, per_owner
        self._exchange = Exchange()
        self._condition = threading.Condition()
        self._state = _State()

    def start(self, owner: str, ask: Ask) -> None:
        with self._condition:
            entries = self._state.entries.setdefault(owner, {})
            if ask.key in entries or self._state.stopped:
                return
            entries[ask.key] = _Entry(object())
            known = self._enter(_Waiter(owner, ask, entries[ask.key].mark))
        if known is not None:
            self._on_answer(owner)

    def answers(self, owner: str) -> Mapping[str, Answer]:
        with self._condition:
            entries = self._state.entries.get(owner, {})
            return {key: entry.answer for key, entry in entries.items() if entry.answer is not None}

    def forget(self, owner: str, keep: Iterable[str] = ()) -> None:
        kept = frozenset(keep)
        with self._condition:
            entries = {key: entry for key, entry in self._state.entries.pop(owner, {}).items() if key in kept}
            if entries:
                self._state.entries[owner] = entries
            self._state.queue = [job for job in self._state.queue if any(self._wanted(one) for one in job.waiters)]
            queued = set(map(id, [*self._state.queue, *self._state.running]))
            self._state.groups = {k: v for k, v in self._state.groups.items() if not isinstance(v, _Job) or id(v) in queued}

    def close(self) -> None:
        """Start nothing more; what is under way ends by itself on its daemon thread."""
        with self._condition:
            self._state.stopped = True
            self._state.queue.clear()
            self._condition.notify_all()
        self._exchange.close()

    # ------------------------------------------------------------ under the condition

    def _enter(self, waiter: _Waiter) -> Answer | None:
        """Queue the ask, or join the grouped query that serves it; the answer when that is there already."""
        ask = waiter.ask
        group = self._group(ask)
        if group is not None and group in self._state.groups:
            found = self._state.groups[group]
            if isinstance(found, prometheus.Grouped):
                self._settle(waiter, _grouped_answer(ask, found))
                return self._state.entries[waiter.owner][ask.key].answer
            found.waiters.append(waiter)
            return None
        job = _Job("" if group else waiter.owner, _host_of(ask), [waiter], group)
        if group is not None:
            self._state.groups = {k: v for k, v in self._state.groups.items() if k.second > group.second - REMEMBERED} | {group: job}
        self._push(job)
        return None

    def _group(self, ask: Ask) -> prometheus.GroupKey | None:
        """The fleet's query that answers this ask; None for hooks and for expressions of one's own."""
        if isinstance(ask, HookAsk) or not ask.builtin:
            return None
        return prometheus.group_key(ask.address, ask.builtin, ask.window, self._wall())

    def _push(self, job: _Job) -> None:
        self._state.queue.append(job)
        if self._state.threads < self._workers and self._state.threads <= len(self._state.running) + len(self._state.queue):
            self._state.threads += 1
            threading.Thread(target=self._work, name=f"checks-{self._state.threads}", daemon=True).start()
        self._condition.notify()

    def _take(self) -> _Job | float | None:
        """The first job that may run, else seconds until one may, else None (something must happen first)."""
        now = time.monotonic()
        hosts = Counter(job.host for job in self._state.running)
        owners = Counter(job.owner for job in self._state.running if job.owner)
        soonest = math.inf
        for job in self._state.queue:
            if hosts[job.host] >= self._per_host or owners[job.owner] >= self._per_owner:
                continue
            if job.due <= now:
                self._state.queue.remove(job)
                self._state.running.append(job)
                return job
            soonest = min(soonest, job.due - now)
        return None if soonest is math.inf else soonest

    def _wanted(self, waiter: _Waiter) -> bool:
        entry = self._state.entries.get(waiter.owner, {}).get(waiter.ask.key)
        return entry is not None and entry.mark is waiter.mark

    def _settle(self, waiter: _Waiter, answer: Answer) -> None:
        if self._wanted(waiter):
            self._state.entries[waiter.owner][waiter.ask.key].answer = answer

    # ------------------------------------------------------------ on a worker's thread

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                outcome = self._do(job)
            except Exception as error:  # a bug must not take the thread and its slots along
                words = f"{type(error).__name__}: {error}"
                failed = prometheus.Grouped({}, prometheus.unreachable(words))
                outcome = failed if job.group else _unreachable(job.waiters[0].ask, words)
            self._finish(job, outcome)

    def _next(self) -> _Job | None:
        with self._condition:
            while not self._state.stopped:
                found = self._take()
                if isinstance(found, _Job):
                    return found
                self._condition.wait(found)
            return None

    def _do(self, job: _Job) -> Answer | prometheus.Grouped | float:
        """The answer, or the seconds until the next attempt."""
        ask = job.waiters[0].ask
        if isinstance(ask, HookAsk):
            return self._hook(ask, job.attempt)
        expression = prometheus.builtin_query(ask.builtin, ask.window) if job.group and ask.builtin else ask.expression
        try:
            reply = self._exchange.get(prometheus.query_url(ask.address, expression), QUERY_TIMEOUT, prometheus.MAX_BYTES)
        except NoAnswer as error:
            failed = prometheus.unreachable(str(error))
            return prometheus.Grouped({}, failed) if job.group else _query_answer(ask, failed)
        if job.group:
            return prometheus.read_grouped(reply.status, reply.body) if reply.whole else prometheus.Grouped({}, prometheus.too_long())
        return _query_answer(ask, prometheus.read_single(reply.status, reply.body) if reply.whole else prometheus.too_long())

    def _hook(self, ask: HookAsk, attempt: int) -> Answer | float:
        again = attempt < ask.retries
        pause = self._pauses[min(attempt, len(self._pauses) - 1)]
        try:
            reply = self._exchange.post(ask.url, ask.payload, ask.timeout, disable_tls=ask.disable_tls)
        except NoAnswer as error:
            return pause if again else Answer(ask.key, "failed", message=str(error))
        if again and (reply.status == 429 or reply.status >= 500):
            return pause
        if reply.status <= PASSES:
            return Answer(ask.key, "passed", message=reply.words())
        return Answer(ask.key, "failed", message=reply.words() or f"it answered {reply.status} without a word")

    def _finish(self, job: _Job, outcome: Answer | prometheus.Grouped | float) -> None:
        with self._condition:
            self._state.running.remove(job)
            if isinstance(outcome, float):
                job.attempt, job.due = job.attempt + 1, time.monotonic() + outcome
                if any(self._wanted(one) for one in job.waiters):
                    self._state.queue.append(job)
                told: set[str] = set()
            else:
                told = self._tell(job, outcome)
            self._condition.notify_all()
        for owner in told:
            self._on_answer(owner)

    def _tell(self, job: _Job, outcome: Answer | prometheus.Grouped) -> set[str]:
        if job.group is not None and isinstance(outcome, prometheus.Grouped):
            self._state.groups[job.group] = outcome
        elif job.group is not None:
            self._state.groups.pop(job.group, None)
        told = {waiter.owner for waiter in job.waiters if self._wanted(waiter)}
        for waiter in job.waiters:
            self._settle(waiter, outcome if isinstance(outcome, Answer) else _grouped_answer(waiter.ask, outcome))
        return told


def _host_of(ask: Ask) -> str:
    return host_of(ask.url if isinstance(ask, HookAsk) else ask.address)


def _grouped_answer(ask: Ask, grouped: prometheus.Grouped) -> Answer:
    assert isinstance(ask, QueryAsk)
    return _query_answer(ask, grouped.of(ask.namespace, ask.workload))


def _query_answer(ask: QueryAsk, outcome: prometheus.Outcome) -> Answer:
    if outcome.kind == "error":
        return _unreachable(ask, outcome.message)
    return Answer(ask.key, outcome.kind, outcome.value, outcome.message)


def _unreachable(ask: Ask, message: str) -> Answer:
    return Answer(ask.key, "failed" if isinstance(ask, HookAsk) else "unreachable", message=message)
