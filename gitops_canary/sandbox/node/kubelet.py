"""The HTTPS endpoints that an API server calls: `/containerLogs`, `/exec`, the metrics API; a certificate of its own, on loopback."""

import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gitops_canary.sandbox.node.containers import Container
from gitops_canary.sandbox.node.exec import serve_exec
from gitops_canary.sandbox.node.logs import Wanted
from gitops_canary.sandbox.node.metrics import MetricsApi

Find = Callable[[str, str, str], Container | None]
"""(namespace, pod, container) to the running container's."""
LOG_PARAMETERS = frozenset({"follow", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "limitBytes", "previous"})


class Kubelet:
    """Answers for the containers that `find` knows."""

    def __init__(self, find: Find, metrics: MetricsApi) -> None:
        self._find, self._metrics = find, metrics

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/exec/{namespace}/{pod}/{container}", self._exec)
        app.router.add_post("/exec/{namespace}/{pod}/{container}", self._no_spdy)
        for name in ("attach", "portForward"):
            app.router.add_route("*", f"/{name}/{{rest:.*}}", self._unsupported)
        app.router.add_get("/healthz", self._healthz)
        self._metrics.add_to(app)
        return app

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if strange := sorted(request.query.keys() - LOG_PARAMETERS):
            return web.Response(status=400, text=f"log parameter {strange[0]!r} is not supported by the sandbox's node\n")
        container = self._container(request)
        log = container.previous if request.query.get("previous") == "true" else container.log
        if log is None:
            return web.Response(status=400, text=f'previous terminated container "{container.status.name}" not found\n')
        try:
            wanted = read_wanted(dict(request.query))
        except ValueError as error:
            return web.Response(status=400, text=f"cannot read the log parameters: {error}\n")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # a reader that follows ends by going away
            async for line in log.read(wanted):
                await response.write(line)
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        if "running" not in container.status.state.doc():
            return web.Response(status=404, text=f'container not found ("{container.status.name}"): it does not run\n')
        return await serve_exec(request, container.moved(request.query.getall("command", [])), container.environment, container.folder)

    async def _no_spdy(self, request: web.Request) -> web.Response:
        return web.Response(status=400, text="SPDY is not supported by the sandbox's node: use WebSockets (kubectl 1.31 or newer)\n")

    async def _unsupported(self, request: web.Request) -> web.Response:
        name = {"portForward": "port-forward"}.get(request.path.split("/")[1], "attach")
        return web.Response(status=400, text=f"{name} is not supported by the sandbox's node: use exec, or the pod's own address\n")

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    def _container(self, request: web.Request) -> Container:
        names = request.match_info
        found = self._find(names["namespace"], names["pod"], names["container"])
        if found is None:
            raise web.HTTPNotFound(text=f"container {names['container']} of pod {names['namespace']}/{names['pod']} is not on this node\n")
        return found


def read_wanted(query: dict[str, str]) -> Wanted:
    """The log options of a query; ValueError for what is no number or time."""
    since = None
    if "sinceSeconds" in query:
        since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=int(query["sinceSeconds"]))
    elif "sinceTime" in query:
        since = datetime.datetime.fromisoformat(query["sinceTime"])
    return Wanted(
        follow=query.get("follow") == "true",
        tail=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit=int(query["limitBytes"]) if "limitBytes" in query else None,
    )


def tls(folder: Path, address: str) -> ssl.SSLContext:
    """A server context with a fresh self-signed certificate: API servers do not verify kubelets unless told a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gitops-canary-sandbox-node")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "kubelet.pem"
    file.touch(mode=0o600)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
