"""The Helm adapter put together as wiring does: the worker pool and the chart sources."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitops_canary.adapters.exchange import Exchange
from gitops_canary.adapters.helm.archives import ChartCache
from gitops_canary.adapters.helm.charts import ChartSources, OutsideValues
from gitops_canary.adapters.helm.child import Child
from gitops_canary.adapters.helm.downloads import Downloads
from gitops_canary.adapters.helm.git_charts import GitCharts, Mirrored, OwnRepository
from gitops_canary.adapters.helm.logins import SecretLogins
from gitops_canary.adapters.helm.oci import OciCharts
from gitops_canary.adapters.helm.pool import HelmPool
from gitops_canary.adapters.helm.repositories import ChartRepositories
from gitops_canary.adapters.helm.storage import ReleaseRecords
from gitops_canary.ports import Cluster, Log


@dataclass(frozen=True)
class HelmParts:
    """What wiring hands on: `pool` is ports.Helm, `charts` ports.Charts, `outside` goes to managers.release_values."""

    pool: HelmPool
    charts: ChartSources
    outside: OutsideValues
    git: GitCharts

    def close(self) -> None:
        self.pool.close()
        self.git.close()


def assemble(
    *,
    state: Path,
    kubeconfig: str,
    cluster: Cluster,
    mirror: Callable[[str], Mirrored],
    own: OwnRepository | None,
    wake: Callable[[str], None],
    log: Log,
    workers: int = 2,
    plain_http: tuple[str, ...] = (),
) -> HelmParts:
    """`state`: folder for caches. `kubeconfig` "" = in-cluster or Helm's usual search. `mirror` makes a Git mirror of a URL; `own` is the
    cluster repository. `wake` gets a job's key when it ended. `plain_http`: registries without TLS."""

    def child() -> Child:
        return Child(state / "helm", kubeconfig=kubeconfig, backend="sdk")

    downloads = Downloads(Exchange())
    git = GitCharts(mirror, own)
    charts = ChartSources(
        ChartCache(state / "charts"), git, ChartRepositories(downloads), OciCharts(child, plain_http), SecretLogins(cluster)
    )
    pool = HelmPool(child, ReleaseRecords(cluster), wake, log, workers=workers)
    return HelmParts(pool, charts, OutsideValues(downloads), git)
