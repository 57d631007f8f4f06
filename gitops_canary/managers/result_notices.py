"""Holds the notices of ended runs until their commit has a link, ten seconds at most (rule G1); other notices pass at once."""

import threading
from dataclasses import dataclass, replace

from gitops_canary.domain.canary.spec import Alert
from gitops_canary.ports import Notice, Notifier

WAIT = 10.0
"""Seconds a notice waits for the link to its result commit."""


@dataclass
class _Waiting:
    notice: Notice
    since: float | None = None


class ResultNotices:
    """Implements `ports.Notifier` in front of the real one. Ids of results are `<run id>/result`."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._links: dict[str, str] = {}

    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        return self._notifier.takes(alerts)

    def send(self, notice: Notice) -> None:
        run_id, _, kind = notice.id.rpartition("/")
        if kind != "result":
            self._notifier.send(notice)
            return
        with self._lock:
            link = self._links.pop(run_id, None)
            if link is None:
                self._waiting[run_id] = _Waiting(notice)
                return
        self._notifier.send(replace(notice, link=link))

    def committed(self, run_id: str, link: str) -> None:
        """The run's result is in Git."""
        with self._lock:
            waiting = self._waiting.pop(run_id, None)
            if waiting is None:
                self._links[run_id] = link
                while len(self._links) > 1000:
                    self._links.pop(next(iter(self._links)))
        if waiting is not None:
            self._notifier.send(replace(waiting.notice, link=link))

    def flush(self, now: float) -> float | None:
        """Let go what has waited long enough; returns when to look again (monotonic)."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting.since = now if waiting.since is None else waiting.since
            late = [run_id for run_id, one in self._waiting.items() if one.since is not None and one.since + WAIT <= now]
            gone = [self._waiting.pop(run_id).notice for run_id in late]
            left = [one.since + WAIT for one in self._waiting.values() if one.since is not None]
        for notice in gone:
            self._notifier.send(notice)
        return min(left, default=None)
