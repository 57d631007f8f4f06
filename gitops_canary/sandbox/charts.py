"""A Helm chart repository over HTTP with the product's charts, and what the guide applies from a URL; packed when asked."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from gitops_canary.adapters.serving import Server
from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.data import folder

EPOCH = "2026-01-01T00:00:00Z"
"""When every chart was "created": the same files make the same index."""


@dataclass(frozen=True)
class Packed:
    """One chart as Helm packs it."""

    meta: dict[str, Any]
    content: bytes

    @property
    def file(self) -> str:
        return f"{self.meta['name']}-{self.meta['version']}.tgz"


def product_charts() -> list[Path]:
    """podinfo and loadtester of the template, and the operator's own."""
    return [*sorted((folder("repo-template") / "charts").iterdir()), folder("deploy") / "chart"]


def pack(chart: Path) -> Packed:
    """As `helm package` would archive it, equal folders to equal bytes; UserError when Chart.yaml has no name or version."""
    meta = yaml.safe_load((chart / "Chart.yaml").read_text())
    if not isinstance(meta, dict) or not meta.get("name") or not meta.get("version"):
        raise UserError(f"cannot serve chart {chart}: its Chart.yaml has no name or no version")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path in sorted(one for one in chart.rglob("*") if one.is_file() and not one.is_symlink()):
            info = tarfile.TarInfo(f"{meta['name']}/{path.relative_to(chart)}")
            info.size = path.stat().st_size
            archive.addfile(info, io.BytesIO(path.read_bytes()))
    return Packed(meta, gzip.compress(raw.getvalue(), mtime=0))


def index(packed: list[Packed]) -> str:
    """As `helm repo index` writes it; URLs are relative."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for one in packed:
        more = {"urls": [one.file], "digest": hashlib.sha256(one.content).hexdigest(), "created": EPOCH}
        entries.setdefault(one.meta["name"], []).append({**one.meta, **more})
    return str(yaml.safe_dump({"apiVersion": "v1", "entries": entries, "generated": EPOCH}))


class ChartServer:
    """`url` is for `helm repo add`; `{url}/artifacts/namespaces/test.yaml` is the guide's namespace. `charts` lists the folders at each
    request."""

    def __init__(self, charts: Callable[[], Sequence[Path]] = product_charts, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._charts = charts
        self._server = Server(self._application, host, port)

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/index.yaml", self._index)
        application.router.add_get("/artifacts/namespaces/test.yaml", self._namespace)
        application.router.add_get("/{file:[^/]+\\.tgz}", self._chart)
        return application

    async def _index(self, _: web.Request) -> web.Response:
        return web.Response(text=index([pack(chart) for chart in self._charts()]), content_type="text/yaml")

    async def _namespace(self, _: web.Request) -> web.Response:
        return web.Response(text=(folder("repo-template") / "namespaces" / "test.yaml").read_text(), content_type="text/yaml")

    async def _chart(self, request: web.Request) -> web.Response:
        found = next((one for one in map(pack, self._charts()) if one.file == request.match_info["file"]), None)
        if found is None:
            raise web.HTTPNotFound(text=f"no chart {request.match_info['file']} here; /index.yaml lists them")
        return web.Response(body=found.content, content_type="application/gzip")
