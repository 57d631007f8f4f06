"""Webhooks and metric queries of a tick: asked, and answered later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class HookAsk:
    """POST `payload` as JSON; passes on status <= 202 as in Flagger. `key` names run, tick and check: equal keys are asked once."""

    key: str
    url: str
    payload: Mapping[str, object] = field(hash=False)
    timeout: float = 10.0
    retries: int = 0
    disable_tls: bool = False


@dataclass(frozen=True)
class QueryAsk:
    """Either a built-in (`builtin` = request-success-rate | request-duration of one workload) or a rendered PromQL `expression`."""

    key: str
    address: str
    window: float
    builtin: Literal["", "request-success-rate", "request-duration"] = ""
    namespace: str = ""
    workload: str = ""
    expression: str = ""


Ask = HookAsk | QueryAsk


@dataclass(frozen=True)
class Answer:
    """`passed`/`failed` for hooks, `value` (duration in ms) / `no-data` / `unreachable` for queries; `message`: the other side's words."""

    key: str
    kind: Literal["passed", "failed", "value", "no-data", "unreachable"]
    value: float | None = None
    message: str = ""


class Checks(Protocol):
    """Checks are started, never waited for: when an answer comes, the canaries lane is woken with the owner's key (rule R1)."""

    def start(self, owner: str, ask: Ask) -> None:
        """Does nothing when this key was started already. Bounded per host and per owner."""
        ...

    def answers(self, owner: str) -> Mapping[str, Answer]: ...

    def forget(self, owner: str, keep: Iterable[str] = ()) -> None:
        """Drop the owner's answers and asks but these keys; late answers of dropped ones vanish."""
        ...
