"""The load tester's HTTP API, as Flagger's load tester has it; what it runs stands in `tasks.py`."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from gitops_canary.adapters.ending import told_to_end
from gitops_canary.adapters.log import make_log
from gitops_canary.adapters.serving import Server, listen_address
from gitops_canary.domain.errors import UserError
from gitops_canary.loadtester.gates import Gates
from gitops_canary.loadtester.tasks import Crowded, Order, Tasks
from gitops_canary.ports import Log

TYPES = ("cmd", "bash", "helm", "helmv3", "kubectl")
BODY_AT_MOST = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class LoadTesterSettings:
    """`listen` is host:port, `timeout` the seconds a task may take, `namespace_regexp` what a canary's namespace must match ("" = any),
    `allow_commands` lets hooks run shells, kubectl and any helm command with this pod's rights."""

    listen: str = ":8080"
    timeout: float = 3600.0
    namespace_regexp: str = ""
    allow_commands: bool = False
    log_level: str = "info"
    log_format: str = "json"


class LoadTester:
    """The service on a thread of its own: `start`, `stop`, `url`."""

    def __init__(self, settings: LoadTesterSettings, log: Log) -> None:
        self._settings = settings
        self._allowed = _compiled(settings.namespace_regexp)
        self._tasks = Tasks(log, settings.timeout, settings.allow_commands)
        self._gates, self._rollbacks = Gates(), Gates()
        self._registry = CollectorRegistry()
        self._orders = Counter("loadtester_orders_total", "Hooks answered.", ["type", "status"], registry=self._registry)
        Gauge("loadtester_running", "Tasks under way.", registry=self._registry).set_function(lambda: self._tasks.running)
        self._server = Server(self._application, *listen_address(settings.listen))

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_AT_MOST, middlewares=[_in_words])
        app.router.add_get("/healthz", _healthy)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/", self._order)
        app.router.add_route("*", "/gate/approve", _approve)
        app.router.add_route("*", "/gate/halt", _halt)
        for path, gates in (("gate", self._gates), ("rollback", self._rollbacks)):
            app.router.add_post(f"/{path}/check", self._gate(gates, _check))
            app.router.add_post(f"/{path}/open", self._gate(gates, _open))
            app.router.add_post(f"/{path}/close", self._gate(gates, _close))
        app.on_shutdown.append(self._on_shutdown)
        return app

    async def _on_shutdown(self, app: web.Application) -> None:
        del app
        await self._tasks.stop()

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _order(self, request: web.Request) -> web.Response:
        """A load or command in the background is 202; what blocks is 200 or 500 with its output."""
        payload = await _payload(request)
        metadata = payload.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise UserError("cannot take the hook: its metadata is no object")
        kind = str(metadata.get("type") or "cmd")
        status = 400
        try:
            answer = await self._run(payload, metadata, kind)
            status = answer.status
            return answer
        finally:
            self._orders.labels(kind if kind in TYPES else "unknown", status).inc()

    async def _run(self, payload: dict[str, Any], metadata: dict[str, Any], kind: str) -> web.Response:
        namespace, name = str(payload.get("namespace", "")), str(payload.get("name", ""))
        if not self._allowed.search(namespace):
            return web.Response(status=403, text=f"namespace {namespace[:63]!r} is not allowed here")
        if kind not in TYPES:
            raise UserError(f"cannot run a hook of type {kind[:40]!r}: it is none of {', '.join(TYPES)}")
        command = str(metadata.get("cmd") or "")
        if not command.strip():
            raise UserError("cannot run the hook: metadata.cmd is empty")
        shows = str(metadata.get("returnCmdOutput", "")).lower() == "true"
        logs = str(metadata.get("logCmdOutput", "")).lower() == "true"
        try:
            task = self._tasks.begin(Order(f"{name}.{namespace}", namespace, kind, command, shows, logs))
        except Crowded:
            return web.Response(status=429, text="too many tasks are running", headers={"Retry-After": "5"})
        if kind == "cmd" and not shows:
            return web.Response(status=202, text="accepted")
        ended = await asyncio.shield(task)
        return web.Response(status=200 if ended.ok else 500, text=ended.output)

    def _gate(self, gates: Gates, does: Callable[[Gates, str, str], web.Response]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            payload = await _payload(request)
            name, namespace = str(payload.get("name", "")), str(payload.get("namespace", ""))
            if not name or not namespace:
                raise UserError("cannot find the gate: name and namespace are needed")
            if not self._allowed.search(namespace):
                return web.Response(status=403, text=f"namespace {namespace[:63]!r} is not allowed here")
            return does(gates, namespace, name)

        return handle


def serve(settings: LoadTesterSettings) -> int:
    """Run until SIGTERM or SIGINT; what is under way is cancelled. Returns the exit status."""
    log = make_log(settings.log_level, settings.log_format)
    tester, until_told = LoadTester(settings, log), told_to_end()
    tester.start()
    commands = "allowed" if settings.allow_commands else "off"
    log.info(f"The load tester listens on {tester.url}; commands are {commands}")
    until_told()
    tester.stop()
    log.info("The load tester has stopped: it was asked to")
    return 0


@web.middleware
async def _in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except UserError as error:
        return web.Response(status=400, text=str(error))


async def _payload(request: web.Request) -> dict[str, Any]:
    try:
        payload = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise UserError(f"cannot read the hook's body: {error}") from error
    if not isinstance(payload, dict):
        raise UserError("cannot read the hook's body: it is no JSON object")
    return payload


async def _healthy(request: web.Request) -> web.Response:
    del request
    return web.Response(text="OK")


async def _approve(request: web.Request) -> web.Response:
    del request
    return web.Response(text="OK")


async def _halt(request: web.Request) -> web.Response:
    del request
    return web.Response(status=403, text="Forbidden")


def _check(gates: Gates, namespace: str, name: str) -> web.Response:
    return web.Response(text="Approved") if gates.is_open(namespace, name) else web.Response(status=403, text="Forbidden")


def _open(gates: Gates, namespace: str, name: str) -> web.Response:
    return web.Response(status=202 if gates.open(namespace, name) else 429)


def _close(gates: Gates, namespace: str, name: str) -> web.Response:
    gates.close(namespace, name)
    return web.Response(status=202)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UserError(f"cannot use --namespace-regexp {text!r}: {error}") from error
