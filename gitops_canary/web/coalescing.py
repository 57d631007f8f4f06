"""Merging wakes: a flood of webhooks about one thing becomes one wake at once and one at the end of each pause."""

import asyncio
from collections.abc import Callable

from gitops_canary.ports import Wake

PAUSE = 1.0
"""Seconds between two wakes about the same thing."""
THINGS = 10_000


class Coalescer:
    """Lives in one event loop. No wake is lost: one that comes in a pause is given at its end."""

    def __init__(self, wake: Callable[[str, str], None], pause: float = PAUSE) -> None:
        self._wake, self._pause = wake, pause
        self._waiting: dict[Wake, bool] = {}

    def take(self, wake: Wake) -> None:
        if wake in self._waiting:
            self._waiting[wake] = True
            return
        if len(self._waiting) >= THINGS:
            wake = Wake(wake.lane)  # too many names at once: look at everything
        self._give(wake)

    def _give(self, wake: Wake) -> None:
        self._waiting[wake] = False
        self._wake(wake.lane, wake.key)
        asyncio.get_running_loop().call_later(self._pause, self._after, wake)

    def _after(self, wake: Wake) -> None:
        if self._waiting.pop(wake, False):
            self._give(wake)
