"""Alerts to people and figures for dashboards."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from gitops_canary.domain.canary.spec import Alert


@dataclass(frozen=True)
class Notice:
    """One alert; `id` makes a repeated delivery recognisable. `alerts` empty = the global receivers."""

    id: str
    severity: Literal["info", "warn", "error"]
    title: str
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    link: str = ""
    alerts: tuple[Alert, ...] = ()


class Notifier(Protocol):
    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        """Whether there is anybody to tell."""
        ...

    def send(self, notice: Notice) -> None:
        """Queued and bounded: a dead receiver never delays a canary. Whoever was given at construction is told the id once every receiver
        has taken the notice or was given up."""
        ...


class Figures(Protocol):
    """What is counted while it happens, for `/metrics`; all calls return at once."""

    def tick(self, namespace: str, name: str) -> AbstractContextManager[None]:
        """Around one canary's turn; `name` is its target's, as in Flagger's metrics."""
        ...

    def ended(self, namespace: str, name: str, outcome: str, *, skipped: bool, seconds: float) -> None:
        """A run is over; `seconds` from its start."""
        ...

    def scanned(self, image: str) -> None:
        """Its tags are followed: bumps of it may come."""
        ...

    def bumped(self, image: str) -> None: ...
