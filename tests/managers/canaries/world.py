"""A small world in virtual time: one namespace, its canaries, the manager, and everything around it in memory."""

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.canary.spec import Alert
from gitops_canary.domain.errors import Unavailable
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.managers.canaries.manager import CanaryManager, Ports
from gitops_canary.managers.canaries.rules import CanaryRules, Knows
from gitops_canary.operator import Operator
from gitops_canary.ports import Notice
from tests.memory.checks import Judge, MemoryChecks, all_good
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster
from tests.memory.controllers import Controllers
from tests.memory.faults import Faults

OLD, NEW, NEWER = "podinfo:3.1.0", "podinfo:3.1.1", "podinfo:3.1.2"


class Lines:
    """A log that keeps its sentences."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, event: str, **keys: object) -> None:
        self.said.append(event)

    warning = error = info


class Notices:
    """Receivers that take everything at once; `away` ones take nothing, and nobody is configured when `nobody` is set."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.sent: list[Notice] = []
        self.faults = faults or Faults()
        self.away = self.nobody = False
        self.delivered: Callable[[str], object] = lambda id_: None

    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        return not self.nobody

    def send(self, notice: Notice) -> None:
        if self.away:
            return
        # A lost reply is the real notifier's own to try again.
        with contextlib.suppress(Unavailable), self.faults.effect(f"notify {notice.id}"):
            self.sent.append(notice)
        self.delivered(notice.id)


def canary_doc(name: str = "frontend", **changes: Any) -> Doc:
    """The seed's Canary; `analysis`, `service` and other spec fields are merged in."""
    analysis = {
        "interval": "15s",
        "threshold": 10,
        "maxWeight": 50,
        "stepWeight": 5,
        "metrics": [
            {"name": "request-success-rate", "threshold": 99, "interval": "1m"},
            {"name": "request-duration", "threshold": 500, "interval": "30s"},
        ],
    }
    service = {
        "port": 9898,
        "targetPort": "http",
        "portDiscovery": True,
        "gateways": ["public-gateway.istio-system"],
        "hosts": ["app.test"],
    }
    spec: Doc = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "progressDeadlineSeconds": 600,
        "service": {**service, **changes.pop("service", {})},
        "analysis": {**analysis, **changes.pop("analysis", {})},
        **changes,
    }
    spec["analysis"] = {key: value for key, value in spec["analysis"].items() if value is not None}
    return {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name, "namespace": "test"}, "spec": spec}


def deployment(name: str = "frontend", image: str = OLD, replicas: int | None = 2, config: str = "") -> Doc:
    container = {"name": "podinfo", "image": image, "ports": [{"name": "http", "containerPort": 9898}]}
    pod: Doc = {"containers": [container]}
    if config:
        pod["volumes"] = [{"name": "config", "configMap": {"name": config}}]
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    spec: Doc = {"selector": {"matchLabels": {"app": name}}, "template": template, "progressDeadlineSeconds": 600}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "test"}, "spec": spec}


def scaler(name: str = "frontend", least: int = 2, most: int = 4) -> Doc:
    spec = {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}
    meta = {"name": name, "namespace": "test"}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


def config_map(name: str = "frontend", **data: str) -> Doc:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "test"}, "data": data}


@dataclass
class World:
    """`settle` lets everybody work without time passing; `run_for` lets it pass, from one thing that is due to the next."""

    rules: CanaryRules = field(default_factory=CanaryRules)
    judge: Judge = all_good
    knows: Knows = field(default_factory=Knows)
    name: str = "frontend"
    faults: Faults = field(default_factory=Faults)
    clock: VirtualClock = field(default_factory=VirtualClock)
    recording: bool = True
    """Results are committed at once: the pending ones go to `recorded`."""
    recorded: list[Doc] = field(default_factory=list)
    never_rests: bool = False

    def __post_init__(self) -> None:
        self.cluster = MemoryCluster(self.faults, clock=self.clock)
        self.controllers = Controllers(self.cluster)
        self.checks = MemoryChecks(self.judge)
        self.notices = Notices(self.faults)
        self.log = Lines()
        self.cluster.subscribe(self._changed)
        self.restart()

    def restart(self) -> None:
        """A new process: only the cluster, Git and the time remain."""
        self.checks.crash()
        self.checks.judge = lambda ask: self.judge(ask)
        ports = Ports(self.cluster, self.checks, self.notices, self.log)
        self.manager = CanaryManager(ports, self.rules, self.knows)
        self.operator = Operator([self.manager], self.clock, self.log)
        self.notices.delivered = lambda id_: self.operator.wake("canaries", self.manager.delivered(id_))
        self.checks.wake = lambda owner: self.operator.wake("canaries", owner)

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        if hasattr(self, "operator"):
            for key in self.manager.keys_of(kind, namespace, name):
                self.operator.wake("canaries", key)

    # ------------------------------------------------------------ time

    def settle(self) -> None:
        for _ in range(100):
            self.operator.settle()
            moved = bool(self.checks.deliver()) | self.controllers.step(self.clock.now())
            with contextlib.suppress(Unavailable):
                moved |= self.recording and self._record()
            if not moved and not self.operator.settle():
                return
        raise AssertionError("the world does not come to rest")

    def run_for(self, seconds: float) -> None:
        end = self.clock.seconds + seconds
        self.settle()
        while self.clock.seconds < end:
            due = self.operator.next_due()
            step = end if due is None else min(end, max(due, self.clock.seconds + 0.001))
            self.clock.seconds = step
            self.settle()

    def until(self, *phases: str, limit: float = 3600.0) -> None:
        """Let time pass until the canary is in one of these phases."""
        self.settle()
        end = self.clock.seconds + limit
        while self.phase not in phases:
            assert self.clock.seconds < end, f"still {self.phase}: {self.cluster.story()[-5:]}"
            self.clock.seconds = self.operator.next_due() or end
            self.settle()

    def ticks(self, count: int = 1) -> None:
        """So many intervals of the analysis."""
        self.run_for(count * 15.0)

    def _record(self) -> bool:
        """What the results manager does: commit, then take out of the status."""
        moved = False
        for doc in self.cluster.list("flagger.app/v1beta1", "Canary"):
            pending = (doc.get("status") or {}).get("pendingResults") or []
            if pending:
                known = {(one["namespace"], one["canary"], one["number"]) for one in self.recorded}
                self.recorded += [one for one in pending if (one["namespace"], one["canary"], one["number"]) not in known]
                ref = Ref("flagger.app/v1beta1", "Canary", "test", doc["metadata"]["name"])
                self.cluster.patch(ref, {"status": {"pendingResults": []}}, subresource="status")
                moved = True
        return moved

    # ------------------------------------------------------------ what happens to it

    def initialised(self, *docs: Doc) -> "World":
        """Put the objects there and let the canary initialise."""
        self.cluster.put(*(copy.deepcopy(doc) for doc in docs or (deployment(self.name), canary_doc(self.name))))
        self.until("Initialized")
        return self

    def deploy(self, image: str, **annotations: str) -> None:
        self.upgrade(image, **annotations)
        self.settle()

    def upgrade(self, image: str, **annotations: str) -> None:
        """Somebody changes the target's image, as Helm would: the replicas are not touched."""
        target = self.cluster.whole(self.target)
        template = copy.deepcopy(target["spec"]["template"])
        template["spec"]["containers"][0]["image"] = image
        if annotations:
            template["metadata"]["annotations"] = annotations
        self.cluster.change(self.target, {"spec": {"template": template}})

    # ------------------------------------------------------------ what is seen of it

    @property
    def target(self) -> Ref:
        return Ref("apps/v1", "Deployment", "test", self.name)

    @property
    def primary(self) -> Ref:
        return Ref("apps/v1", "Deployment", "test", f"{self.name}-primary")

    @property
    def canary(self) -> Ref:
        return Ref("flagger.app/v1beta1", "Canary", "test", self.name)

    @property
    def status(self) -> Doc:
        status: Doc = self.cluster.whole(self.canary).get("status") or {}
        return status

    @property
    def phase(self) -> str:
        return str(self.status.get("phase") or "")

    def image(self, ref: Ref) -> str:
        return str(self.cluster.whole(ref)["spec"]["template"]["spec"]["containers"][0]["image"])

    def replicas(self, ref: Ref) -> int:
        return int(self.cluster.whole(ref)["spec"].get("replicas", 1))

    def split(self) -> tuple[int, int]:
        """(primary, canary) of the VirtualService."""
        doc = self.cluster.whole(Ref("networking.istio.io/v1beta1", "VirtualService", "test", self.name))
        first, second = doc["spec"]["http"][0]["route"]
        return first["weight"], second["weight"]

    def end(self) -> dict[str, Any]:
        """What must be the same however a run was interrupted."""
        return {
            "phase": self.phase,
            "split": self.split(),
            "target": (self.image(self.target), self.replicas(self.target)),
            "primary": self.image(self.primary),
            "results": [(one["number"], one["outcome"]) for one in self.recorded],
            "pending": len(self.status.get("pendingResults") or ()),
            "weight": self.status.get("canaryWeight"),
        }

    def since(self, before: int) -> list[str]:
        return self.cluster.story()[before:]


Situation = Callable[[], World]
