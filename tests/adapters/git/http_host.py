"""`git http-backend` with basic auth behind a small CGI server: how real Git hosts speak https, without the TLS."""

import asyncio
import base64
import os
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web


@dataclass
class User:
    password: str
    write: bool


class HttpGit:
    """Serves every repository of a folder; `redirect_to` sends clients elsewhere, `status` answers everything with it."""

    def __init__(self, folder: Path, authority: tuple[Path, Path] | None = None) -> None:
        self.folder, self.users = folder, dict[str, User]()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if authority else None
        if self._tls and authority:
            self._tls.load_cert_chain(*authority)
        self.redirect_to, self.status, self.asked = "", 0, list[str]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def add_user(self, name: str, password: str, *, write: bool) -> None:
        self.users[name] = User(password, write)

    def url(self, name: str) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/{name}.git"

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.redirect_to:
            return web.Response(status=302, headers={"Location": self.redirect_to + request.path_qs})
        if self.status:
            return web.Response(status=self.status, headers={"Retry-After": "7"})
        user = self._user(request.headers.get("Authorization", ""))
        if user is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        if "git-receive-pack" in request.path_qs and not self.users[user].write:
            return web.Response(status=403, text="Write access to repository not granted.")
        return await self._backend(request, user)

    def _user(self, header: str) -> str | None:
        kind, _, token = header.partition(" ")
        name, _, password = base64.b64decode(token).decode().partition(":") if kind == "Basic" else ("", "", "")
        return name if name in self.users and self.users[name].password == password else None

    async def _backend(self, request: web.Request, user: str) -> web.Response:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": user,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        }
        body = await request.read()  # aiohttp has unzipped it
        process = await asyncio.create_subprocess_exec("git", "http-backend", stdin=-1, stdout=-1, env=env)
        out, _ = await process.communicate(body)
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return web.Response(status=int(headers.pop("Status", "200").split()[0]), headers=headers, body=content)
