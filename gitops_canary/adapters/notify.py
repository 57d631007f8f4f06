"""Posting notices: a bounded queue and a thread for each receiver, so that a dead one delays neither canaries nor other receivers."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from gitops_canary.adapters.exchange import CHUNK, Exchange, NoAnswer, Reply
from gitops_canary.adapters.retry_after import asked_pause
from gitops_canary.domain.canary.spec import Alert
from gitops_canary.notifiers import discord, generic, googlechat, slack, teams
from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Log, Notice
from gitops_canary.settings import Settings

PAYLOADS: Mapping[str, Callable[[Notice, Target], dict[str, Any]]] = {
    "slack": slack.payload,
    "rocket": slack.rocket_payload,
    "msteams": teams.payload,
    "discord": discord.payload,
    "gchat": googlechat.payload,
    "generic": generic.payload,
}
WAITING = 200
"""Notices that wait for one receiver; beyond, the oldest is given up, with a log line."""
RECEIVERS = 100
"""Receivers with a thread each; beyond, one that has nothing to do gives its place to a new one (addresses and tokens change)."""
TIMEOUT = 5.0
PAUSES = (1.0, 5.0, 20.0, 60.0)
"""Seconds between attempts; after the last a notice is given up, with a log line."""
LONGEST_PAUSE = 120.0

Outcome = Callable[[Notice, Target, str], None]
"""Told on a thread of the notifier that the receiver has taken a notice (""), or why it was given up."""
Done = Callable[[str], None]
"""Told the notice's id once every receiver has taken it or was given up; on any thread."""


def targets_of(settings: Settings) -> tuple[Target, ...]:
    """The global receivers, which every alert goes to."""
    found = (
        Target("slack", settings.slack_url, settings.slack_channel, settings.slack_user),
        Target("msteams", settings.msteams_url),
        Target("discord", settings.discord_url),
        Target("rocket", settings.rocket_url),
        Target("gchat", settings.gchat_url),
        Target("generic", settings.generic_url, key=settings.generic_key),
    )
    return tuple(target for target in found if target.url)


class HttpNotifier:
    """Implements `ports.Notifier`: `send` goes to the global targets that want the severity, `send_to` to an AlertProvider's."""

    def __init__(
        self,
        targets: Sequence[Target],
        log: Log,
        *,
        on_outcome: Outcome = lambda notice, target, words: None,
        on_done: Done = lambda id_: None,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._targets, self._log, self._pauses = tuple(targets), log, pauses
        self._on_outcome = on_outcome
        self._exchange = Exchange()
        self._on_done = on_done
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()
        self._queues: dict[Target, queue.Queue[Notice]] = {}
        self._stopped = threading.Event()

    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        return bool(self._targets)

    def send(self, notice: Notice) -> None:
        self.send_to(self._targets, notice)

    def send_to(self, targets: Sequence[Target], notice: Notice) -> None:
        """Returns at once, whatever the receivers do."""
        if self._stopped.is_set():
            return
        wanting = [target for target in targets if target.wants(notice)]
        with self._lock:
            self._open[notice.id] = self._open.get(notice.id, 0) + len(wanting) + 1
        for target in wanting:
            self._put(target, notice)
        self.done(notice.id)

    def waiting(self) -> int:
        """Notices that some receiver has not taken yet."""
        with self._lock:
            return len(self._open)

    def done(self, id_: str) -> None:
        """One of those who were to get it needs no more waiting for."""
        with self._lock:
            left = self._open.pop(id_, 1) - 1
            if left:
                self._open[id_] = left
        if not left:
            self._on_done(id_)

    def close(self, within: float = 2.0) -> None:
        """Give what waits `within` seconds to be sent; the rest is said to be lost."""
        until = time.monotonic() + within
        with self._lock:
            queues = dict(self._queues)
        for waiting in queues.values():
            with waiting.all_tasks_done:
                waiting.all_tasks_done.wait_for(lambda one=waiting: not one.unfinished_tasks, max(0.0, until - time.monotonic()))  # type: ignore[misc]
        self._stopped.set()
        for target, waiting in queues.items():
            if waiting.unfinished_tasks:
                self._log.warning(f"Left {waiting.unfinished_tasks} notices unsent to {target.name}: the operator stops")
        self._exchange.close()

    def _put(self, target: Target, notice: Notice) -> None:
        while True:
            with self._lock:
                waiting = self._queue(target)
                if waiting is not None and self._fits(waiting, notice):
                    return
            if waiting is None:
                self._log.error(f"Gave up notice {notice.title!r} to {target.name}: {RECEIVERS} other receivers are busy")
                self.done(notice.id)
                return
            self._drop_oldest(target, waiting)

    def _fits(self, waiting: "queue.Queue[Notice]", notice: Notice) -> bool:
        try:
            waiting.put_nowait(notice)
        except queue.Full:
            return False
        return True

    def _drop_oldest(self, target: Target, waiting: "queue.Queue[Notice]") -> None:
        try:
            dropped = waiting.get_nowait()
        except queue.Empty:
            return
        waiting.task_done()
        self._log.warning(f"Gave up notice {dropped.title!r} to {target.name}: {WAITING} newer ones wait", notice=dropped.id)
        self.done(dropped.id)

    def _queue(self, target: Target) -> "queue.Queue[Notice] | None":
        """Under the lock. None when there is no place for one more."""
        if target not in self._queues:
            if len(self._queues) >= RECEIVERS:
                idle = next((one for one, waiting in self._queues.items() if not waiting.unfinished_tasks), None)
                if idle is None:
                    return None
                del self._queues[idle]  # its thread sees that and ends
            self._queues[target] = queue.Queue(WAITING)
            threading.Thread(target=self._serve, args=(target, self._queues[target]), name=f"notify-{target.kind}", daemon=True).start()
        return self._queues[target]

    def _serve(self, target: Target, waiting: "queue.Queue[Notice]") -> None:
        while not self._stopped.is_set() and self._queues.get(target) is waiting:
            try:
                notice = waiting.get(timeout=1.0)
            except queue.Empty:
                continue
            try:
                finished = self._deliver(target, notice)
            except Exception as error:  # a bug in one payload must not end the receiver's thread
                self._log.error(f"Cannot send notice {notice.title!r} to {target.name}: {error}", exc_info=True)
                finished = True
            if finished:
                self.done(notice.id)
            waiting.task_done()

    def _deliver(self, target: Target, notice: Notice) -> bool:
        """False when the operator stops before it was taken: the next process sends it."""
        body = orjson.dumps(PAYLOADS[target.kind](notice, target))
        words = ""
        for attempt in range(len(self._pauses) + 1):
            words, pause = self._post(target, body)
            if not words:
                self._on_outcome(notice, target, "")
                return True
            if pause is None or attempt == len(self._pauses):
                break
            if self._stopped.wait(pause or self._pauses[attempt]):
                return False
        self._log.warning(f"Gave up notice {notice.title!r} to {target.name}: {words}", notice=notice.id)
        self._on_outcome(notice, target, words)
        return True

    def _post(self, target: Target, body: bytes) -> tuple[str, float | None]:
        """What went wrong ("" = delivered), and whether to try again: None = no, 0 = after the usual pause, else after so many seconds."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        if target.kind == "generic" and target.key:
            headers[generic.HEADER] = generic.signature(body, target.key)
        try:
            reply = self._exchange.send("POST", target.url, headers, body, TIMEOUT, CHUNK, proxy=target.proxy)
        except NoAnswer as error:
            return target.hides(str(error)), 0.0
        return _judged(reply, target)


def _judged(reply: Reply, target: Target) -> tuple[str, float | None]:
    if 200 <= reply.status < 300 and not _slack_refused(reply, target):
        return "", None
    words = f"it answered {reply.status} {target.hides(reply.words())[:200]}".rstrip()
    if reply.status != 429 and reply.status < 500:
        return words, None
    return words, min(asked_pause(reply.headers.get("Retry-After")) or 0.0, LONGEST_PAUSE)


def _slack_refused(reply: Reply, target: Target) -> bool:
    """chat.postMessage says 200 and `"ok": false`."""
    if target.kind != "slack" or not target.token:
        return False
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return True
    return not (isinstance(answer, dict) and answer.get("ok"))
