"""A canary's notices on their way from its status to the receivers: at least once, whatever dies in between; posting is elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, Literal

from gitops_canary.domain.canary.model import Effect, Notify
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import MOST_NOTICES, CanaryStatus
from gitops_canary.domain.canary.story import canary as canary_name
from gitops_canary.ports import Notice, Notifier

SEVERITIES: Mapping[str, Literal["info", "warn", "error"]] = {"info": "info", "warn": "warn", "error": "error"}
REMEMBERED = 4096
"""Ids kept of what was handed over or delivered; beyond, one may be sent twice."""


class Notices:
    """The status holds what nobody has taken yet; this remembers what this process has handed over."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._lock = Lock()
        self._handed: dict[str, None] = {}
        self._delivered: dict[str, None] = {}

    def delivered(self, id_: str) -> None:
        """Every receiver has taken it, or was given up: the next step takes it out of the status. Thread-safe."""
        with self._lock:
            _remember(self._delivered, id_)

    def kept(self, spec: CanarySpec, before: CanaryStatus, after: CanaryStatus, effects: Iterable[Effect]) -> CanaryStatus:
        """`after` with what is still to be sent: what waited before, but what was delivered, and what this step says."""
        said = [_raw(spec, after.number, one) for one in effects if isinstance(one, Notify)]
        new = said if said and self._notifier.takes(spec.alerts) else []
        with self._lock:
            waiting = [one for one in before.notices if one.get("id") not in self._delivered]
            known = {one.get("id") for one in waiting} | self._delivered.keys()
        return replace(after, notices=(*waiting, *(one for one in new if one["id"] not in known))[-MOST_NOTICES:])

    def send(self, spec: CanarySpec, status: CanaryStatus) -> None:
        """Hand over what this process has not handed over yet."""
        for raw in status.notices:
            id_ = str(raw.get("id"))
            if id_ not in self._handed:
                _remember(self._handed, id_)
                self._notifier.send(_notice(spec, raw))


def _remember(ids: dict[str, None], id_: str) -> None:
    ids[id_] = None
    if len(ids) > REMEMBERED:
        ids.pop(next(iter(ids)))


def _raw(spec: CanarySpec, number: int, said: Notify) -> dict[str, Any]:
    fields = [{"name": name, "value": value} for name, value in said.fields]
    return {"id": f"{spec.namespace}.{spec.name}-{number}/{said.kind}", "severity": said.severity, "text": said.text, "fields": fields}


def _notice(spec: CanarySpec, raw: Mapping[str, Any]) -> Notice:
    fields = tuple((str(one.get("name")), str(one.get("value"))) for one in raw.get("fields") or ())
    rank = SEVERITIES.get(str(raw.get("severity")), "error")
    return Notice(str(raw["id"]), rank, canary_name(spec), str(raw.get("text")), fields, alerts=spec.alerts)


def key_of(id_: str) -> str:
    """`test.frontend-7/result` is of canary `test/frontend`."""
    namespace, _, rest = id_.partition(".")
    return f"{namespace}/{rest.rpartition('/')[0].rpartition('-')[0]}"
