"""The Charts port: a chart from Git, an HTTP repository or an OCI registry, with its dependencies, on local disk under its content's id."""

import hashlib
import posixpath
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gitops_canary.adapters.helm.archives import ChartCache
from gitops_canary.adapters.helm.downloads import Downloads, Login
from gitops_canary.adapters.helm.git_charts import GitCharts, Mirrored
from gitops_canary.domain.errors import UserError
from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.ports import Chart, ChartSource

VALUES_LIMIT = 2**20
DEPTH_LIMIT = 8


class Archives(Protocol):
    """A place that charts are pulled from as archives: version and bytes."""

    def archive(self, repository: str, name: str, version: str, login: Login | None = None) -> tuple[str, bytes]: ...


class Logins(Protocol):
    def of(self, namespace: str, name: str, url: str) -> Login | None: ...


class ChartSources:
    """Implements ports.Charts."""

    def __init__(self, cache: ChartCache, git: GitCharts, http: Archives, oci: Archives, logins: Logins) -> None:
        self._cache, self._git, self._http, self._oci, self._logins = cache, git, http, oci, logins

    def fetch(self, source: ChartSource, *, namespace: str, secret: str = "") -> Chart:
        login = self._logins.of(namespace, secret, source.git or source.repository)
        if source.repository:
            content_id, version, path = self._pulled(source.repository, source.name, source.version, login)
            return Chart(content_id, str(path), version)
        mirror, revision = self._git.place(source, login)
        content_id, path = self._exported(mirror, revision, source.path, source.skip_dependencies, DEPTH_LIMIT)
        return Chart(content_id, str(path), revision)

    def _pulled(self, repository: str, name: str, version: str, login: Login | None) -> tuple[str, str, Path]:
        place = self._oci if repository.startswith("oci://") else self._http
        found, data = place.archive(repository, name, version, login)
        content_id, path = self._cache.unpacked(data, f"chart {name} {found} of {repository}")
        return content_id, found, path

    def _exported(self, mirror: Mirrored, revision: str, path: str, bare: bool, depth: int) -> tuple[str, Path]:
        """The folder as it is, or a copy with its dependencies in `charts/`."""
        exported = mirror.export(revision, posixpath.normpath(path))
        wanted = [] if bare else missing_dependencies(exported.path, f"chart {path} at {revision[:10]}")
        if not wanted:
            return exported.id, exported.path
        if depth == 0:
            raise UserError(f"cannot use chart {path}: its dependencies are nested more than {DEPTH_LIMIT} deep")
        parts = [(one, *self._dependency(mirror, revision, path, one, depth)) for one in wanted]
        name = hashlib.sha256("\n".join([exported.id, *(content_id for _, content_id, _ in parts)]).encode()).hexdigest()

        def fill(into: Path) -> None:
            shutil.copytree(exported.path, into / "chart")
            for one, _, folder in parts:
                shutil.copytree(folder, into / "chart" / "charts" / str(one["name"]))

        return name, self._cache.keep(name, fill) / "chart"

    def _dependency(self, mirror: Mirrored, revision: str, path: str, one: Mapping[str, Any], depth: int) -> tuple[str, Path]:
        repository, name = str(one.get("repository") or ""), str(one.get("name") or "")
        if repository.startswith("file://"):
            below = posixpath.normpath(posixpath.join(path, repository.removeprefix("file://")))
            if below.startswith(("..", "/")):
                raise UserError(f"cannot use chart {path}: its dependency {name} ({repository}) leaves the repository")
            return self._exported(mirror, revision, below, False, depth - 1)
        if not repository.startswith(("https://", "http://", "oci://")):
            raise UserError(f"cannot use chart {path}: its dependency {name} has no usable repository ({repository or 'none'})")
        content_id, _, folder = self._pulled(repository, name, str(one.get("version") or ""), None)
        return content_id, folder


def missing_dependencies(chart: Path, what: str) -> list[Mapping[str, Any]]:
    """What Chart.yaml (or the older requirements.yaml) asks for and `charts/` does not hold."""
    found: list[Mapping[str, Any]] = []
    for name in ("Chart.yaml", "requirements.yaml"):
        asked = _mapping(chart / name, what).get("dependencies")
        found += [one for one in asked if isinstance(one, Mapping)] if isinstance(asked, list) else []
    if any("/" in str(one.get("name")) or not one.get("name") for one in found):
        raise UserError(f"cannot use {what}: it has a dependency without a usable name")
    there = {path.name for path in (chart / "charts").glob("*")}
    return [one for one in found if one["name"] not in there and not any(file.startswith(f"{one['name']}-") for file in there)]


def _mapping(file: Path, what: str) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        values = [document.value for document in documents(decode(file.read_bytes()))]
    except Unreadable as error:
        raise UserError(f"cannot read {file.name}:{error.line} of {what}: {error}") from error
    return values[0] if values and isinstance(values[0], Mapping) else {}


class OutsideValues:
    """Values that lie in a chart's files or behind a URL (what managers.release_values asks for)."""

    def __init__(self, downloads: Downloads, read: Callable[[Path], bytes] = Path.read_bytes) -> None:
        self._downloads, self._read = downloads, read

    def fetch(self, url: str) -> bytes:
        return self._downloads.get(url, limit=VALUES_LIMIT)

    def chart_file(self, chart: Chart, path: str) -> bytes:
        root = Path(chart.path).resolve()
        file = (root / path).resolve()
        if not path or root not in file.parents:
            raise UserError(f"cannot read {path!r} of the chart: it leads out of it")
        if not file.is_file():
            raise UserError(f"cannot read {path} of the chart: there is no such file")
        if file.stat().st_size > VALUES_LIMIT:
            raise UserError(f"cannot read {path} of the chart: it is larger than {VALUES_LIMIT:,} bytes")
        return self._read(file)
