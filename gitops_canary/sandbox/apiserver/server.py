"""`ApiServer`: the HTTP face of the sandbox's Kubernetes API, on a thread and loop of its own."""

import asyncio
import base64
import ssl
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from gitops_canary.sandbox.apiserver.access import AUTHENTICATED, MASTERS, Access, Tokens, User, service_account, stock_roles
from gitops_canary.sandbox.apiserver.collecting import Collector
from gitops_canary.sandbox.apiserver.handling import Handler
from gitops_canary.sandbox.apiserver.kinds import Kinds
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.store import Doc, Store
from gitops_canary.sandbox.registryd.certificates import server_files

MAX_BODY = 8 * 2**20
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class ApiServer:
    """TLS by a CA of its own, made at construction: Go's clients send no token over plain HTTP. `clock` gives creation times."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        history: int = 5000,
    ) -> None:
        self.host, self.port = host, port
        self._clock = clock
        self._tls, self.ca = _certificates()
        self.store, self.kinds, self.tokens = Store(history), Kinds(), Tokens()
        self.objects = Objects(self.store, self.kinds, clock)
        self.access = Access(self.store)
        self._handler = Handler(self.objects, self.access, self.tokens, clock, lambda: f"{self.host}:{self.port}")
        self.audit = self._handler.audit
        self._admin = self.tokens.issue(User("admin", (MASTERS, AUTHENTICATED)))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------ life

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def start(self) -> None:
        """Listens when it returns; the namespaces and stock roles are there."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="apiserver", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(20)

    def stop(self) -> None:
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = self._thread = None

    def __enter__(self) -> "ApiServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def token(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """A bearer token for a user of that name; "admin" may do everything."""
        return self._admin if user == "admin" else self.tokens.issue(User(user, (*groups, AUTHENTICATED)))

    def account_token(self, namespace: str, name: str) -> str:
        return self.tokens.issue(service_account(namespace, name))

    def kubeconfig(self, user: str = "admin", token: str = "") -> Doc:
        """For kubectl, Helm and the official client."""
        cluster: Doc = {"server": self.url, "certificate-authority-data": base64.b64encode(self.ca).decode()}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token or self.token(user)}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user}}],
            "current-context": "sandbox",
        }

    def compact(self) -> None:
        """Forget the history of changes: watches from before get 410."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.store.compact)

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        Collector(self.objects, self._defined)
        self._seed()
        await self._handler.streams.open()
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handler.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        self.store.end_watches()
        assert self._runner is not None
        server = self._runner.server
        transports = [connection.transport for connection in server.connections if connection.transport] if server is not None else []
        await self._runner.cleanup()
        # A TLS connection says goodbye in its own time, which the loop does not have any more.
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0)
        await self._handler.streams.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    def _seed(self) -> None:
        if self.store.version > 1:
            return
        options = Options(manager="sandbox")
        for name in NAMESPACES:
            self._create("v1", "Namespace", {"metadata": {"name": name}}, options)
        for role in stock_roles():
            self._create(role["apiVersion"], role["kind"], role, options)

    def _create(self, api_version: str, name: str, doc: Doc, options: Options) -> None:
        kind = self.kinds.named(api_version, name)
        assert kind is not None
        self.objects.create(kind, "", doc, options)

    def _defined(self, before: Doc | None, after: Doc | None) -> None:
        if after is not None and not after["metadata"].get("deletionTimestamp"):
            self.kinds.define(after)
            if before is None:
                self.store.begin((after["spec"]["group"], after["spec"]["names"]["plural"]))
        elif before is not None:
            group, plural = before["spec"]["group"], before["spec"]["names"]["plural"]
            for doc in self.store.all((group, plural)):
                self.store.remove((group, plural), (str(doc["metadata"].get("namespace") or ""), doc["metadata"]["name"]))
            self.store.end_watches((group, plural))
            self.kinds.forget(group, plural)


def _certificates() -> tuple[ssl.SSLContext, bytes]:
    """The server's TLS context and the CA certificate (PEM) to trust it by."""
    with tempfile.TemporaryDirectory() as folder:
        files = server_files(Path(folder))
        return files.context(), files.ca.read_bytes()
