"""What others answer, passed on as a real API server does: pods' logs and exec to their node, other APIs to the server that has them."""

import asyncio
import ssl
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from gitops_canary.sandbox.apiserver.aggregating import PASSED
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.problems import Problem, bad_request

PROTOCOL = "v5.channel.k8s.io"
LOG_QUERY = {"follow", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "limitBytes", "previous"}
EXEC_NAMES = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


class Streams:
    """`open` and `close` belong to the server's loop."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def open(self) -> None:
        # A node's certificate is its own; a real server does not verify it either unless told to.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(connector=self._connector, trust_env=False)

    async def close(self) -> None:
        """At once: TLS's orderly farewell would need the loop for longer than it lives."""
        await self._connector.close(abort_ssl=True)
        await self._session.close()

    async def log(self, request: web.Request, namespace: str, name: str) -> web.StreamResponse:
        pod = self._objects.get(self._objects.kinds.at("", "v1", "pods"), namespace, name)  # type: ignore[arg-type]
        if not pod["spec"].get("nodeName"):
            # As a real server: nothing was said yet, which is no error.
            return web.Response(status=204)
        url, container = self._place(request, namespace, name)
        odd = sorted(set(request.query) - LOG_QUERY - {"container", "pretty", "insecureSkipTLSVerifyBackend"})
        if odd:
            raise bad_request(f"query parameter {odd[0]!r} is not supported for logs")
        query = {key: value for key, value in request.query.items() if key in LOG_QUERY}
        timeout = aiohttp.ClientTimeout(total=None, connect=5)
        try:
            async with self._session.get(f"{url}/containerLogs/{namespace}/{name}/{container}", params=query, timeout=timeout) as answer:
                if answer.status >= 400:
                    raise Problem(answer.status, "BadRequest", (await answer.text())[:300])
                response = web.StreamResponse(headers={"Content-Type": "text/plain"})
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                return response
        except aiohttp.ClientConnectionError as error:
            raise Problem(502, "InternalError", f"the node of pod {name} cannot be reached: {error}") from error

    async def passed_on(self, request: web.Request, url: str) -> web.StreamResponse:
        """The whole answer of the server at that URL."""
        headers = {name: request.headers[name] for name in PASSED if name in request.headers}
        try:
            async with self._session.request(
                request.method, url, params=request.query, headers=headers, data=await request.read(), timeout=aiohttp.ClientTimeout(30)
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Problem(503, "ServiceUnavailable", f"the server behind {request.path} cannot be reached: {error}") from error

    async def exec(self, request: web.Request, namespace: str, name: str) -> web.StreamResponse:
        url, container = self._place(request, namespace, name)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise bad_request("exec needs a WebSocket upgrade; SPDY is not supported here (use kubectl 1.31 or newer)")
        query = [("command", word) for word in request.query.getall("command", [])]
        query += [(EXEC_NAMES[key], "1") for key in EXEC_NAMES if request.query.get(key, "").lower() in ("true", "1")]
        try:
            far = await self._session.ws_connect(
                f"{url}/exec/{namespace}/{name}/{container}", params=query, protocols=(PROTOCOL,), max_msg_size=0
            )
        except aiohttp.WSServerHandshakeError as error:
            raise Problem(error.status, "BadRequest", f"the node refused: {error.message}") from error
        except aiohttp.ClientConnectionError as error:
            raise Problem(502, "InternalError", f"the node of pod {name} cannot be reached: {error}") from error
        near = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=0)
        await near.prepare(request)
        await _joined(near, far)
        return near

    def _place(self, request: web.Request, namespace: str, name: str) -> tuple[str, str]:
        """The node's address and the container that is meant."""
        pod = self._objects.get(self._objects.kinds.at("", "v1", "pods"), namespace, name)  # type: ignore[arg-type]
        containers = [one["name"] for one in pod["spec"]["containers"]]
        container = request.query.get("container") or containers[0]
        if container not in containers:
            raise bad_request(f"container {container} is not valid for pod {name}")
        node = self._objects.store.get(("", "nodes"), ("", str(pod["spec"].get("nodeName", ""))))
        if node is None:
            raise bad_request(f"pod {name} does not have a host assigned")
        return _endpoint(node), container


def _endpoint(node: dict[str, Any]) -> str:
    status = node.get("status") or {}
    address = next((one["address"] for one in status.get("addresses") or () if one.get("type") == "InternalIP"), "")
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", 0)
    if not address or not port:
        raise Problem(503, "ServiceUnavailable", f"node {node['metadata']['name']} does not say where it listens")
    return f"https://{address}:{port}"


async def _joined(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
    """Frames both ways until one side ends."""

    async def pump(source: Any, target: Any) -> None:
        async for message in source:
            if message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
            else:
                break

    there, back = asyncio.create_task(pump(near, far)), asyncio.create_task(pump(far, near))
    await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
    # What the program said last must still reach the client.
    if far.closed and not back.done():
        await asyncio.wait((back,), timeout=1.0)
    for task in (there, back):
        task.cancel()
    await asyncio.gather(there, back, return_exceptions=True)
    await far.close()
    await near.close()
