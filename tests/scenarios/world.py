"""The whole thread in virtual time: all managers as wiring joins them; only Git, the cluster and Helm's storage outlive a restart."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from gitops_canary.domain.errors import Unavailable
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.managers.applier import Applier
from gitops_canary.managers.canaries.manager import CanaryManager, Ports
from gitops_canary.managers.canaries.rules import CanaryRules, Knows
from gitops_canary.managers.images import ImageRules, ImagesManager
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.managers.release_charts import ReleaseCharts
from gitops_canary.managers.release_life import ReleaseRules
from gitops_canary.managers.release_refusal import held_by_release, refusal_by_canaries
from gitops_canary.managers.release_status import PREFIX, ReleaseStatus
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.managers.releases import ReleasesManager
from gitops_canary.managers.results import ResultRules, ResultsManager
from gitops_canary.managers.sync import OBJECT, SyncManager, SyncRules
from gitops_canary.manifests.tree import ParseCache, read_tree
from gitops_canary.operator import Operator
from gitops_canary.ports import Chart
from tests.managers.canaries.world import Lines, Notices, canary_doc, deployment
from tests.managers.gitops_world import FRONTEND, PODINFO, release
from tests.memory.checks import Judge, MemoryChecks, all_good
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster
from tests.memory.controllers import Controllers
from tests.memory.faults import Faults
from tests.memory.helm import MemoryCharts, MemoryHelm
from tests.memory.registry import MemoryRegistry
from tests.memory.repository import MemoryRepository

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: test\n"


class NothingOutside:
    def fetch(self, url: str) -> bytes:
        raise Unavailable(f"cannot fetch {url}: this world has no outside")

    def chart_file(self, chart: Chart, path: str) -> bytes:
        raise Unavailable(f"cannot read {path}: this world has no chart files")


def chart(values: Mapping[str, Any], name: str, namespace: str) -> list[Doc]:
    """A Deployment and its Canary, as our podinfo chart makes them; `broken: true` does not render."""
    if values.get("broken"):
        raise ValueError("execution error at (podinfo/templates/deployment.yaml:1): broken on purpose")
    target = deployment(name, f"{values['image']['repository']}:{values['image']['tag']}", None)
    message = values.get("message")
    if message:
        target["spec"]["template"]["metadata"]["annotations"] = {"message": message}
    return [target, canary_doc(name, analysis={"interval": "15s", "threshold": 2, "stepWeight": 25, "maxWeight": 50})]


class World:
    """`drive` lets everything happen until nothing is due for `quiet` minutes of virtual time."""

    def __init__(self, files: Mapping[str, str] | None = None, judge: Judge = all_good) -> None:
        self.faults, self.clock = Faults(), VirtualClock()
        given = files or {"namespaces/test.yaml": NAMESPACE, FRONTEND: release()}
        self.repository = MemoryRepository(dict(given), self.faults, lambda: self.clock.now().wall)
        self.registry = MemoryRegistry(self.faults)
        self.registry.push(PODINFO, "3.1.0")
        self.cluster = MemoryCluster(self.faults, clock=self.clock)
        self.controllers = Controllers(self.cluster)
        self.charts = MemoryCharts(self.faults)
        self.charts.publish("charts/podinfo", chart)
        self.helm = MemoryHelm(self.cluster, self.charts, lambda key: self.operator.wake("releases", key))
        self.judge = judge
        self.log, self.notices = Lines(), Notices(self.faults)
        self.cluster.subscribe(self._changed)
        self.restart()

    def restart(self) -> None:
        """A new process on what lasts."""
        self.helm.crash()
        self.checks = MemoryChecks(lambda ask: self.judge(ask), lambda owner: self.operator.wake("canaries", owner))
        cache = ParseCache()
        load = lambda tree: read_tree(tree, (), cache)  # noqa: E731
        self.repository.restart()
        store, applier = InventoryStore(self.cluster, "gitops-canary"), Applier(self.cluster)
        rules = SyncRules(poll_interval=60, interval=300, retry=5)
        self.sync = SyncManager(self.repository, self.cluster, load, store, applier, rules, self.log)
        self.results = ResultsManager(self.repository, self.cluster, load, self.notices, ResultRules(), self.log)
        images = ImagesManager(self.repository, self.registry, self.cluster, load, ImageRules(poll_interval=120), self.log)
        self.releases = ReleasesManager(
            self.cluster,
            ReleaseCharts(self.charts),
            self.helm,
            ReleaseValues(self.cluster, NothingOutside()),
            ReleaseStatus(self.cluster, self.notices, self.log),
            ReleaseRules(),
            self.log,
            refusal=refusal_by_canaries(self.cluster),
        )
        knows = Knows(self.results.recorded_number, self.results.file_image, held_by_release(self.cluster))
        self.canaries = CanaryManager(Ports(self.cluster, self.checks, self.results.notices, self.log), CanaryRules(), knows)
        self.notices.delivered = self._delivered
        self.operator = Operator([self.sync, images, self.releases, self.canaries, self.results], self.clock, self.log)

    def _delivered(self, id_: str) -> None:
        """As wiring passes on what receivers have taken."""
        if id_.startswith(PREFIX):
            self.releases.delivered(id_)
            self.operator.wake("releases")
        else:
            self.operator.wake("canaries", self.canaries.delivered(id_))

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        """As wiring passes the cache's changes on."""
        if not hasattr(self, "operator"):
            return
        for key in self.canaries.keys_of(kind, namespace, name):
            self.operator.wake("canaries", key)
            if kind == "Canary":
                self.operator.wake("results", key)
        if kind == "HelmRelease":
            self.operator.wake("releases", f"{namespace}/{name}")
        self.operator.wake("sync", f"{OBJECT}{kind} {namespace}/{name}")

    # ------------------------------------------------------------ time

    def settle(self) -> None:
        """Everybody works until nobody has anything to do, without time passing."""
        for _ in range(200):
            turns = self.operator.settle()
            moved = bool(self.checks.deliver()) | self.controllers.step(self.clock.now())
            if not turns and not moved:
                return
        raise AssertionError("the world does not come to rest: " + "; ".join(lane.says for lane in self.operator.view()))

    def run_for(self, minutes: float) -> None:
        """Time passes from one thing that is due to the next."""
        end = self.clock.seconds + minutes * 60
        while self.clock.seconds < end:
            self.settle()
            due = self.operator.next_due()
            self.clock.seconds = min(end, max(due or end, self.clock.seconds + 1.0))
        self.settle()

    def run_until(self, reached: Callable[[], bool]) -> None:
        """Time passes second by second until `reached`."""
        for _ in range(3600):
            self.operator.settle()
            if reached():
                return
            self.checks.deliver()
            self.controllers.step(self.clock.now())
            self.clock.seconds += 1.0
        raise AssertionError(f"never reached within an hour; the canary is {self.status().get('phase')}")

    def drive(self) -> None:
        self.run_for(12)

    # ------------------------------------------------------------ looking

    def push_tag(self, tag: str) -> None:
        self.registry.push(PODINFO, tag)
        self.operator.wake("images", PODINFO)

    def subjects(self) -> list[str]:
        """The repository's subjects, oldest first."""
        return list(reversed(self.repository.log()))

    def file_tag(self) -> str:
        text = self.repository.text(FRONTEND)
        return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.strip().startswith("tag:"))

    def status(self, name: str = "frontend") -> dict[str, Any]:
        found = self.cluster.live(Ref("flagger.app/v1beta1", "Canary", "test", name)) or {}
        return dict(found.get("status") or {})

    def image_of(self, name: str) -> str:
        found = self.cluster.live(Ref("apps/v1", "Deployment", "test", name)) or {}
        with contextlib.suppress(KeyError, IndexError):
            return str(found["spec"]["template"]["spec"]["containers"][0]["image"])
        return ""

    def replicas_of(self, name: str) -> int:
        found = self.cluster.live(Ref("apps/v1", "Deployment", "test", name)) or {"spec": {}}
        return int(found["spec"].get("replicas", 1))

    def said(self, words: str) -> bool:
        return any(words in sentence for sentence in self.log.said)

    def end(self) -> Any:
        """What must be the same however often the process died."""
        results = [subject for subject in self.subjects() if not subject.startswith("Start")]
        return {
            "commits": results,
            "file": self.file_tag(),
            "primary": self.image_of("frontend-primary"),
            "replicas": self.replicas_of("frontend-primary"),
            "notices": (sorted({one.id for one in self.notices.sent if one.id.startswith("test.")}), self.status().get("notices") or []),
            "phase": self.status().get("phase"),
            "pending": self.status().get("pendingResults") or [],
            "weight": self.status().get("canaryWeight"),
        }
