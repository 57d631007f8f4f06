"""HTTP chart repositories: the index, the newest version that fits, the archive. No Git and no OCI."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_canary.adapters.helm.archives import ARCHIVE_LIMIT
from gitops_canary.adapters.helm.downloads import Downloads, Login, shown
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.semver_ranges import loose_version, parse_range

INDEX_LIMIT = 64 * 2**20
INDEX_SECONDS = 60.0
"""How long one index serves all releases of a repository."""


@dataclass(frozen=True)
class Found:
    """One chart of an index: where its archive is and what it must hash to ("" = not said)."""

    version: str
    url: str
    digest: str


class ChartRepositories:
    def __init__(self, downloads: Downloads, clock: Callable[[], float] = time.monotonic) -> None:
        self._downloads, self._clock = downloads, clock
        self._indexes: dict[tuple[str, Login | None], tuple[float, Mapping[str, Any]]] = {}

    def archive(self, repository: str, name: str, version: str, login: Login | None = None) -> tuple[str, bytes]:
        """Version and bytes of the newest chart that fits `version` (a version or a range, "" = any release)."""
        found = choose(self._index(repository, login), repository, name, version)
        data = self._downloads.get(found.url, limit=ARCHIVE_LIMIT, login=login, home=repository)
        if found.digest and hashlib.sha256(data).hexdigest() != found.digest.removeprefix("sha256:").lower():
            raise UserError(f"cannot use {shown(found.url)}: it is not what the index of {shown(repository)} promises (sha256 differs)")
        return found.version, data

    def _index(self, repository: str, login: Login | None) -> Mapping[str, Any]:
        known = self._indexes.get((repository, login))
        if known is not None and self._clock() - known[0] < INDEX_SECONDS:
            return known[1]
        url = repository.rstrip("/") + "/index.yaml"
        index = _parsed(self._downloads.get(url, limit=INDEX_LIMIT, login=login, home=repository), url)
        self._indexes[(repository, login)] = (self._clock(), index)
        return index


def choose(index: Mapping[str, Any], repository: str, name: str, version: str) -> Found:
    """As Helm: the newest version in the range; a pre-release only when the range names one; the exact text always."""
    entries = index.get("entries")
    rows = entries.get(name) if isinstance(entries, Mapping) else None
    rows = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    if not rows:
        raise UserError(f"cannot find chart {name} in {shown(repository)}: the index does not have it")
    exact = [row for row in rows if str(row.get("version")) == version]
    fits = parse_range(version or "*").fits
    known = [(found, row) for row in rows if (found := loose_version(str(row.get("version"))))]
    fitting = exact or [row for found, row in sorted(known, key=lambda pair: pair[0], reverse=True) if fits(found)]
    if not fitting:
        newest = ", ".join(str(row.get("version")) for row in rows[:5])
        raise UserError(f"cannot find chart {name} {version} in {shown(repository)}: it has {newest}")
    row = fitting[0]
    urls = row.get("urls")
    if not isinstance(urls, list) or not urls:
        raise UserError(f"cannot use chart {name} {row.get('version')} of {shown(repository)}: the index names no URL")
    return Found(str(row["version"]), urljoin(repository.rstrip("/") + "/", str(urls[0])), str(row.get("digest") or ""))


def _parsed(data: bytes, url: str) -> Mapping[str, Any]:
    try:
        index = YAML(typ="safe", pure=False).load(data)
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {shown(url)}: it is no YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(index, Mapping):
        raise UserError(f"cannot read {shown(url)}: it is no chart index")
    return index
