"""A small real HTTP peer for tests: answers from a script, and hands out what it was asked; no sleeps, waits are bounded."""

import asyncio
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from gitops_canary.adapters import guards
from gitops_canary.adapters.serving import Server


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[Asked, int], Reply]


class Peer:
    """`script(asked, number)` decides each answer; `number` counts from 1. While `hold` is set to an event that is not, answers wait."""

    def __init__(self, script: Script | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script or (lambda asked, number: Reply())
        self.hold: threading.Event | None = None
        self.arrived: queue.Queue[Asked] = queue.Queue()
        self.asked: list[Asked] = []
        self._queue: queue.Queue[Asked] = queue.Queue()
        self._server = Server(self._application, tls=tls)

    @property
    def url(self) -> str:
        return self._server.url

    def next(self, timeout: float = 10.0) -> Asked:
        """The next request, in order of arrival."""
        return self._queue.get(timeout=timeout)

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        asked = Asked(request.method, request.path, request.query_string, dict(request.headers), await request.read())
        self.asked.append(asked)
        reply = self.script(asked, len(self.asked))
        self.arrived.put(asked)
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 20.0)
        self._queue.put(asked)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    def __enter__(self) -> "Peer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def rebind(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The name's first lookup finds a harmless address, every later one the peer's, which counts as a metadata service from now on."""
    real, harmless = socket.getaddrinfo, iter(["127.0.0.9"])

    def resolved(name: str, port: int | None, *rest: int, **more: int) -> list[object]:
        found = next(harmless, "127.0.0.1") if name == host else ""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port or 0))] if found else list(real(name, port, *rest, **more))

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(guards, "METADATA", frozenset({ipaddress.ip_address("127.0.0.1")}))
