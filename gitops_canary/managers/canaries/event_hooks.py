"""Webhooks of type `event`: every sentence about a canary is posted as it is told; nobody waits for the answer and none is judged."""

from collections import deque
from datetime import datetime

from gitops_canary.domain.canary.model import Line
from gitops_canary.domain.canary.spec import EVENT, CanarySpec, Hook
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.managers.canaries.asks import hook_payload
from gitops_canary.ports import Checks, HookAsk

KEPT = 50
"""Sentences of one canary whose posts may be under way; beyond, the oldest is given up."""


class EventHooks:
    """Flagger waits for each receiver within the tick; here they go out through the checks' own bounded threads."""

    def __init__(self, checks: Checks, everywhere: str = "") -> None:
        """`everywhere` is the URL told about canaries that have no such webhook of their own, as Flagger's -event-webhook."""
        self._checks = checks
        self._everywhere = (Hook(EVENT, "event-webhook", everywhere),) if everywhere else ()
        self._keys: dict[str, deque[str]] = {}

    def tell(self, spec: CanarySpec, status: CanaryStatus, line: Line, key: str, now: datetime) -> None:
        """`key` names the sentence: what was told once is posted once."""
        owner = f"event:{spec.key}"
        hooks = spec.events or self._everywhere
        for hook in hooks:
            about = {"eventMessage": line.text, "eventType": "Warning" if line.warning else "Normal"}
            payload = hook_payload(spec, status, status.phase, {**hook.metadata, **about, "timestamp": str(round(now.timestamp() * 1000))})
            ask = HookAsk(f"{hook.name}/{key}", hook.url, payload, hook.timeout, hook.retries, hook.disable_tls)
            self._keys.setdefault(owner, deque(maxlen=KEPT)).append(ask.key)
            self._checks.start(owner, ask)
        if hooks:
            self._checks.forget(owner, self._keys[owner])
