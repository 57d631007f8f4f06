"""The Helm side of an operator: the workers, the sources of charts and the manager of HelmReleases."""

import os
from collections.abc import Callable
from pathlib import Path

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.exchange import Exchange
from gitops_canary.adapters.git import Mirror
from gitops_canary.adapters.helm.archives import ChartCache
from gitops_canary.adapters.helm.charts import ChartSources, OutsideValues
from gitops_canary.adapters.helm.child import Child
from gitops_canary.adapters.helm.downloads import Downloads
from gitops_canary.adapters.helm.git_charts import GitCharts
from gitops_canary.adapters.helm.logins import SecretLogins
from gitops_canary.adapters.helm.oci import OciCharts
from gitops_canary.adapters.helm.pool import HelmPool
from gitops_canary.adapters.helm.repositories import ChartRepositories
from gitops_canary.adapters.helm.storage import ReleaseRecords
from gitops_canary.managers.release_charts import ReleaseCharts
from gitops_canary.managers.release_life import ReleaseRules
from gitops_canary.managers.release_refusal import refusal_by_canaries
from gitops_canary.managers.release_status import ReleaseStatus
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.managers.releases import ReleasesManager
from gitops_canary.ports import Log, Notifier
from gitops_canary.settings import Settings
from gitops_canary.wiring.repository import GitSide
from gitops_canary.wiring.rules import applier_user


class HelmSide:
    """`holder` names this term of leadership; `done(key)` is called when a worker has finished a release."""

    def __init__(
        self,
        settings: Settings,
        state: Path,
        git: GitSide,
        notifier: Notifier,
        log: Log,
        *,
        holder: Callable[[], str],
        done: Callable[[str], None],
    ) -> None:
        self.settings, self.state = settings, state
        cluster = git.cluster
        downloads = Downloads(Exchange())
        self._git_charts = GitCharts(lambda url: Mirror(url, git.transport), git.repository)
        self.pool = HelmPool(self._child, ReleaseRecords(cluster), done, log, workers=settings.helm_workers)
        self.manager = ReleasesManager(
            cluster,
            ReleaseCharts(self._charts(cluster, downloads), interval=settings.charts_sync_interval, default_ref=settings.git_default_ref),
            self.pool,
            ReleaseValues(cluster, OutsideValues(downloads)),
            ReleaseStatus(cluster, notifier, log),
            ReleaseRules(namespace=settings.namespace, applier=applier_user(settings)),
            log,
            holder=holder,
            refusal=refusal_by_canaries(cluster, git.retried),
        )

    def _charts(self, cluster: KubernetesCluster, downloads: Downloads) -> ChartSources:
        kept = ChartCache(self.state / "charts")
        return ChartSources(kept, self._git_charts, ChartRepositories(downloads), OciCharts(self._child), SecretLogins(cluster))

    def _child(self) -> Child:
        home = self.state / "helm"
        home.mkdir(parents=True, exist_ok=True)
        kubeconfig = self.settings.kubeconfig or os.environ.get("KUBECONFIG", "")
        return Child(home, kubeconfig=kubeconfig, backend=os.environ.get("HELM_BIN", "") or "sdk")

    def close(self) -> None:
        self.pool.close()
        self._git_charts.close()
