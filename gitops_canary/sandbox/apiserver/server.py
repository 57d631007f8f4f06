"""`ApiServer`: the HTTP face of the sandbox's Kubernetes API, on a thread and loop of its own."""

import base64
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.sandbox.apiserver.access import AUTHENTICATED, MASTERS, Access, Tokens, User, service_account, stock_roles
from gitops_canary.sandbox.apiserver.collecting import Collector
from gitops_canary.sandbox.apiserver.handling import Handler
from gitops_canary.sandbox.apiserver.kinds import Kinds
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.store import Doc, Store
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.certificates import server_files

MAX_BODY = 8 * 2**20
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class ApiServer:
    """TLS by a CA of its own, made at construction: Go's clients send no token over plain HTTP. `clock` gives creation times;
    Events are kept for `event_ttl` seconds after they were last written, an hour as on a real server."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        history: int = 5000,
        event_ttl: float = 3600.0,
    ) -> None:
        self.host, self.port = host, port
        self._clock, self._event_ttl = clock, event_ttl
        self._tls, self.ca = _certificates()
        self.store, self.kinds, self.tokens = Store(history), Kinds(), Tokens()
        self.objects = Objects(self.store, self.kinds, clock)
        self.access = Access(self.store)
        self._handler = Handler(self.objects, self.access, self.tokens, clock, lambda: f"{self.host}:{self.port}")
        self.audit = self._handler.audit
        self._admin = self.tokens.issue(User("admin", (MASTERS, AUTHENTICATED)))
        self._background: Background | None = None

    # ------------------------------------------------------------ life

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def start(self) -> None:
        """Listens when it returns; the namespaces and stock roles are there."""
        self._background = Background("apiserver")
        self._background.call(self._listen())

    def stop(self) -> None:
        if self._background is not None:
            self._background.call(self._close())
            self._background.stop()
            self._background = None

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
        assert self._background is not None
        self._background.soon(self.store.compact)

    async def _listen(self) -> None:
        Collector(self.objects, self._defined, self._event_ttl)
        self._seed()
        await self._handler.streams.open()
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handler.serve)
        self._site = Site(web.AppRunner(app, access_log=None, shutdown_timeout=0.5), listening(self.host, self.port), self._tls)
        await self._site.open()
        self.port = self._site.port

    async def _close(self) -> None:
        self.store.end_watches()
        await self._site.close()
        await self._handler.streams.close()

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
