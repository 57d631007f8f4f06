"""Manual gates and rollback gates, in memory, closed until opened; Flagger's load tester keeps them the same way, a replica each."""

import threading
from dataclasses import dataclass, field

GATES_AT_MOST = 10_000


@dataclass
class Gates:
    """Open gates by canary. Rollback gates are a `Gates` of their own."""

    _open: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, namespace: str, name: str) -> bool:
        """False when there are too many."""
        with self._lock:
            if len(self._open) >= GATES_AT_MOST:
                return (namespace, name) in self._open
            self._open.add((namespace, name))
            return True

    def close(self, namespace: str, name: str) -> None:
        with self._lock:
            self._open.discard((namespace, name))

    def is_open(self, namespace: str, name: str) -> bool:
        with self._lock:
            return (namespace, name) in self._open
