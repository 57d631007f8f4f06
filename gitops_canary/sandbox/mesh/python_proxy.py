"""The data plane where Envoy is not installed: an HTTP forward proxy on aiohttp that follows the table and counts what it did."""

import asyncio
import time
import uuid
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.sandbox.mesh.identity import Source, source_of
from gitops_canary.sandbox.mesh.matching import Names, Turns, rule_for
from gitops_canary.sandbox.mesh.table import Destination, Endpoint, Headers, Retries, Rule, Table
from gitops_canary.sandbox.mesh.telemetry import Flow, Reading

MAX_BODY = 16 * 1024 * 1024
CONNECTION = ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "upgrade")
HOP_BY_HOP = frozenset((*CONNECTION, "transfer-encoding", "content-length"))
"""They belong to one connection only; the length is computed anew for the next one."""
SKIP_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class PythonProxy:
    """`address` is where clients send absolute-form requests; all methods run on one event loop."""

    kind = "python"

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host, self._port = host, port
        self._table, self._names = Table(), Names(Table())
        self._turns = Turns()
        self._next_endpoint: dict[Destination, int] = {}
        self._reading = Reading()

    @property
    def address(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=0)
        self._client = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
        )
        runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.5)
        self._site = Site(runner, listening(self._host, self._port))
        await self._site.open()
        self._port = self._site.port

    async def stop(self) -> None:
        if hasattr(self, "_site"):
            await self._site.close()
        await self._client.close()

    async def apply(self, table: Table) -> None:
        self._table, self._names = table, Names(table)
        if len(self._turns._credit) > 10_000:
            self._turns = Turns()

    async def reading(self) -> Reading:
        return self._reading

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        source = source_of(request.headers.get("Proxy-Authorization"))
        authority = request.url.authority if request.url.absolute else request.headers.get("Host", "")
        host = self._names.find(authority, source.namespace)
        if request.method == "CONNECT" or host is None:
            return refusal(404, f"cannot reach {authority}: the mesh knows no such host (a Service is SERVICE.NAMESPACE:PORT)")
        headers = {name.lower(): value for name, value in request.headers.items()}
        rule = rule_for(host, request.method, request.path, headers)
        if rule is None:
            return refusal(404, f"cannot reach {authority}{request.path}: no route of its VirtualService matches")
        if rule.refuse:
            return refusal(503, rule.refuse)
        if not rule.shares:
            return refusal(503, f"cannot reach {authority}: its route has no destination with a weight")
        if (request.content_length or 0) > MAX_BODY:
            return refusal(413, f"a body of more than {MAX_BODY} bytes")
        return await self._forward(request, source, rule)

    async def _forward(self, request: web.BaseRequest, source: Source, rule: Rule) -> web.Response:
        destination = self._turns.next(rule.shares).destination
        started = time.perf_counter()
        reached, response = await self._answer(request, rule, destination)
        flow = Flow(source, destination, reached)
        self._reading.record(flow, response.status, (time.perf_counter() - started) * 1000)
        return response

    async def _answer(self, request: web.BaseRequest, rule: Rule, destination: Destination) -> tuple[bool, web.Response]:
        """Whether a pod was reached, and what the client gets."""
        body = await request.read()
        try:
            async with asyncio.timeout(rule.timeout):
                return await self._attempts(request, rule, destination, body)
        except TimeoutError:
            return True, refusal(504, "upstream request timeout")

    async def _attempts(self, request: web.BaseRequest, rule: Rule, destination: Destination, body: bytes) -> tuple[bool, web.Response]:
        problem, attempt, tried = "", 0, set[Endpoint]()
        while attempt <= rule.retries.attempts:
            endpoint = self._endpoint(destination, tried)
            if endpoint is None:
                return False, refusal(503, "no healthy upstream")
            attempt += 1
            tried.add(endpoint)
            try:
                response = await self._send(request, rule, endpoint, body)
            except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
                problem = str(error)
                continue
            except aiohttp.ClientError as error:
                return True, refusal(502, f"upstream broke off: {error}")
            if response.status < 500 or not rule.retries.on_5xx or attempt > rule.retries.attempts:
                return True, response
        return False, refusal(503, f"upstream connect error: {problem}")

    def _endpoint(self, destination: Destination, tried: set[Endpoint]) -> Endpoint | None:
        """The next one in turn, rather one that was not tried yet."""
        ready = self._table.endpoints.get(destination, ())
        endpoints = tuple(endpoint for endpoint in ready if endpoint not in tried) or ready
        if not endpoints:
            return None
        turn = self._next_endpoint.get(destination, 0)
        self._next_endpoint[destination] = turn + 1
        return endpoints[turn % len(endpoints)]

    async def _send(self, request: web.BaseRequest, rule: Rule, endpoint: Endpoint, body: bytes) -> web.Response:
        path = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
        url = URL(f"http://{endpoint.address}:{endpoint.port}{rule.rewrite_uri or path}", encoded=True)
        headers = _kept(request.headers)
        headers.setdefault("X-Request-Id", str(uuid.uuid4()))
        headers["Host"] = request.url.authority
        change(headers, rule.request)
        options = {"allow_redirects": False, "skip_auto_headers": SKIP_AUTOMATIC, "timeout": _per_try(rule.retries)}
        async with self._client.request(request.method, url, headers=headers, data=body or None, **options) as answer:  # type: ignore[arg-type]
            payload = await answer.read()
            back = _kept(answer.headers)
            change(back, rule.response)
            return web.Response(status=answer.status, reason=answer.reason, headers=back, body=payload)


def refusal(status: int, text: str) -> web.Response:
    """An answer of the mesh itself."""
    return web.Response(status=status, text=text + "\n", headers={"Server": "gitops-canary-mesh"})


def change(headers: CIMultiDict[str], wanted: Headers) -> None:
    for name, value in wanted.set:
        headers[name] = value
    for name, value in wanted.add:
        headers.add(name, value)
    for name in wanted.remove:
        headers.popall(name, None)


def _kept(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def _per_try(retries: Retries) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=retries.per_try, connect=2.0)
