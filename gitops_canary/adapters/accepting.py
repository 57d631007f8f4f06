"""How an aiohttp server takes connections and stops: none is lost on the way, none stays open; who answers stands elsewhere."""

import asyncio
import contextlib
import socket
import ssl
import weakref
from typing import Any

from aiohttp import web

TURNS = 5
"""Of the loop, from a connection that was taken to the protocol that answers for it, and from a connection's end to its closed socket."""


class Listener(socket.socket):
    """A listening socket that knows the connections it gave out: a server forgets those that are in the middle of TLS' hello or goodbye."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._given: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        self._given.add(connection)
        return connection, address

    def open_connections(self) -> list[socket.socket]:
        return [connection for connection in self._given if connection.fileno() >= 0]


def listening(host: str, port: int) -> Listener:
    """OSError when the port is taken."""
    return Listener(socket.create_server((host, port), backlog=128).detach())


class Site:
    """An aiohttp server on such a socket."""

    def __init__(self, runner: web.BaseRunner, listener: Listener, tls: ssl.SSLContext | None = None) -> None:
        self._runner, self._listener, self._tls = runner, listener, tls

    async def open(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener, ssl_context=self._tls).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def close(self) -> None:
        """No connection is taken any more, requests in flight end within the runner's time, no socket stays open."""
        await _let_in(self._listener)
        await self._runner.cleanup()
        if self._tls is not None:
            await self._cut()
        self._listener.close()

    async def _cut(self) -> None:
        """TLS takes leave in its client's time, which the loop does not have any more."""
        for connection in self._listener.open_connections():
            with contextlib.suppress(OSError):  # its client has gone already
                connection.shutdown(socket.SHUT_RDWR)
        await a_few_turns()


async def _let_in(listener: socket.socket) -> None:
    """No more are taken, and those that were have their protocol: asyncio forgets a connection that it took in the turn before its
    server was closed, nobody closes it, and its client waits."""
    if listener.fileno() >= 0:
        asyncio.get_running_loop().remove_reader(listener)
    await a_few_turns()


async def a_few_turns() -> None:
    """What the loop still owes to connections that came or went."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
