"""podinfo as the guide uses it: a small real HTTP server on the pod's own address, many of them on one event loop."""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.sandbox.node.usage import Meter
from gitops_canary.sandbox.programs.behaviour import Behaviour
from gitops_canary.sandbox.programs.page import page

TRACE = re.compile(r"x-request-id|x-b3-.*|b3|traceparent|tracestate|x-ot-span-context", re.IGNORECASE)
PROBED = ("/healthz", "/readyz", "/metrics")
"""Paths that always behave, so that a bad version is ready and gets traffic."""
MAX_DELAY = 60.0
GONE = 499
"""The status of a request whose sender has gone before it was read: told to nobody, and counted."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Settings:
    """What the pod's spec and image say."""

    hostname: str
    version: str
    port: int = 9898
    message: str = "greetings from podinfo"
    backends: tuple[str, ...] = ()
    config: Path | None = None
    proxy: str = ""
    behaviour: Behaviour = field(default_factory=Behaviour)


def read_arguments(arguments: Sequence[str], environment: Mapping[str, str], hostname: str, version: str, behaviour: Behaviour) -> Settings:
    """Podinfo's own flags, of which those without a meaning here are let pass."""
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=9898)
    parser.add_argument("--backend-url", "--backend", action="append", default=[])
    parser.add_argument("--config-path", type=Path)
    parser.add_argument("--ui-message", default=environment.get("PODINFO_UI_MESSAGE") or "greetings from podinfo")
    given, _ = parser.parse_known_args(list(arguments))
    backends = tuple(filter(None, given.backend_url)) or tuple(filter(None, [environment.get("PODINFO_BACKEND_URL", "")]))
    return Settings(
        hostname, version, given.port, given.ui_message, backends, given.config_path, environment.get("http_proxy", ""), behaviour
    )


class Podinfo:
    """One pod's server on `address`:`port`; `log` takes its lines."""

    def __init__(self, settings: Settings, address: str, port: int, log: Callable[[str], object]) -> None:
        self._settings, self._address, self._port, self._log = settings, address, port, log
        self._ready = settings.behaviour.ready
        self._requests = 0
        self.meter = Meter()
        registry = CollectorRegistry(auto_describe=False)
        self._registry = registry
        self._count = Counter("http_requests_total", "Requests by status.", ["status"], registry=registry)
        self._times = Histogram("http_request_duration_seconds", "Seconds a request took.", ["method", "path", "status"], registry=registry)

    async def start(self) -> None:
        """OSError when the port is taken."""
        app = web.Application(middlewares=[self._measure])
        app.add_routes([web.route("*", path, handler) for path, handler in self._routes().items()])
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), trust_env=False)
        self._site = Site(web.AppRunner(app, access_log=None, shutdown_timeout=1.0), listening(self._address, self._port))
        await self._site.open()
        self._say("info", "starting HTTP server", addr=f"{self._address}:{self._port}", version=self._settings.version)

    async def stop(self) -> None:
        """Takes no new connection, lets requests in flight end (a second at most)."""
        self._say("info", "shutting down HTTP server")
        await self._site.close()
        await self._client.close()

    async def run(self, stopping: asyncio.Event) -> int:
        """The whole life as a container's main program: its exit code."""
        try:
            await self.start()
        except OSError as error:
            await self._client.close()
            self._say("fatal", f"HTTP server crashed: {error}")
            return 1
        try:
            async with asyncio.timeout(self._settings.behaviour.crash):
                await stopping.wait()
        except TimeoutError:
            self._say("fatal", "panic: this version crashes")
            return 1
        finally:
            await self.stop()
        return 0

    def _routes(self) -> dict[str, Handler]:
        return {
            "/": self._home,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/readyz/{switch:enable|disable}": self._switch,
            "/echo": self._echo,
            "/api/echo": self._echo,
            "/status/{code:[0-9]{3}}": self._status,
            "/delay/{seconds:[0-9.]+}": self._delay,
            "/metrics": self._metrics,
            "/version": self._version,
            "/configs": self._configs,
        }

    @web.middleware
    async def _measure(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = time.perf_counter(), 500
        try:
            response = await self.meter.run(self._behave(request, handler))
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        except ConnectionResetError:
            status = GONE
            return web.Response(status=GONE)
        finally:
            self._count.labels(str(status)).inc()
            path = request.path.split("/")[1]
            self._times.labels(request.method, f"/{path}", str(status)).observe(time.perf_counter() - started)

    async def _behave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(PROBED):
            return await handler(request)
        self._requests += 1
        failing = self._settings.behaviour.fails(self._requests)
        await asyncio.sleep(self._settings.behaviour.delay)
        if failing:
            self._say("error", "this version fails now and then", path=request.path)
            return web.json_response({"code": 500, "message": f"podinfo {self._settings.version} fails"}, status=500)
        return await handler(request)

    async def _home(self, request: web.Request) -> web.Response:
        settings = self._settings
        if "text/html" in request.headers.get("Accept", ""):
            return web.Response(text=page(settings.message, settings.version, settings.hostname), content_type="text/html")
        return web.json_response({"hostname": settings.hostname, "version": settings.version, "message": settings.message})

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "OK"})

    async def _readyz(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "OK" if self._ready else "not ready"}, status=200 if self._ready else 503)

    async def _switch(self, request: web.Request) -> web.Response:
        self._ready = request.match_info["switch"] == "enable"
        return web.json_response({"status": "OK"}, status=202)

    async def _echo(self, request: web.Request) -> web.Response:
        """Answers the body, or what the backends answered to it; a backend that fails is named but fails nobody else, as in podinfo."""
        body = await request.read()
        if not self._settings.backends:
            return web.Response(body=body or b"null", status=202, content_type="application/json")
        trace = {name: value for name, value in request.headers.items() if TRACE.fullmatch(name)}
        answers = await asyncio.gather(*(self._ask(url, body, trace) for url in self._settings.backends))
        return web.json_response(answers)

    async def _ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> str:
        try:
            async with self._client.post(url, data=body, headers=headers, proxy=self._settings.proxy or None) as answer:
                text = await answer.text()
                return text if answer.status < 400 else f"backend {url} response status code {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            self._say("error", "backend call failed", url=url, error=str(error))
            return f"backend {url} call failed {error}"

    async def _status(self, request: web.Request) -> web.Response:
        code = int(request.match_info["code"])
        return web.json_response({"status": code}, status=code if 200 <= code <= 599 else 400)

    async def _delay(self, request: web.Request) -> web.Response:
        try:
            delay = min(MAX_DELAY, float(request.match_info["seconds"]))
        except ValueError:
            return web.json_response({"message": "the delay is a number of seconds"}, status=400)
        await asyncio.sleep(delay)
        return web.json_response({"delay": delay})

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), content_type="text/plain")

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self._settings.version, "commit": "sandbox"})

    async def _configs(self, request: web.Request) -> web.Response:
        folder = self._settings.config
        files = sorted(path for path in folder.iterdir() if path.is_file()) if folder and folder.is_dir() else []
        return web.json_response({path.name: path.read_text(errors="replace") for path in files})

    def _say(self, level: str, sentence: str, **more: object) -> None:
        self._log(json.dumps({"level": level, "msg": sentence, **more}))
