"""Charts, Helm jobs and what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class ChartSource:
    """A Git repository (`git`, `ref`, `path`), or an HTTP(S) chart repository or oci:// (`repository`, `name`, `version`).

    `path` alone = a folder of the cluster repository itself."""

    git: str = ""
    ref: str = ""
    path: str = ""
    repository: str = ""
    name: str = ""
    version: str = ""
    skip_dependencies: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart on local disk, content-addressed: equal ids render alike. `revision` is the chart version or the Git commit."""

    id: str
    path: str
    revision: str


class Charts(Protocol):
    def fetch(self, source: ChartSource, *, namespace: str, secret: str = "") -> Chart:
        """Served from the cache when nothing moved; UserError names URL and ref when it cannot be had."""
        ...


@dataclass(frozen=True)
class HelmRevision:
    """One revision in Helm's storage."""

    number: int
    status: str
    chart: str
    values: Mapping[str, object] = field(hash=False)
    description: str = ""
    updated: str = ""


@dataclass(frozen=True)
class HelmJob:
    """One Helm action for a worker: `key` is namespace/name of the HelmRelease; `values` are complete."""

    key: str
    action: Literal["install", "upgrade", "rollback", "uninstall", "test", "history", "mark-failed"]
    release: str
    namespace: str
    chart: Chart | None = None
    values: Mapping[str, object] = field(default_factory=dict, hash=False)
    wait: bool = False
    timeout: float = 300.0
    max_history: int = 10
    options: Mapping[str, object] = field(default_factory=dict, hash=False)
    as_user: str = ""


@dataclass(frozen=True)
class HelmDone:
    """How a job ended: `ok`, Helm's sentence otherwise, and the revision it left (None = none)."""

    key: str
    action: str
    ok: bool
    message: str = ""
    revision: HelmRevision | None = None
    history: tuple[HelmRevision, ...] = ()


class Helm(Protocol):
    """Jobs run in child processes; the releases lane is woken with the key when one ends (rule H3)."""

    def start(self, job: HelmJob) -> bool:
        """False when a job of this key is running already."""
        ...

    def running(self, key: str) -> str:
        """The action under way for this key, or ""."""
        ...

    def done(self, key: str) -> HelmDone | None:
        """The ended job's outcome, handed out once."""
        ...
