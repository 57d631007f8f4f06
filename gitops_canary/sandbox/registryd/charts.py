"""A Helm chart repository over HTTP: `index.yaml` and one archive a chart, packed from a folder of charts."""

import gzip
import hashlib
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from ruamel.yaml import YAML

from gitops_canary.adapters.serving import Server
from gitops_canary.domain.errors import UserError


class ChartServer:
    """Serves every chart below `folder` (a chart is a folder with a Chart.yaml), read anew at each request, as `helm repo add` expects."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._folder = folder
        self._server = Server(self._application, host, port)
        self._since = datetime.now(UTC)

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/index.yaml", self._index)
        app.router.add_get("/charts/{file}", self._archive)
        return app

    async def _index(self, request: web.Request) -> web.Response:
        del request
        out = io.StringIO()
        YAML(typ="safe").dump(index_of(self._folder, self._since), out)
        return web.Response(text=out.getvalue(), content_type="application/yaml")

    async def _archive(self, request: web.Request) -> web.Response:
        for chart in charts_in(self._folder):
            about = about_chart(chart)
            if request.match_info["file"] == file_name(about):
                return web.Response(body=packed(chart, str(about["name"])), content_type="application/gzip")
        raise web.HTTPNotFound(text=f"no chart {request.match_info['file']} in this repository")


def index_of(folder: Path, created: datetime) -> dict[str, Any]:
    """The repository's index with one version of each chart; URLs are relative to it."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in charts_in(folder):
        about = about_chart(chart)
        digest = hashlib.sha256(packed(chart, str(about["name"]))).hexdigest()
        row = {**about, "created": created.isoformat(), "digest": digest, "urls": [f"charts/{file_name(about)}"]}
        entries.setdefault(str(about["name"]), []).append(row)
    return {"apiVersion": "v1", "entries": entries, "generated": created.isoformat()}


def charts_in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/Chart.yaml"))


def about_chart(chart: Path) -> dict[str, Any]:
    """Chart.yaml as a mapping; UserError when name or version is missing."""
    about = YAML(typ="safe").load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    if not isinstance(about, dict) or not about.get("name") or not about.get("version"):
        raise UserError(f"cannot serve chart {chart}: its Chart.yaml has no name or no version")
    return about


def file_name(about: dict[str, Any]) -> str:
    return f"{about['name']}-{about['version']}.tgz"


def packed(chart: Path, name: str) -> bytes:
    """The chart as `helm package` would archive it; equal folders give equal bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path in sorted(chart.rglob("*")):
            if path.is_file() and not path.is_symlink():
                entry = tarfile.TarInfo(f"{name}/{path.relative_to(chart).as_posix()}")
                content = path.read_bytes()
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)
