"""An aiohttp application on a thread and event loop of its own; what it answers is the application's business."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from gitops_canary.adapters.accepting import Site, a_few_turns, listening
from gitops_canary.domain.errors import UserError

IDLE = 20.0
"""Seconds a connection may stand open before its first request's headers are complete, and between two requests (slowloris)."""
GRACE = 3.0
"""Seconds that answers under way get when the server is stopped."""


def listen_address(text: str) -> tuple[str, int]:
    """`:8080` or `host:8080` as host ("" = every address) and port; UserError when it is neither."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise UserError(f"cannot listen on {text!r}: its port is no number up to 65535", hint="write host:port, or :port for every address")
    return host.strip("[]"), int(port)


class Server:
    """`make` builds the application inside the server's own loop. `start` returns once the port is bound; `stop` may be called twice."""

    def __init__(
        self, make: Callable[[], web.Application], host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._make, self._host, self._tls = make, host, tls
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._close: Callable[[], Coroutine[Any, Any, None]] | None = None

    @property
    def url(self) -> str:
        """The base URL; a server on every address is reached on the loopback one."""
        host = "127.0.0.1" if self._host in ("", "0.0.0.0", "::") else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def start(self) -> None:
        """UserError when the address cannot be bound."""
        try:
            self._loop.run_until_complete(self._bind())
        except OSError as error:
            self._loop.close()
            raise UserError(
                f"cannot listen on {self._host or '*'}:{self.port}: {error.strerror or error}", hint="choose another port"
            ) from error
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"http-{self.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None or self._close is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(GRACE * 4)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(GRACE)
        self._loop.run_until_complete(a_few_turns())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _bind(self) -> None:
        runner = web.AppRunner(
            self._make(),
            access_log=None,
            keepalive_timeout=IDLE,
            shutdown_timeout=GRACE,
            handle_signals=False,
            lingering_time=1.0,
            auto_decompress=False,
        )
        if self._tls is None:
            await self._open(runner)
        else:
            # asyncio would wait half a minute for each client's good-bye.
            site = Site(runner, listening(self._host, self.port), self._tls)
            await site.open()
            self.port, self._close = site.port, site.close

    async def _open(self, runner: web.AppRunner) -> None:
        """On every family of addresses where no host is named."""
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host or None, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port, self._close = runner.addresses[0][1], runner.cleanup

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
