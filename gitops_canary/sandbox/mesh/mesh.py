"""`Mesh`: follows the cluster, keeps the data plane's table up to date, and shows metrics and scrape targets over HTTP."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog
from aiohttp import web

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.kube import Kube, Reflector
from gitops_canary.sandbox.mesh.envoy import EnvoyProxy, installed
from gitops_canary.sandbox.mesh.identity import proxy_url
from gitops_canary.sandbox.mesh.planning import plan_table
from gitops_canary.sandbox.mesh.python_proxy import PythonProxy
from gitops_canary.sandbox.mesh.table import Table
from gitops_canary.sandbox.mesh.targets import scrape_targets
from gitops_canary.sandbox.mesh.telemetry import Reading, exposition

log = structlog.get_logger()
KINDS = {
    "services": ("/api/v1/services",),
    "pods": ("/api/v1/pods",),
    "virtual_services": tuple(f"/apis/networking.istio.io/{version}/virtualservices" for version in ("v1", "v1beta1", "v1alpha3")),
    "destination_rules": tuple(f"/apis/networking.istio.io/{version}/destinationrules" for version in ("v1", "v1beta1", "v1alpha3")),
}
SETTLE_SECONDS = 0.01
"""Changes that come together are served together."""
RETRY_SECONDS = 1.0


class DataPlane(Protocol):
    """What moves the bytes: `python` or `envoy`. `apply` returns when the table is live; `reading` gives real counters."""

    kind: str

    @property
    def address(self) -> str: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def apply(self, table: Table) -> None: ...
    async def reading(self) -> Reading: ...


class Mesh:
    """A mesh for any cluster, between `start` and `stop`, in a thread of its own.

    `proxy` is the URL that clients use as HTTP proxy (see `proxy_for`), `metrics` the URL that Prometheus scrapes, `targets` the http_sd
    document of the pods that want to be scraped."""

    def __init__(
        self,
        kubeconfig: Path | str,
        *,
        data_plane: Literal["auto", "envoy", "python"] = "auto",
        host: str = "127.0.0.1",
        proxy_port: int = 0,
        admin_port: int = 0,
    ) -> None:
        self._kube = Kube(kubeconfig)
        use_envoy = data_plane == "envoy" or (data_plane == "auto" and installed())
        self._plane: DataPlane = EnvoyProxy(host, proxy_port) if use_envoy else PythonProxy(host, proxy_port)
        self._host, self._admin_port = host, admin_port
        self._background: Background | None = None

    @property
    def kind(self) -> str:
        """`envoy` or `python`."""
        return self._plane.kind

    @property
    def proxy(self) -> str:
        return self._plane.address

    @property
    def metrics(self) -> str:
        return f"{self._admin}/metrics"

    @property
    def targets(self) -> str:
        return f"{self._admin}/targets"

    def proxy_for(self, namespace: str, workload: str) -> str:
        """The proxy URL of a client that wants short names to mean its own namespace, and its requests to carry its name."""
        return proxy_url(self.proxy, namespace, workload)

    def start(self) -> None:
        """Returns when the proxy listens; the table follows (`wait_ready`)."""
        self._background = Background("mesh")
        try:
            self._background.call(self._open())
        except (GitopsCanaryError, OSError):
            self.stop()
            raise

    def stop(self) -> None:
        if self._background:
            with contextlib.suppress(TimeoutError):
                self._background.call(self._close())
            self._background.stop()
            self._background = None

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Returns when everything that the cluster holds now is served; Unavailable when that takes longer."""
        assert self._background
        try:
            self._background.call(self._first.wait(), timeout)
        except TimeoutError:
            raise Unavailable(f"cannot learn the routes of {self._kube.server}: it gave no Services and Pods in {timeout:g} s") from None

    @property
    def _admin(self) -> str:
        return f"http://{self._host}:{self._admin_port}"

    async def _open(self) -> None:
        self._first, self._dirty = asyncio.Event(), asyncio.Event()
        self._problem = ""
        self._site: Site | None = None
        self._tasks: list[asyncio.Task[None]] = []
        await self._kube.open()
        await self._plane.start()
        await self._serve_admin()
        self._stores = {name: Reflector(self._kube, paths, lambda key: self._dirty.set()) for name, paths in KINDS.items()}
        self._tasks = [asyncio.create_task(work) for work in (self._follow(), *(store.run() for store in self._stores.values()))]

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._site:
            await self._site.close()
        await self._plane.stop()
        await self._kube.close()

    async def _follow(self) -> None:
        """Serves the newest state, again and again; a failure is said once and tried again."""
        await asyncio.gather(*(store.synced.wait() for store in self._stores.values()))
        while True:
            self._dirty.clear()
            try:
                await self._plane.apply(plan_table(*(list(self._stores[name].items.values()) for name in KINDS)))
                self._first.set()
                self._problem = ""
            except GitopsCanaryError as error:
                if str(error) != self._problem:
                    log.warning(str(error))
                self._problem = str(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._dirty.wait()
            await asyncio.sleep(SETTLE_SECONDS)

    async def _serve_admin(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/targets", self._targets)
        app.router.add_get("/healthz", self._healthz)
        self._site = Site(web.AppRunner(app, access_log=None, shutdown_timeout=0.2), listening(self._host, self._admin_port))
        await self._site.open()
        self._admin_port = self._site.port

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            return web.Response(body=exposition(await self._plane.reading()), content_type="text/plain")
        except Unavailable as error:
            return web.Response(status=503, text=str(error))

    async def _targets(self, request: web.Request) -> web.Response:
        pods: list[dict[str, Any]] = list(self._stores["pods"].items.values())
        return web.json_response(scrape_targets(pods))

    async def _healthz(self, request: web.Request) -> web.Response:
        ready = self._first.is_set() and not self._problem
        return web.Response(status=200 if ready else 503, text=self._problem or ("ok\n" if ready else "no routes yet\n"))
