"""The watched kinds of one cluster: starts and ends their reflectors, answers reads from their stores; writes nothing."""

import threading
import time
from collections.abc import Callable, Iterable

from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.cluster.discovery import Discovery
from gitops_canary.adapters.cluster.reflector import Changed, Reflector
from gitops_canary.adapters.cluster.store import Store
from gitops_canary.ports import Log


class Watches:
    """Thread-safe. `namespace` limits every watch to one namespace ("" = all)."""

    def __init__(self, connection: Connection, discovery: Discovery, log: Log, namespace: str) -> None:
        self._connection, self._discovery, self._log, self.namespace = connection, discovery, log, namespace
        self._reflectors: dict[tuple[str, str], Reflector] = {}
        self._listeners: list[Changed] = []
        self._lock = threading.Lock()
        self._closed = False

    def subscribe(self, listener: Changed) -> None:
        self._listeners.append(listener)

    def add(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Watches these (apiVersion, kind) too; those already watched are left alone."""
        with self._lock:
            for api_version, kind in kinds:
                if (api_version, kind) in self._reflectors or self._closed:
                    continue
                made = Reflector(
                    self._connection,
                    self._discovery,
                    self._log,
                    self._changed,
                    api_version=api_version,
                    kind=kind,
                    namespace=self.namespace,
                )
                self._reflectors[(api_version, kind)] = made
                made.start()

    def store(self, api_version: str, kind: str) -> Store | None:
        """The store of a kind whose first list is complete, else None: then ask the server."""
        reflector = self._reflectors.get((api_version, kind))
        return reflector.store if reflector is not None and reflector.synced.is_set() else None

    def wait_synced(self, seconds: float) -> list[str]:
        """Waits for every first list; returns what is still missing (kinds the server does not know, or may not show us)."""
        deadline = time.monotonic() + seconds
        for reflector in list(self._reflectors.values()):
            reflector.settled.wait(max(0.0, deadline - time.monotonic()))
        return [f"{kind} ({api_version})" for (api_version, kind), one in self._reflectors.items() if not one.settled.is_set()]

    def retry_unknown(self) -> None:
        """A definition was applied: ask for the kinds that could not be watched so far at once."""
        self._each(lambda reflector: None if reflector.synced.is_set() else reflector.retry_now())

    def begin_anew(self, api_version: str, kind: str) -> None:
        """Ends the kind's watch and reads everything again."""
        reflector = self._reflectors.get((api_version, kind))
        if reflector is not None:
            reflector.begin_anew()

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._each(Reflector.stop)
        self._each(lambda reflector: reflector.join(2.0))

    def _each(self, act: Callable[[Reflector], None]) -> None:
        for reflector in list(self._reflectors.values()):
            act(reflector)

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        for listener in self._listeners:
            try:
                listener(kind, namespace, name)
            except Exception as error:
                self._log.error(f"a listener failed on {kind} {namespace}/{name}: {error!r}")
