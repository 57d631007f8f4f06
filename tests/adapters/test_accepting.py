"""A server of the sandbox that stops: whoever is connected learns of it, and no socket is left to the garbage collector."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from pathlib import Path

import pytest
from aiohttp import web

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.adapters.serving import Server
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.certificates import ServerFiles, server_files

ASKED = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
PATIENCE = 10.0
ENDS = pytest.mark.parametrize(
    "asked", [ASKED, ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], ids=["kept alive", "being closed"]
)


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _site(tls: ssl.SSLContext | None = None) -> Site:
    app = web.Application()
    app.router.add_get("/", _hello)
    site = Site(web.AppRunner(app, access_log=None, shutdown_timeout=0.1), listening("127.0.0.1", 0), tls)
    await site.open()
    return site


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ServerFiles:
    return server_files(tmp_path_factory.mktemp("tls"))


class Silent:
    """A TLS client that asks once and never says goodbye: what the server sends is read, nothing is answered."""

    def __init__(self, port: int, files: ServerFiles, asked: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(files.ca))
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        self._until(self._tls.do_handshake)
        self._tls.write(asked)
        self.answer = self._until(lambda: self._tls.read(4096))

    def close(self) -> None:
        self._socket.close()

    def _until(self, act: "object") -> bytes:
        while True:
            try:
                done = act()  # type: ignore[operator]
            except ssl.SSLWantReadError:
                self._send()
                self._in.write(self._socket.recv(65536))
            else:
                self._send()
                return bytes(done or b"")

    def _send(self) -> None:
        if self._out.pending:
            self._socket.sendall(self._out.read())


@ENDS
def test_a_tls_client_that_says_no_goodbye_leaves_no_socket_open(files: ServerFiles, asked: bytes) -> None:
    background = Background("site")
    site = background.call(_site(files.context()))
    client = Silent(site.port, files, asked)
    assert b"200 OK" in client.answer
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        background.call(site.close())
        background.stop()
        del site, background
        gc.collect()
    client.close()
    assert [str(one.message) for one in seen] == []


@ENDS
def test_neither_does_it_at_the_registrys_kind_of_server(files: ServerFiles, asked: bytes) -> None:
    def made() -> web.Application:
        app = web.Application()
        app.router.add_get("/", _hello)
        return app

    server = Server(made, tls=files.context())
    server.start()
    client = Silent(server.port, files, asked)
    assert b"200 OK" in client.answer
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        server.stop()
        del server
        gc.collect()
    client.close()
    assert [str(one.message) for one in seen] == []


@pytest.mark.parametrize("turns", range(5))
def test_whoever_connects_while_the_server_stops_learns_of_it(turns: int) -> None:
    """At every turn of the loop between a connection that the system took and the protocol that answers for it."""

    async def stopped() -> socket.socket:
        site = await _site()
        client = socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE)
        for _ in range(turns):
            await asyncio.sleep(0)
        await site.close()
        return client

    ended: list[bytes] = []

    def waits(client: socket.socket) -> None:
        try:
            ended.append(client.recv(1))
        except ConnectionError:
            ended.append(b"")

    with asyncio.Runner() as runner:
        client = runner.run(stopped())
        reader = threading.Thread(target=waits, args=(client,))
        reader.start()
        reader.join()
        client.close()
    assert ended == [b""]


def test_a_port_that_is_taken_is_an_error_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        listening("127.0.0.1", taken.getsockname()[1])
