"""How a server of the sandbox stops taking connections without losing one on the way; who serves them stands elsewhere."""

import asyncio
import socket

TURNS = 3
"""Of the loop, from a connection that was taken to the protocol that answers for it."""


def listening(host: str, port: int) -> socket.socket:
    """For `web.SockSite`; OSError when the port is taken."""
    return socket.create_server((host, port), backlog=128)


async def let_in(listener: socket.socket) -> None:
    """Call it before the server is closed: no more are taken, and those that were have their protocol.

    asyncio forgets a connection that it took in the turn before its server was closed: nobody closes it, and its client waits."""
    if listener.fileno() >= 0:
        asyncio.get_running_loop().remove_reader(listener)
    for _ in range(TURNS):
        await asyncio.sleep(0)
