"""How fast one registry is asked: a token bucket, and the pause that the registry itself asked for."""

import threading
from collections.abc import Callable

from gitops_canary.domain.errors import Unavailable

PATIENCE = 10.0
"""Seconds that a caller waits for a registry that said when to come back; longer than that, the scan ends and says so."""


class Pace:
    """`rps` requests a second, `burst` at once (Flux's --registry-rps and --registry-burst). `clock` and `pause` are in seconds."""

    def __init__(self, host: str, rps: float, burst: int, *, clock: Callable[[], float], pause: Callable[[float], None]) -> None:
        self._host, self._rps, self._burst = host, max(rps, 0.1), max(burst, 1)
        self._clock, self._pause = clock, pause
        self._lock = threading.Lock()
        self._held, self._seen = float(self._burst), clock()
        self._closed_until = 0.0

    def take(self) -> None:
        """Wait for a request's turn. Unavailable when the registry asked for a longer pause than PATIENCE."""
        with self._lock:
            now = self._clock()
            closed = self._closed_until - now
            if closed > PATIENCE:
                raise Unavailable(
                    f"cannot ask registry {self._host}: it asked to be left alone for {closed:.0f} s more", retry_after=closed
                )
            self._held = min(self._burst, self._held + (now - self._seen) * self._rps) - 1
            self._seen = now
            wait = max(closed, -self._held / self._rps)
        if wait > 0:
            self._pause(wait)

    def close(self, seconds: float) -> None:
        """The registry said 429: nobody asks it before."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)
