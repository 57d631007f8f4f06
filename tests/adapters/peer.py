"""A small real HTTP peer for tests: answers from a script, and hands out what it was asked; no sleeps, waits are bounded."""

import queue
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

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
    """`script(asked, number)` decides each answer; `number` counts from 1."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or (lambda asked, number: Reply())
        self.asked: list[Asked] = []
        self._queue: queue.Queue[Asked] = queue.Queue()
        self._server = Server(self._application)

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
        self._queue.put(asked)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    def __enter__(self) -> "Peer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
