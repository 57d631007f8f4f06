"""Reads the API server's audit log: who asked what, as values; the policy that makes it is here too."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class Request:
    """One request that the server answered; `verb` is Kubernetes' (`get`, `list`, `watch`, `patch` …), `resource` its plural, with
    `/subresource`; `impersonated` is the user it was made as, when that was another."""

    user: str
    impersonated: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    uri: str
    agent: str


def requests(log: Path, since: int = 0) -> list[Request]:
    """The requests logged after byte `since`, each once: a watch when it began, everything else when it was answered."""
    with log.open("rb") as file:
        file.seek(since)
        lines = file.read().split(b"\n")[:-1]
    return list(_answered((orjson.loads(line) for line in lines if line), set()))


class Follower:
    """The log as it grows, each line read once; `requests` is everything so far."""

    def __init__(self, log: Path) -> None:
        self._log, self._place = log, 0
        self._started: set[str] = set()
        self._seen: list[Request] = []

    def requests(self) -> list[Request]:
        with self._log.open("rb") as file:
            file.seek(self._place)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        self._seen += _answered((orjson.loads(line) for line in whole.splitlines()), self._started)
        return self._seen


def _answered(events: Iterable[dict[str, Any]], started: set[str]) -> Iterable[Request]:
    for event in events:
        # A long-running request is logged at its start and at its end; a refused watch only at its end.
        if event["auditID"] in started:
            continue
        started.add(event["auditID"])
        yield _request(event)


def _request(event: dict[str, Any]) -> Request:
    about = event.get("objectRef", {})
    resource = "/".join(part for part in (about.get("resource", ""), about.get("subresource", "")) if part)
    return Request(
        user=event["user"].get("username", ""),
        impersonated=event.get("impersonatedUser", {}).get("username", ""),
        verb=event["verb"],
        resource=resource,
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        uri=event["requestURI"],
        agent=event.get("userAgent", ""),
    )
