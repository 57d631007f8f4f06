"""The operator's HTTP server: routes to health, metrics, status and webhooks; it decides nothing and only wakes lanes."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import Counter

from gitops_canary.adapters.serving import Server
from gitops_canary.ports import Log
from gitops_canary.web import page
from gitops_canary.web.coalescing import PAUSE, Coalescer
from gitops_canary.web.hooks import SOURCES, Message, Refused, read_hook
from gitops_canary.web.metrics import Exposition, Samples

BODY_AT_MOST = 1024 * 1024
BODY_SECONDS = 10.0
"""A body that comes more slowly is not waited for."""
RETRY_AFTER = "5"
ENVIRONMENT = "GITOPS_CANARY_WEBHOOK_SECRET_"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebhookSecrets:
    """One file a source in `folder`, else the variable GITOPS_CANARY_WEBHOOK_SECRET_<SOURCE>; read at each message, so that a rotated
    secret needs no restart."""

    def __init__(self, folder: str = "", environ: Mapping[str, str] | None = None) -> None:
        self._folder, self._environ = folder, os.environ if environ is None else environ

    def of(self, source: str) -> bytes:
        """b"" when there is none."""
        if self._folder:
            try:
                return (Path(self._folder) / source).read_bytes().strip()
            except OSError:
                pass
        return self._environ.get(ENVIRONMENT + source.upper(), "").encode()


class WebServer:
    """`start` binds (UserError when it cannot), `stop` ends it, `url` is its address. The callables are called on the server's thread:
    `wake(lane, key)`; `status()` for page and API (see `page.render`); `samples()` for /metrics; `alive()`, `ready()` for the probes;
    `is_leader()`, since a follower answers webhooks 503 (rule O4). `aliases`: a mirror's address, with or
    without scheme, to the host that images name."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        wake: Callable[[str, str], None],
        status: Callable[[], Mapping[str, Any]],
        samples: Samples,
        log: Log,
        secrets: WebhookSecrets | None = None,
        alive: Callable[[], bool] = lambda: True,
        ready: Callable[[], bool] = lambda: True,
        is_leader: Callable[[], bool] = lambda: True,
        aliases: Mapping[str, str] | None = None,
        pause: float = PAUSE,
    ) -> None:
        self._aliases = {(address.partition("://")[2] or address).rstrip("/"): host for address, host in (aliases or {}).items()}
        self._status, self._log, self._secrets = status, log, secrets or WebhookSecrets()
        self._alive, self._ready, self._is_leader = alive, ready, is_leader
        self._coalescer = Coalescer(wake, pause)
        self._exposition = Exposition(samples)
        registry = self._exposition.registry
        self._hooks = Counter("gitops_canary_webhooks_total", "Inbound webhooks.", ["source", "status"], registry=registry)
        self._server = Server(self._application, host, port)

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_AT_MOST, middlewares=[self._careful])
        app.router.add_get("/", self._page)
        app.router.add_get("/style.css", _style)
        app.router.add_get("/api/v1/status", self._api)
        app.router.add_get("/healthz", self._probe(self._alive, "a lane has not moved for too long"))
        app.router.add_get("/readyz", self._probe(self._ready, "the cluster has not been read yet"))
        app.router.add_get("/metrics", self._metrics)
        for path in ("/hook/{source}", "/hook/{source}/{token}"):
            app.router.add_post(path, self._hook)
        return app

    @web.middleware
    async def _careful(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A bug in a page or a sample is logged and answered 500 in a sentence, without its insides."""
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:
            self._log.error(f"Cannot answer {request.method} {request.match_info.route.resource}: {error}", exc_info=True)
            return web.Response(status=500, text="this could not be answered; the operator's log says why")

    async def _page(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=page.render(self._status()), content_type="text/html", headers=page.HEADERS)

    async def _api(self, request: web.Request) -> web.Response:
        del request
        body = orjson.dumps(self._status(), default=str, option=orjson.OPT_NON_STR_KEYS)
        return web.Response(body=body, content_type="application/json", headers=page.HEADERS)

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self._exposition.text(), headers={"Content-Type": self._exposition.content_type})

    def _probe(self, good: Callable[[], bool], otherwise: str) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            del request
            return web.Response(text="OK") if good() else web.Response(status=503, text=otherwise)

        return answer

    async def _hook(self, request: web.Request) -> web.Response:
        source = request.match_info["source"]
        if source not in SOURCES:
            raise web.HTTPNotFound(text=f"no such webhook; there are {', '.join(SOURCES)}")
        answer = await self._answered(source, request)
        self._hooks.labels(source, answer.status).inc()
        return answer

    async def _answered(self, source: str, request: web.Request) -> web.Response:
        if not self._is_leader():
            return web.Response(status=503, text="this process follows; the leader takes webhooks", headers={"Retry-After": RETRY_AFTER})
        try:
            message = await _message(request, self._aliases)
            wakes = read_hook(source, message, self._secrets.of(source))
        except Refused as error:
            self._log.warning(f"Refused a webhook of {source}: {error.message}", source=source, peer=request.remote)
            return web.Response(status=error.status, text=error.message)
        for wake in wakes:
            self._coalescer.take(wake)
        woken = ", ".join(f"{wake.lane} {wake.key}".strip() for wake in wakes)
        self._log.info(f"A webhook of {source} woke {woken or 'nobody'}", source=source)
        return web.Response(status=202 if wakes else 200, text=f"woke {woken or 'nobody'}")


async def _message(request: web.Request, aliases: Mapping[str, str]) -> Message:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise Refused(408, "the body came too slowly") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, f"the body is larger than {BODY_AT_MOST} bytes") from None
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Message(headers, request.match_info.get("token", ""), body, aliases)


async def _style(request: web.Request) -> web.Response:
    del request
    return web.Response(text=page.style(), content_type="text/css", headers={"Cache-Control": "max-age=3600"})
