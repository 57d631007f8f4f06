"""Settings to a running operator with real adapters: the only place that knows everybody; it decides nothing."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from gitops_canary.adapters.alert_providers import ProviderNotifier
from gitops_canary.adapters.checks import HttpChecks
from gitops_canary.adapters.clock import SystemClock
from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.adapters.cluster.leadership import LeaseLeadership
from gitops_canary.adapters.exchange import Exchange
from gitops_canary.adapters.git import GitRepository, KeyStore, Mirror, Transport, ensure_key, identity_log
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
from gitops_canary.adapters.notify import HttpNotifier, targets_of
from gitops_canary.adapters.registry.images import OciRegistry, options_of
from gitops_canary.adapters.registry.pull_secrets import ClusterPullSecrets, Use
from gitops_canary.adapters.secrets import SecretKeyStore
from gitops_canary.adapters.serving import listen_address
from gitops_canary.domain.automation import image_keys
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import GROUPS, KIND
from gitops_canary.domain.images import parse_image
from gitops_canary.domain.resources import Resource
from gitops_canary.managers.applier import Applier
from gitops_canary.managers.canaries.manager import CanaryManager, Ports
from gitops_canary.managers.canaries.rules import OBSERVED, Knows
from gitops_canary.managers.images import ImagesManager
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.managers.reading import Reader
from gitops_canary.managers.release_charts import ReleaseCharts
from gitops_canary.managers.release_refusal import held_by_release, refusal_by_canaries
from gitops_canary.managers.release_status import ReleaseStatus
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.managers.releases import ReleaseRules, ReleasesManager
from gitops_canary.managers.results import ResultsManager
from gitops_canary.managers.retrying import retry_edit
from gitops_canary.managers.sync import OBJECT, SyncManager
from gitops_canary.manifests.tree import Loaded, ParseCache, read_tree
from gitops_canary.operator import AlwaysLeader, Leadership, Operator
from gitops_canary.ports import Edit, Log, Manager, Notifier, Tree
from gitops_canary.settings import Settings
from gitops_canary.status import Status
from gitops_canary.web.figures import PrometheusFigures
from gitops_canary.web.metrics import Sample
from gitops_canary.web.server import WebhookSecrets, WebServer
from gitops_canary.wiring_rules import applier_user, canary_rules, git_options, image_rules, own_namespace, result_rules, sync_rules

RELEASED = tuple((group, KIND) for group in GROUPS)


class Application:
    """Everything one process holds; `run` until `stop` or until the lease is lost."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.settings, self.log, self.clock = settings, log, SystemClock()
        self.namespace = own_namespace(settings)
        self.connection = connect(settings.kubeconfig)
        self.leadership = self._leadership()
        self._state = tempfile.TemporaryDirectory(prefix="gitops-canary-") if not settings.state_dir else None
        self.state = Path(settings.state_dir or (self._state.name if self._state else ""))
        guard = self.leadership.guard if isinstance(self.leadership, LeaseLeadership) else _nothing
        self.cluster = KubernetesCluster(self.connection, log, observed=(*OBSERVED, *RELEASED), namespace=settings.namespace, guard=guard)
        self.transport = Transport(git_options(settings, self.state))
        self.repository = GitRepository(settings.git_url, settings.git_branch, self.transport, gate=guard) if settings.git_url else None
        self.figures = PrometheusFigures()
        self._receivers = HttpNotifier(targets_of(settings), log, on_done=self._delivered)
        self.notifier = ProviderNotifier(self._receivers, self.cluster, log)
        self.checks = HttpChecks(lambda key: self.wake("canaries", key))
        self.helm = HelmPool(
            self._helm_child, ReleaseRecords(self.cluster), lambda key: self.wake("releases", key), log, workers=settings.helm_workers
        )
        self.registry = OciRegistry(options_of(settings), ClusterPullSecrets(self.cluster, self._uses))
        self.sync: SyncManager | None = None
        self.results: ResultsManager | None = None
        self.canaries: CanaryManager | None = None
        self.releases: ReleasesManager | None = None
        self.operator = Operator(self._managers(), self.clock, log, self.leadership)
        self.web = self._web()

    # ------------------------------------------------------------ life

    def run(self) -> None:
        """Watches first, then lanes; everything is closed at the end."""
        self.cluster.subscribe(self._changed)
        self.web.start()
        try:
            missing = self.cluster.start()
            if missing:
                self.log.warning(f"These kinds cannot be watched yet: {', '.join(missing)}", hint="kubectl apply -k deploy/crds")
            self.operator.run()
        finally:
            self._close()

    def stop(self) -> None:
        self.operator.stop()

    def wake(self, lane: str, key: str = "") -> None:
        self.operator.wake(lane, key)

    def _close(self) -> None:
        for end in self._ends():
            end()
        if self.repository is not None:
            self.repository.close()
        if self._state is not None:
            self._state.cleanup()

    def _ends(self) -> Sequence[Callable[[], None]]:
        notices = (self.notifier.close, self._receivers.close)
        return (
            self.web.stop,
            self.helm.close,
            self.checks.close,
            *notices,
            self._git_charts.close,
            self.cluster.close,
            self.transport.close,
        )

    def _delivered(self, id_: str) -> None:
        """A notice has reached everybody: its canary, if it is one's, takes it out of its status."""
        if self.canaries is not None:
            self.wake("canaries", self.canaries.delivered(id_))

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        """A watched object changed: wake whom it concerns; cheap, it runs on the watch's thread."""
        if self.canaries is not None:
            for key in self.canaries.keys_of(kind, namespace, name):
                self.wake("canaries", key)
                if kind == "Canary":
                    self.wake("results", key)
        if kind == KIND:
            self.wake("releases", f"{namespace}/{name}")
        elif kind in ("ConfigMap", "Secret"):
            self.wake("releases")
        if self.sync is not None:
            where = f"{namespace}/" if namespace else ""
            self.wake("sync", f"{OBJECT}{kind} {where}{name}")

    # ------------------------------------------------------------ parts

    def _leadership(self) -> Leadership:
        if not self.settings.enable_leader_election:
            return AlwaysLeader()
        pod = os.environ.get("POD_NAME", "")
        identity = f"{pod or socket.gethostname()}_{uuid4().hex[:8]}"
        return LeaseLeadership(self.connection, self.clock, self.log, namespace=self.namespace, identity=identity, pod=pod)

    def _helm_child(self) -> Child:
        home = self.state / "helm"
        home.mkdir(parents=True, exist_ok=True)
        return Child(
            home, kubeconfig=self.settings.kubeconfig or os.environ.get("KUBECONFIG", ""), backend=os.environ.get("HELM_BIN", "") or "sdk"
        )

    def _managers(self) -> Sequence[Manager]:
        """Without a cluster repository only canaries and releases are looked after (rule G11)."""
        self.releases = self._releases_manager()
        if self.repository is None:
            self.log.info("There is no --git-url: results stay in status and Events")
            self.canaries = self._canary_manager(self.notifier)
            return [self.releases, self.canaries]
        load = _loader(self.settings, ParseCache())
        self.sync = self._sync_manager(self.repository, load)
        self.results = ResultsManager(self.repository, self.cluster, load, self.notifier, result_rules(self.settings), self.log)
        images = ImagesManager(self.repository, self.registry, self.cluster, load, image_rules(self.settings), self.log, self.figures)
        # Alerts about results wait a little for their commit's link (rule G1).
        self.canaries = self._canary_manager(self.results.notices)
        return [self.sync, images, self.releases, self.canaries, self.results]

    def _sync_manager(self, repository: GitRepository, load: Callable[[Tree], Loaded]) -> SyncManager:
        store = InventoryStore(self.cluster, self.namespace)
        applier = Applier(self.cluster, applier_user(self.settings))
        return SyncManager(repository, self.cluster, load, store, applier, sync_rules(self.settings), self.log, prepare=self._use_key)

    def _use_key(self) -> None:
        """Load the deploy key, or make it, and log its public half once; asked before every look until it may write."""
        if self.repository is None or not self.repository.mirror.remote.is_ssh:
            return
        where = f"Secret {self.namespace}/{self.settings.git_secret_name}"
        key = ensure_key(SecretKeyStore(self.cluster, self.namespace, self.settings.git_secret_name), where=where)
        if key != self.transport.key:
            self.transport.use_key(key)
            sentence = f"Add this deploy key with write access to {self.repository.url}: {key.fingerprint}"
            self.log.info(sentence, **identity_log(key.public))

    def _releases_manager(self) -> ReleasesManager:
        downloads = Downloads(Exchange())
        self._git_charts = GitCharts(lambda url: Mirror(url, self.transport), self.repository)
        charts = ChartSources(
            ChartCache(self.state / "charts"),
            self._git_charts,
            ChartRepositories(downloads),
            OciCharts(self._helm_child),
            SecretLogins(self.cluster),
        )
        rules = ReleaseRules(namespace=self.settings.namespace, applier=applier_user(self.settings))
        return ReleasesManager(
            self.cluster,
            ReleaseCharts(charts, interval=self.settings.charts_sync_interval, default_ref=self.settings.git_default_ref),
            self.helm,
            ReleaseValues(self.cluster, OutsideValues(downloads)),
            ReleaseStatus(self.cluster, self.notifier, self.log),
            rules,
            self.log,
            holder=self._holder,
            refusal=refusal_by_canaries(self.cluster, self._retried),
        )

    def _holder(self) -> str:
        if not isinstance(self.leadership, LeaseLeadership):
            return "gitops-canary#0"
        return "{}#{}".format(*self.leadership.term)

    def _canary_manager(self, notifier: Notifier) -> CanaryManager:
        held = held_by_release(self.cluster)
        knows = Knows(held=held) if self.repository is None else Knows(self._recorded_number, self._file_image, held)
        ports = Ports(self.cluster, self.checks, notifier, self.log, self.figures)
        return CanaryManager(ports, canary_rules(self.settings), knows)

    def _queues(self) -> Iterator[Sample]:
        """What waits, and whether the cluster is what Git says."""
        yield Sample("gitops_canary_notices_waiting", float(self._receivers.waiting()), {}, "Notices that wait for their receivers.")
        if self.sync is not None:
            state = self.sync.state
            yield Sample("gitops_canary_sync_behind", float(state.head != state.synced), {}, "Whether the synced revision is not the head.")
            yield Sample("gitops_canary_sync_skipped", float(len(state.skipped)), {}, "Objects of the repository that were left out.")

    def _uses(self, name: str) -> list[Use]:
        """Where the repository's manifests use an image: whose pull secrets may open its registry."""
        wanted = parse_image(name).canonical
        resources = self.sync.placed() if self.sync is not None else ()
        return [_use(one) for one in resources if any(key.image.canonical == wanted for key in image_keys(one))]

    def _recorded_number(self, key: str) -> int | None:
        return self.results.recorded_number(key) if self.results is not None else None

    def _retried(self, key: str, number: int) -> bool:
        return self.results is not None and self.results.retried(key, number)

    def _file_image(self, key: str, container: str) -> str | None:
        return self.results.file_image(key, container) if self.results is not None else None

    def _web(self) -> WebServer:
        host, port = listen_address(self.settings.listen)
        status = Status(
            self.settings, self.cluster, self.clock, lambda: self.operator.view(), lambda: self.leadership.leads(self.clock.now())
        )
        return WebServer(
            host,
            port,
            wake=self.wake,
            status=status.page,
            samples=lambda: (*status.samples(), *self.figures.samples(), *self._queues()),
            log=self.log,
            secrets=WebhookSecrets(self.settings.webhook_secret_dir),
            alive=lambda: self.operator.alive(),
            is_leader=lambda: self.leadership.leads(self.clock.now()),
            aliases={address: host for host, _, address in (pair.partition("=") for pair in self.settings.registry_mirror)},
        )


def build(settings: Settings, log: Log) -> Application:
    """UserError names the setting or file that keeps the operator from being put together."""
    return Application(settings, log)


@contextmanager
def key_store_of(settings: Settings) -> Iterator[KeyStore]:
    """The deploy key's Secret, for a command that is not the operator."""
    connection: Connection = connect(settings.kubeconfig)
    from gitops_canary.adapters.log import make_log

    cluster = KubernetesCluster(connection, make_log("error"))
    try:
        yield SecretKeyStore(cluster, own_namespace(settings), settings.git_secret_name)
    finally:
        cluster.close()


def _loader(settings: Settings, cache: ParseCache) -> Callable[[Tree], Loaded]:
    return lambda tree: read_tree(tree, settings.git_path, cache)


@contextmanager
def repository_of(settings: Settings, state: Path) -> Iterator[tuple[GitRepository, Callable[[str, str, str], Edit]]]:
    """The cluster repository with the operator's deploy key, for a command that commits, and its `retry` edit."""
    if not settings.git_url:
        raise UserError("cannot reach the cluster repository: there is no --git-url")
    transport = Transport(git_options(settings, state))
    repository = GitRepository(settings.git_url, settings.git_branch, transport)
    reader = Reader(_loader(settings, ParseCache()), settings.cluster_name, settings.k8s_default_namespace)
    try:
        if repository.mirror.remote.is_ssh:
            with key_store_of(settings) as store:
                transport.use_key(ensure_key(store, where=f"Secret {settings.git_secret_name}"))
        yield repository, lambda namespace, name, tag: retry_edit(reader, namespace, name, tag)
    finally:
        repository.close()
        transport.close()


def _use(resource: Resource) -> Use:
    """A workload names account and secrets in its pod template; a release's pods run under its namespace's default account."""
    template: Any = ((resource.doc.get("spec") or {}).get("template") or {}).get("spec") or {}
    secrets = tuple(str(one.get("name")) for one in template.get("imagePullSecrets") or ())
    return Use(resource.ref.namespace, str(template.get("serviceAccountName") or "default"), secrets)


def _nothing() -> None:
    return None
