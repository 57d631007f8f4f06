"""`EmbeddedPrometheus`: `/api/v1/query` over samples that it scrapes itself, answering in Prometheus' JSON, refusals included."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

from aiohttp import web

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.domain.errors import Unavailable
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.promql.evaluate import evaluate
from gitops_canary.sandbox.promql.scraping import Scraper
from gitops_canary.sandbox.promql.storage import Storage
from gitops_canary.sandbox.promql.syntax import UNSUPPORTED, QueryError, parse

PARAMETERS = frozenset({"query", "time", "timeout"})


class EmbeddedPrometheus:
    """Scrapes and answers in a thread of its own between `start` and `stop`.

    `scrape`: URLs of `/metrics`; `discovery`: URLs that answer Prometheus' http_sd JSON; `interval` in seconds."""

    kind = "embedded"

    def __init__(
        self,
        scrape: Sequence[str] = (),
        discovery: Sequence[str] = (),
        *,
        interval: float = 0.5,
        port: int = 0,
        storage: Storage | None = None,
    ) -> None:
        self.storage = storage or Storage()
        self._scraper = Scraper(self.storage, tuple(scrape), tuple(discovery), interval)
        self._port = port
        self._background: Background | None = None
        self._site: Site | None = None
        self._answered = 0
        self.url = ""

    def start(self) -> None:
        self._background = Background("metrics-endpoint")
        try:
            self._background.call(self._open())
        except OSError as error:
            self.stop()
            raise Unavailable(f"cannot serve metrics on port {self._port}: {error}") from error

    def stop(self) -> None:
        if self._background:
            if self._site:
                with suppress(TimeoutError):
                    self._background.call(self._site.close())
            self._background.stop()
            self._background = None

    def wait_ready(self, timeout: float = 10.0) -> None:
        """It answers from the moment that `start` returned."""

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/-/ready", _alive)
        app.router.add_get("/-/healthy", _alive)
        app.router.add_route("*", "/api/v1/query", self._query)
        app.router.add_route("*", "/{path:.*}", _unknown)
        self._site = Site(web.AppRunner(app, access_log=None, shutdown_timeout=0.2), listening("127.0.0.1", self._port))
        await self._site.open()
        self._port = self._site.port
        self.url = f"http://127.0.0.1:{self._port}"
        assert self._background
        self._scraping = self._background.loop.create_task(self._scraper.run())

    def queries(self) -> int:
        """How many queries were asked."""
        return self._answered

    async def _query(self, request: web.Request) -> web.Response:
        self._answered += 1
        if request.method not in ("GET", "POST"):
            return refusal(405, "bad_data", f"method {request.method} {UNSUPPORTED}")
        given = {**request.query, **(dict(await request.post()) if request.method == "POST" else {})}
        if strange := sorted(given.keys() - PARAMETERS):
            return refusal(400, "bad_data", f"parameter {strange[0]!r} {UNSUPPORTED}")
        try:
            at = float(str(given["time"])) if given.get("time") else time.time()
            tree = parse(str(given.get("query", "")))
        except ValueError:
            return refusal(400, "bad_data", f'invalid parameter "time": cannot parse {given["time"]!r} as seconds since 1970')
        except QueryError as error:
            return refusal(400, "bad_data", f'invalid parameter "query": {error}')
        try:
            return answer(evaluate(tree, self.storage, round(at * 1000)), at)
        except QueryError as error:
            return refusal(422, "execution", str(error))


def answer(value: float | list[tuple[tuple[tuple[str, str], ...], float]], at: float) -> web.Response:
    """Prometheus' JSON of a result."""
    moment = round(at, 3)
    if isinstance(value, list):
        result: object = [{"metric": dict(labels), "value": [moment, number(sample)]} for labels, sample in value]
        kind = "vector"
    else:
        result, kind = [moment, number(value)], "scalar"
    return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}})


def refusal(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"status": "error", "errorType": kind, "error": message}, status=status)


def number(value: float) -> str:
    """A float as Prometheus writes it: the shortest digits that mean it, never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


async def _alive(request: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Ready.\n")


async def _unknown(request: web.Request) -> web.Response:
    return refusal(404, "not_found", f"{request.method} {request.path} {UNSUPPORTED}")
