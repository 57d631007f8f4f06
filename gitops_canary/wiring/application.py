"""Everything one operator process holds and how it lives: what is started, who is woken by a change, what is closed at the end."""

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from gitops_canary.adapters.alert_providers import ProviderNotifier, told_to
from gitops_canary.adapters.checks import HttpChecks
from gitops_canary.adapters.clock import SystemClock
from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.cluster.leadership import LeaseLeadership
from gitops_canary.adapters.notify import HttpNotifier, targets_of
from gitops_canary.adapters.provider_health import ProviderHealth
from gitops_canary.adapters.serving import listen_address
from gitops_canary.domain.helmrelease import GROUPS, KIND
from gitops_canary.managers.canaries.manager import CanaryManager, Ports
from gitops_canary.managers.canaries.rules import OBSERVED
from gitops_canary.managers.release_status import PREFIX as RELEASE
from gitops_canary.managers.sync import OBJECT
from gitops_canary.operator import AlwaysLeader, Leadership, Operator
from gitops_canary.ports import Log, Manager
from gitops_canary.settings import Settings
from gitops_canary.status import Status
from gitops_canary.web.figures import PrometheusFigures
from gitops_canary.web.metrics import Sample
from gitops_canary.web.server import WebhookSecrets, WebServer
from gitops_canary.wiring.releases import HelmSide
from gitops_canary.wiring.repository import GitSide
from gitops_canary.wiring.rules import canary_rules, own_namespace

RELEASED = tuple((group, KIND) for group in GROUPS)


class Application:
    """Everything one process holds; `run` until `stop` or until the lease is lost."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.settings, self.log, self.clock = settings, log, SystemClock()
        self.connection = connect(settings.kubeconfig)
        self.leadership = self._leadership()
        self._state = tempfile.TemporaryDirectory(prefix="gitops-canary-") if not settings.state_dir else None
        self.state = Path(settings.state_dir or (self._state.name if self._state else ""))
        guard = self.leadership.guard if isinstance(self.leadership, LeaseLeadership) else _nothing
        self.cluster = KubernetesCluster(self.connection, log, observed=(*OBSERVED, *RELEASED), namespace=settings.namespace, guard=guard)
        self.git = GitSide(settings, self.state, self.cluster, guard, log)
        self.figures = PrometheusFigures()
        health = ProviderHealth(self.cluster, self.clock, log)
        self._receivers = HttpNotifier(targets_of(settings), log, on_outcome=told_to(health), on_done=self._delivered)
        self.notifier = ProviderNotifier(self._receivers, self.cluster, health, log)
        self.checks = HttpChecks(lambda key: self.wake("canaries", key))
        self.helm = HelmSide(
            settings, self.state, self.git, self.notifier, log, holder=self._holder, done=lambda key: self.wake("releases", key)
        )
        first = self.git.manage(self.notifier, self.figures)
        self.canaries = self._canary_manager()
        last: Sequence[Manager] = (self.git.results,) if self.git.results is not None else ()
        self.operator = Operator([*first, self.helm.manager, self.canaries, *last], self.clock, log, self.leadership)
        self._watching = False
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
            self._watching = True
            self.operator.run()
        finally:
            self._close()

    def stop(self) -> None:
        self.operator.stop()

    def wake(self, lane: str, key: str = "") -> None:
        self.operator.wake(lane, key)

    def _close(self) -> None:
        for end in (self.web.stop, self.helm.close, self.checks.close, self.notifier.close, self._receivers.close, self.cluster.close):
            end()
        self.git.close()
        if self._state is not None:
            self._state.cleanup()

    # ------------------------------------------------------------ wakes

    def _delivered(self, id_: str) -> None:
        """A notice has reached everybody: whoever it is about takes it out of its status."""
        if id_.startswith(RELEASE):
            self.helm.manager.delivered(id_)
            self.wake("releases")
        else:
            self.wake("canaries", self.canaries.delivered(id_))

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        """A watched object changed: wake whom it concerns; cheap, it runs on the watch's thread."""
        for key in self.canaries.keys_of(kind, namespace, name):
            self.wake("canaries", key)
            if kind == "Canary":
                self.wake("results", key)
        if kind == KIND:
            self.wake("releases", f"{namespace}/{name}")
        elif kind in ("ConfigMap", "Secret"):
            self.wake("releases")
        where = f"{namespace}/" if namespace else ""
        self.wake("sync", f"{OBJECT}{kind} {where}{name}")

    # ------------------------------------------------------------ parts

    def _leadership(self) -> Leadership:
        if not self.settings.enable_leader_election:
            return AlwaysLeader()
        pod = os.environ.get("POD_NAME", "")
        identity = f"{pod or socket.gethostname()}_{uuid4().hex[:8]}"
        return LeaseLeadership(self.connection, self.clock, self.log, namespace=own_namespace(self.settings), identity=identity, pod=pod)

    def _holder(self) -> str:
        if not isinstance(self.leadership, LeaseLeadership):
            return "gitops-canary#0"
        return "{}#{}".format(*self.leadership.term)

    def _canary_manager(self) -> CanaryManager:
        # Alerts about results wait a little for their commit's link (rule G1).
        notifier = self.notifier if self.git.results is None else self.git.results.notices
        ports = Ports(self.cluster, self.checks, notifier, self.log, self.figures)
        return CanaryManager(ports, canary_rules(self.settings), self.git.knows())

    def _leads(self) -> bool:
        return self.leadership.leads(self.clock.now())

    def _synced(self) -> str:
        return self.git.sync.state.synced if self.git.sync is not None else ""

    def _queues(self) -> Iterator[Sample]:
        """What waits, and whether the cluster is what Git says."""
        yield Sample("gitops_canary_notices_waiting", float(self._receivers.waiting()), {}, "Notices that wait for their receivers.")
        if self.git.sync is not None:
            state = self.git.sync.state
            yield Sample("gitops_canary_sync_behind", float(state.head != state.synced), {}, "Whether the synced revision is not the head.")
            yield Sample("gitops_canary_sync_skipped", float(len(state.skipped)), {}, "Objects of the repository that were left out.")

    def _web(self) -> WebServer:
        host, port = listen_address(self.settings.listen)
        status = Status(self.settings, self.cluster, self.clock, self.operator.view, self._leads, self._synced)
        return WebServer(
            host,
            port,
            wake=self.wake,
            status=status.page,
            samples=lambda: (*status.samples(), *self.figures.samples(), *self._queues()),
            log=self.log,
            secrets=WebhookSecrets(self.settings.webhook_secret_dir),
            alive=self.operator.alive,
            ready=lambda: self._watching,
            is_leader=self._leads,
            aliases={address: host for host, _, address in (pair.partition("=") for pair in self.settings.registry_mirror)},
        )


def build(settings: Settings, log: Log) -> Application:
    """UserError names the setting or file that keeps the operator from being put together."""
    return Application(settings, log)


def _nothing() -> None:
    return None
