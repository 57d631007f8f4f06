"""The registry as a server: a thread, an address, TLS and webhooks around the distribution API."""

import asyncio
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web

from gitops_canary.adapters.serving import Server
from gitops_canary.sandbox.registryd.access import Access, Anyone
from gitops_canary.sandbox.registryd.distribution import Distribution
from gitops_canary.sandbox.registryd.images import Target, push_image
from gitops_canary.sandbox.registryd.notifications import Push, Webhook, deliver
from gitops_canary.sandbox.registryd.store import Store


class RegistryServer:
    """An OCI registry in memory. `start` binds (port 0 = any free one), `url` is its base address."""

    kind = "sandbox"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        access: Access | None = None,
        webhooks: Sequence[Webhook] = (),
        tls: ssl.SSLContext | None = None,
        page_size: int | None = None,
        etags: bool = False,
    ) -> None:
        self.store = Store()
        self.webhooks = list(webhooks)
        self._distribution = Distribution(self.store, access or Anyone(), self._told, page_size=page_size, etags=etags)
        self._server = Server(self._application, host, port, tls=tls)
        self._client: aiohttp.ClientSession | None = None
        self._deliveries: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def host(self) -> str:
        """`host:port`, as image names and mirror settings carry it."""
        return self.url.partition("://")[2]

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def notify(self, webhook: Webhook) -> None:
        """Tell of pushes there, too."""
        self.webhooks.append(webhook)

    def push_image(self, name: str, tag: str, labels: Mapping[str, str] | None = None, created: datetime | None = None) -> str:
        """Push a small real image over HTTP, as `docker push` would, to a registry that asks nobody; returns its digest."""
        return push_image(Target(self.url), name, tag, labels=labels or {}, created=created)

    def _application(self) -> web.Application:
        app = self._distribution.application()
        app.cleanup_ctx.append(self._deliver_context)
        return app

    async def _deliver_context(self, app: web.Application) -> Any:
        del app
        self._client = aiohttp.ClientSession()
        yield
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self._client.close()

    def _told(self, push: Push) -> None:
        """Only tags are told: a platform's manifest of an index is pushed by digest and says nothing to anybody."""
        if self._client is not None and self.webhooks and push.tag:
            self._spawn(deliver(self._client, tuple(self.webhooks), push))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    def __enter__(self) -> "RegistryServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
