"""Canaries that are held back after a failure, each with its own back-off; why is said once, in the log."""

from gitops_canary.domain.errors import Conflict, GitopsCanaryError
from gitops_canary.managers.base import Backoff
from gitops_canary.ports import Log, Moment

CONFLICT_WAIT = 0.1
"""Seconds until a canary is looked at again whose objects others wrote at the same time; doubled while it goes on."""


class Holding:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._backoff = Backoff(first=1.0, most=30.0)
        self.keys: set[str] = set()

    def ready(self, key: str, now: Moment) -> bool:
        return self._backoff.ready(key, now.mono)

    def retries(self, now: Moment) -> frozenset[str]:
        """Held canaries whose time has come."""
        return frozenset(key for key in self.keys if self._backoff.ready(key, now.mono))

    def next(self) -> float | None:
        return self._backoff.next()

    def failed(self, key: str, error: GitopsCanaryError, now: Moment) -> None:
        """A conflict passes as soon as the cache has the newer object: it is tried again at once and is no news."""
        conflict = isinstance(error, Conflict)
        least = getattr(error, "retry_after", None) or 0.0
        until = self._backoff.failed(key, now.mono, at_least=least, first=CONFLICT_WAIT if conflict else None)
        self.keys.add(key)
        if not conflict or until - now.mono > 1.0:
            self._log.warning(f"{error}; tried again in {until - now.mono:.0f} s", canary=key)

    def refused(self, key: str, now: Moment) -> None:
        """A person must act, and may do so elsewhere than in the Canary: looked at again, silently."""
        self._backoff.failed(key, now.mono)
        self.keys.add(key)

    def worked(self, key: str) -> None:
        self.keys.discard(key)
        self._backoff.worked(key)
