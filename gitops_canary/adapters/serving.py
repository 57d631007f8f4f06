"""An aiohttp application on a thread and event loop of its own; what it answers is the application's business."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from aiohttp import web

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
        self._runner: web.AppRunner | None = None
        self._thread: threading.Thread | None = None
        self._sockets: list[socket.socket] = []

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
        if thread is None or self._runner is None:
            return
        asyncio.run_coroutine_threadsafe(self._unbind(self._runner), self._loop).result(GRACE * 4)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(GRACE)
        self._loop.run_until_complete(_last_callbacks())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _bind(self) -> None:
        app = self._make()
        if self._tls is not None:
            app.on_response_prepare.append(self._remember)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=IDLE,
            shutdown_timeout=GRACE,
            handle_signals=False,
            lingering_time=1.0,
            auto_decompress=False,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host or None, self.port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    async def _unbind(self, runner: web.AppRunner) -> None:
        """TLS connections are cut afterwards: asyncio would wait half a minute for each client's good-bye. One that was in the middle of it
        can only be cut at its socket."""
        transports = [connection.transport for connection in runner.server.connections] if runner.server and self._tls else []
        await runner.cleanup()
        for transport in transports:
            if transport is not None:
                transport.abort()
        for one in self._sockets:
            if one.fileno() >= 0:
                with contextlib.suppress(OSError):  # its client has gone already
                    one.shutdown(socket.SHUT_RDWR)

    async def _remember(self, request: web.Request, response: web.StreamResponse) -> None:
        found = request.transport.get_extra_info("socket") if request.transport is not None else None
        if found is not None and found not in self._sockets:
            self._sockets = [*(one for one in self._sockets if one.fileno() >= 0), found]

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


async def _last_callbacks() -> None:
    """Closed connections free their sockets in callbacks that the stopped loop still owes."""
    for _ in range(5):
        await asyncio.sleep(0)
