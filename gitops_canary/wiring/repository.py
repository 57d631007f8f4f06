"""The Git side of an operator: transport, deploy key and the three managers that read or write the cluster repository."""

from collections.abc import Callable, Sequence
from pathlib import Path

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.git import GitRepository, Transport, identity_log
from gitops_canary.adapters.registry.images import OciRegistry, options_of
from gitops_canary.adapters.registry.pull_secrets import ClusterPullSecrets, used_by
from gitops_canary.managers.applier import Applier
from gitops_canary.managers.canaries.rules import Knows
from gitops_canary.managers.images import ImagesManager
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.managers.release_refusal import held_by_release
from gitops_canary.managers.results import ResultsManager
from gitops_canary.managers.sync import SyncManager
from gitops_canary.manifests.tree import ParseCache
from gitops_canary.ports import Log, Notifier
from gitops_canary.settings import Settings
from gitops_canary.web.figures import PrometheusFigures
from gitops_canary.wiring.deploy_key import deploy_key
from gitops_canary.wiring.rules import applier_user, git_options, image_rules, loader, own_namespace, result_rules, sync_rules


class GitSide:
    """Without a `--git-url` there is a transport for charts in Git and nothing else (rule G11)."""

    def __init__(self, settings: Settings, state: Path, cluster: KubernetesCluster, guard: Callable[[], None], log: Log) -> None:
        self.settings, self.cluster, self.log = settings, cluster, log
        self.namespace = own_namespace(settings)
        self.transport = Transport(git_options(settings, state))
        self.repository = GitRepository(settings.git_url, settings.git_branch, self.transport, gate=guard) if settings.git_url else None
        self.sync: SyncManager | None = None
        self.images: ImagesManager | None = None
        self.results: ResultsManager | None = None

    def manage(self, notifier: Notifier, figures: PrometheusFigures) -> Sequence[SyncManager | ImagesManager]:
        """The managers that read the repository; `results` goes after the canaries, whose outcomes it commits."""
        if self.repository is None:
            self.log.info("There is no --git-url: results stay in status and Events")
            return ()
        load = loader(self.settings, ParseCache())
        self.sync = SyncManager(
            self.repository,
            self.cluster,
            load,
            InventoryStore(self.cluster, self.namespace),
            Applier(self.cluster, applier_user(self.settings)),
            sync_rules(self.settings),
            self.log,
            prepare=self._use_key,
        )
        registry = OciRegistry(
            options_of(self.settings), ClusterPullSecrets(self.cluster, lambda name: used_by(self.sync.placed() if self.sync else (), name))
        )
        self.images = ImagesManager(self.repository, registry, self.cluster, load, image_rules(self.settings), self.log, figures)
        self.results = ResultsManager(self.repository, self.cluster, load, notifier, result_rules(self.settings), self.log)
        return self.sync, self.images

    def knows(self) -> Knows:
        """What the canaries manager asks of Git: commits of its results, images in files; and which Helm release holds a workload."""
        held = held_by_release(self.cluster)
        return Knows(held=held) if self.results is None else Knows(self.results.recorded_number, self.results.file_image, held)

    def retried(self, key: str, number: int) -> bool:
        return self.results is not None and self.results.retried(key, number)

    def _use_key(self) -> None:
        """Load the deploy key, or make it, and log its public half once; asked before every look until it may write."""
        if self.repository is None or not self.repository.mirror.remote.is_ssh:
            return
        key = deploy_key(self.settings, self.cluster)
        if key != self.transport.key:
            self.transport.use_key(key)
            sentence = f"Add this deploy key with write access to {self.repository.url}: {key.fingerprint}"
            self.log.info(sentence, **identity_log(key.public))

    def close(self) -> None:
        """After everything that fetches charts over the transport."""
        self.transport.close()
        if self.repository is not None:
            self.repository.close()
