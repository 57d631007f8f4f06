"""The `Ready` condition of AlertProviders: what keeps one from being used, or from taking alerts, and that it works again."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from gitops_canary.domain.conditions import condition, stamp, with_condition
from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Clock, Cluster, Log, Sentence

READY = "Ready"
WORKS = "Alerts are taken"


class ProviderHealth:
    """Written when it changes only; a status that cannot be written delays no alert. Thread-safe."""

    def __init__(self, cluster: Cluster, clock: Clock, log: Log) -> None:
        self._cluster, self._clock, self._log = cluster, clock, log
        self._known: dict[tuple[str, str], str | None] = {}
        self._lock = threading.Lock()

    def saw(self, provider: Doc) -> None:
        """What its condition says now."""
        meta = provider["metadata"]
        with self._lock:
            self._known[(meta["namespace"], meta["name"])] = _message(provider)

    def says(self, ref: Ref, problem: str) -> None:
        """`problem` "" = it works. A new problem is an Event too."""
        text = problem or WORKS
        with self._lock:
            if self._known.get((ref.namespace, ref.name)) == text:
                return
            self._known[(ref.namespace, ref.name)] = text
        try:
            self._write(ref, problem, text)
        except GitopsCanaryError as error:
            self._log.warning(f"The status of {ref} stays as it is: {error}", provider=f"{ref.namespace}/{ref.name}")

    def _write(self, ref: Ref, problem: str, text: str) -> None:
        provider = self._cluster.live(ref)
        if provider is None or _message(provider) == text:
            return
        now = self._clock.now().wall
        if problem:
            self._cluster.tell(provider, Sentence(text, warning=True), key=f"{stamp(now)}/{text}", now=now)
        status, reason = ("False", "CannotBeUsed") if problem else ("True", "Delivered")
        conditions = with_condition(_conditions(provider), READY, status, reason, text, now)
        version = provider["metadata"]["resourceVersion"]
        self._cluster.patch(ref, {"status": {"conditions": list(conditions)}}, subresource="status", resource_version=version)


def _conditions(provider: Doc) -> Sequence[Mapping[str, Any]]:
    return (provider.get("status") or {}).get("conditions") or ()


def _message(provider: Doc) -> str | None:
    return condition(_conditions(provider), READY).get("message")
