"""An asyncio client of any Kubernetes API with raw objects, and a reflector: what node and mesh speak through; they know nothing else."""

import asyncio
import base64
import binascii
import random
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from ruamel.yaml import YAML

from gitops_canary.domain.errors import UserError

Doc = dict[str, Any]
Key = tuple[str, str]
"""(namespace, name)"""
JSON, MERGE, STRATEGIC = "application/json", "application/merge-patch+json", "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server refused: its status code and words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


NETWORK = (aiohttp.ClientError, TimeoutError, OSError)
"""What a server that is not there looks like."""


class Kube:
    """Requests as the kubeconfig's current user; open and close it on the event loop that uses it."""

    def __init__(self, kubeconfig: Path | str) -> None:
        self.kubeconfig = Path(kubeconfig)
        self._cluster, self._user = _current(self.kubeconfig)
        self.server = str(self._cluster["server"]).rstrip("/")

    async def open(self) -> None:
        headers = {"User-Agent": "gitops-canary-sandbox"}
        if self._user.get("token"):
            headers["Authorization"] = f"Bearer {self._user['token']}"
        self._connector = aiohttp.TCPConnector(limit=0, ssl=self._tls() if self.server.startswith("https") else True)
        self._session = aiohttp.ClientSession(
            connector=self._connector, headers=headers, timeout=aiohttp.ClientTimeout(total=30, connect=5), trust_env=False
        )

    @property
    def closed(self) -> bool:
        return self._session.closed

    async def close(self) -> None:
        """At once: TLS's orderly farewell would need the loop for longer than it lives."""
        await self._connector.close(abort_ssl=True)
        await self._session.close()

    def authority(self) -> bytes | None:
        """The CA certificate of the API server, PEM; None over plain HTTP or when the system's CAs are meant."""
        return _material(self._cluster, "certificate-authority")

    async def request(self, method: str, path: str, body: object = None, kind: str = JSON) -> Doc:
        """One request; ApiError with the server's words from 400 on, and what NETWORK lists when there is no server."""
        data = None if body is None else orjson.dumps(body)
        async with self._answer(method, path, data=data, headers={"Content-Type": kind}) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise ApiError(answer.status, _words(content))
            answered: Doc = orjson.loads(content)
            return answered

    def stream(self, path: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """An open GET whose body is read line by line (a watch)."""
        return self._answer("GET", path, timeout=aiohttp.ClientTimeout(total=None, connect=5, sock_read=330))

    @asynccontextmanager
    async def _answer(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Left before its end (a cancelled watch) the connection is cut: TLS's orderly farewell would outlive the loop."""
        answer = await self._session.request(method, self.server + path, **options)
        try:
            yield answer
        finally:
            if answer.connection and answer.connection.transport:
                answer.connection.transport.abort()
            answer.close()

    def _tls(self) -> ssl.SSLContext | bool:
        if self._cluster.get("insecure-skip-tls-verify"):
            return False
        authority = self.authority()
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        certificate, key = _material(self._user, "client-certificate"), _material(self._user, "client-key")
        if certificate and key:
            with tempfile.NamedTemporaryFile() as file:
                file.write(certificate + b"\n" + key)
                file.flush()
                context.load_cert_chain(file.name)
        return context


class Reflector:
    """A local copy of one kind that follows the API; `changed` is called on the loop with every key that came, changed or went.

    `paths` are tried in turn until one is served (versions of one kind); while none is, the copy is empty and `synced` is set."""

    def __init__(self, kube: Kube, paths: Sequence[str], changed: Callable[[Key], object]) -> None:
        self.items: dict[Key, Doc] = {}
        self.synced = asyncio.Event()
        self._kube, self._paths, self._changed = kube, tuple(paths), changed

    async def run(self) -> None:
        """Follows until cancelled or the client is closed, whatever the server does."""
        turn, wait = 0, 0.05
        while True:
            path = self._paths[turn % len(self._paths)]
            try:
                await self._follow(path)
                wait = 0.05
            except ApiError as error:
                if error.status == 404:
                    turn += 1
                    if turn % len(self._paths) == 0:
                        self._replace({})
                        await asyncio.sleep(0.5)
                elif error.status != 410:
                    wait = min(2.0, wait * 2)
            except NETWORK:
                wait = min(2.0, wait * 2)
            except RuntimeError:  # aiohttp's word for a session that was closed while it was asked
                if not self._kube.closed:
                    raise
                return
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    async def _follow(self, path: str) -> None:
        """A list, then watches from its revision for as long as they last."""
        listed = await self._kube.request("GET", path)
        self._replace({_key(item): item for item in listed.get("items") or ()})
        revision = listed["metadata"]["resourceVersion"]
        while True:
            query = f"watch=true&allowWatchBookmarks=true&timeoutSeconds={random.randrange(240, 300)}&resourceVersion={revision}"
            async with self._kube.stream(f"{path}{'&' if '?' in path else '?'}{query}") as answer:
                if answer.status >= 400:
                    raise ApiError(answer.status, _words(await answer.read()))
                async for line in _lines(answer.content):
                    revision = self._take(orjson.loads(line))

    def _take(self, event: Doc) -> str:
        item = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(int(item.get("code", 410)), str(item.get("message", "")))
        if event["type"] == "DELETED":
            self.items.pop(_key(item), None)
        elif event["type"] != "BOOKMARK":
            self.items[_key(item)] = item
        if event["type"] != "BOOKMARK":
            self._changed(_key(item))
        return str(item["metadata"]["resourceVersion"])

    def _replace(self, items: dict[Key, Doc]) -> None:
        before, self.items = self.items, items
        self.synced.set()
        for key in before.keys() | items.keys():
            if before.get(key, {}).get("metadata", {}).get("resourceVersion") != items.get(key, {}).get("metadata", {}).get(
                "resourceVersion"
            ):
                self._changed(key)


async def _lines(content: aiohttp.StreamReader) -> Any:
    """Lines of any length (aiohttp's own limit is 64 KiB)."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def _key(item: Doc) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _words(content: bytes) -> str:
    try:
        return str(orjson.loads(content)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return content[:300].decode(errors="replace")


def _current(path: Path) -> tuple[Doc, Doc]:
    """Cluster and user of the kubeconfig's current context."""
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text())
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster, user = _named(document["clusters"], context["cluster"])["cluster"], _named(document["users"], context["user"])["user"]
    except (OSError, KeyError, TypeError, StopIteration) as error:
        raise UserError(f"cannot read the kubeconfig {path}: {error!r}", hint="name a file with a current context") from error
    return dict(cluster), dict(user or {})


def _named(entries: Sequence[Doc], name: str) -> Doc:
    return next(entry for entry in entries if entry["name"] == name)


def _material(section: Doc, name: str) -> bytes | None:
    """PEM given inline (base64) or as a file."""
    if section.get(f"{name}-data"):
        try:
            return base64.b64decode(section[f"{name}-data"])
        except binascii.Error as error:
            raise UserError(f"cannot read {name}-data of the kubeconfig: {error}") from error
    return Path(section[name]).read_bytes() if section.get(name) else None
