"""Notices on their way from an object's status to the receivers: at least once, whatever dies in between; posting is elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Literal

from gitops_canary.ports import Notice, Notifier

MOST = 16
"""Notices kept in one status; beyond, the oldest is given up."""
SEVERITIES: Mapping[str, Literal["info", "warn", "error"]] = {"info": "info", "warn": "warn", "error": "error"}
REMEMBERED = 4096
"""Ids kept of what was handed over or delivered; beyond, one may be sent twice."""

Raw = Mapping[str, Any]
"""A notice as a status holds it: `id`, `severity`, `text`, `fields`."""


def raw(id_: str, severity: str, text: str, fields: Iterable[tuple[str, str]]) -> Raw:
    return {"id": id_, "severity": severity, "text": text, "fields": [{"name": name, "value": value} for name, value in fields]}


def severity_of(one: Raw) -> Literal["info", "warn", "error"]:
    return SEVERITIES.get(str(one.get("severity")), "error")


def fields_of(one: Raw) -> tuple[tuple[str, str], ...]:
    return tuple((str(pair.get("name")), str(pair.get("value"))) for pair in one.get("fields") or ())


class Outbox:
    """The status holds what nobody has taken yet; this remembers what this process has handed over."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._lock = Lock()
        self._handed: dict[str, None] = {}
        self._delivered: dict[str, None] = {}

    def delivered(self, id_: str) -> None:
        """Every receiver has taken it, or was given up: the next write takes it out of the status. Thread-safe."""
        with self._lock:
            _remember(self._delivered, id_)

    def kept(self, waiting: Iterable[Raw], new: Sequence[Raw] = ()) -> tuple[Raw, ...]:
        """What is still to be sent: what waits, but what was delivered, and what is new."""
        with self._lock:
            left = [one for one in waiting if one.get("id") not in self._delivered]
            known = {one.get("id") for one in left} | self._delivered.keys()
        return (*left, *(one for one in new if one["id"] not in known))[-MOST:]

    def send(self, raws: Iterable[Raw], notice: Callable[[Raw], Notice]) -> None:
        """Hand over what this process has not handed over yet."""
        for one in raws:
            id_ = str(one.get("id"))
            if id_ not in self._handed:
                _remember(self._handed, id_)
                self._notifier.send(notice(one))


def _remember(ids: dict[str, None], id_: str) -> None:
    ids[id_] = None
    if len(ids) > REMEMBERED:
        ids.pop(next(iter(ids)))
