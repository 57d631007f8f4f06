"""Charts in Git repositories, exported by tree id, so that a commit elsewhere in the repository renders nothing anew."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from gitops_canary.adapters.helm.downloads import Login
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.ports import ChartSource

FETCH_SECONDS = 30.0
"""How long one answer of a remote serves all releases with charts in it."""


class Exported(Protocol):
    """A folder of a commit on disk; equal ids mean equal contents."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def revision(self) -> str: ...


class Mirrored(Protocol):
    """The part of the Git adapter's mirror that charts need."""

    def fetch(self, ref: str) -> str: ...
    def export(self, revision: str, path: str) -> Exported: ...
    def close(self) -> None: ...


class OwnRepository(Protocol):
    """The cluster repository: its mirror, and the last known head, asked without network."""

    @property
    def mirror(self) -> Mirrored: ...
    def head(self) -> str | None: ...


class GitCharts:
    """`mirror` makes the mirror of a URL (an https URL carries its login as user info); `own` is None without a cluster repository."""

    def __init__(
        self, mirror: Callable[[str], Mirrored], own: OwnRepository | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make, self._own, self._clock = mirror, own, clock
        self._mirrors: dict[str, Mirrored] = {}
        self._heads: dict[tuple[str, str], tuple[float, str]] = {}

    def place(self, source: ChartSource, login: Login | None) -> tuple[Mirrored, str]:
        """The mirror and the commit that a source stands for now."""
        if not source.git:
            return self._own_place(source)
        url = with_login(source.git, login)
        mirror = self._mirrors.get(url) or self._mirrors.setdefault(url, self._make(url))
        known = self._heads.get((url, source.ref))
        if known is None or self._clock() - known[0] >= FETCH_SECONDS:
            known = (self._clock(), mirror.fetch(source.ref))
            self._heads[(url, source.ref)] = known
        return mirror, known[1]

    def close(self) -> None:
        """End the readers of the other repositories; the cluster repository's is its owner's."""
        for mirror in self._mirrors.values():
            mirror.close()
        self._mirrors.clear()

    def _own_place(self, source: ChartSource) -> tuple[Mirrored, str]:
        if self._own is None:
            raise UserError(
                f"cannot use chart {source.path}: it names no repository and there is no cluster repository", hint="add chart.git"
            )
        head = self._own.head()
        if head is None:
            raise Unavailable(f"cannot use chart {source.path}: the cluster repository has not been fetched yet")
        return self._own.mirror, head


def with_login(url: str, login: Login | None) -> str:
    """Only for https; ssh has keys."""
    parts = urlsplit(url)
    if login is None or parts.scheme not in ("http", "https") or parts.username:
        return url
    return parts._replace(netloc=f"{quote(login.username, safe='')}:{quote(login.password, safe='')}@{parts.netloc}").geturl()
