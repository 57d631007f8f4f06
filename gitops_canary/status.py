"""What the operator shows of itself: rows of the status page and samples of /metrics, from caches and lanes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gitops_canary import __version__
from gitops_canary.domain.canary.gauges import gauges
from gitops_canary.domain.canary.spec import CANARY
from gitops_canary.domain.links import commit_link, history_link
from gitops_canary.domain.resources import Ref
from gitops_canary.manifests.ledgers import ledger_path
from gitops_canary.operator import LaneView
from gitops_canary.ports import Clock, Cluster
from gitops_canary.settings import Settings
from gitops_canary.web.metrics import Sample


class Status:
    """Read at each request; `lanes`, `leads` and `synced` (the revision) answer from memory."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        clock: Clock,
        lanes: Callable[[], Sequence[LaneView]],
        leads: Callable[[], bool],
        synced: Callable[[], str] = str,
    ) -> None:
        self._settings, self._cluster, self._clock = settings, cluster, clock
        self._lanes, self._leads, self._synced = lanes, leads, synced

    def page(self) -> Mapping[str, Any]:
        """The document of `/` and `/api/v1/status`."""
        url, synced = self._settings.git_url, self._synced()
        return {
            "version": __version__,
            "cluster": self._settings.cluster_name,
            "leader": self._leads(),
            "repository": url,
            "revision": synced,
            "revision_link": commit_link(url, synced) if synced else "",
            "lanes": [asdict(lane) for lane in self._lanes()],
            "canaries": [self._row(doc) for doc in self._canaries()],
        }

    def samples(self) -> Iterator[Sample]:
        """Flagger's names beside ours."""
        yield Sample("flagger_info", 1.0, {"version": __version__, "mesh_provider": self._settings.mesh_provider}, "The running version.")
        yield Sample("gitops_canary_leader", float(self._leads()), {}, "Whether this process acts.")
        canaries = self._canaries()
        for one in gauges(canaries):
            yield Sample(one.name, one.value, one.labels)
        for doc in canaries:
            yield from _own(doc)
        for lane in self._lanes():
            if lane.ran_ago is not None:
                yield Sample("gitops_canary_lane_age_seconds", lane.ran_ago, {"lane": lane.name}, "Seconds since the lane's last turn.")

    def _canaries(self) -> Sequence[Mapping[str, Any]]:
        return self._cluster.list(*CANARY, self._settings.namespace)

    def _row(self, doc: Mapping[str, Any]) -> dict[str, Any]:
        status, meta = doc.get("status") or {}, doc["metadata"]
        conditions = status.get("conditions") or [{}]
        return {
            "namespace": meta["namespace"],
            "name": meta["name"],
            "phase": status.get("phase", ""),
            "weight": status.get("canaryWeight", 0),
            "why": status.get("says") or conditions[0].get("message", ""),
            "image": self._image(doc),
            "age": self._age(str(status.get("lastTransitionTime") or "")),
            "failed_checks": status.get("failedChecks", 0),
            "pending_results": len(status.get("pendingResults") or ()),
            "link": self._history(meta["namespace"], meta["name"]) if status.get("lastResult") or status.get("run") else "",
        }

    def _history(self, namespace: str, name: str) -> str:
        """The page of all its results."""
        path = ledger_path(self._settings.cluster_name, namespace, name)
        return history_link(self._settings.git_url, self._settings.git_branch, path)

    def _image(self, doc: Mapping[str, Any]) -> str:
        """What is analysed while a run goes on, else what serves."""
        run = (doc.get("status") or {}).get("run") or {}
        analysed = str((run.get("now") or {}).get("image", ""))
        if analysed:
            return analysed
        target = str(((doc.get("spec") or {}).get("targetRef") or {}).get("name", ""))
        primary = self._cluster.get(Ref("apps/v1", "Deployment", doc["metadata"]["namespace"], f"{target}-primary")) or {}
        containers = (((primary.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or [{}]
        return str(containers[0].get("image", ""))

    def _age(self, stamp: str) -> float | None:
        """Seconds since an RFC 3339 time."""
        if not stamp:
            return None
        return max(0.0, (self._clock.now().wall - datetime.fromisoformat(stamp.replace("Z", "+00:00"))).total_seconds())


def _own(doc: Mapping[str, Any]) -> Iterator[Sample]:
    """What Flagger has no figure for."""
    status, meta = doc.get("status") or {}, doc["metadata"]
    labels = {"name": str(meta["name"]), "namespace": str(meta["namespace"])}
    yield Sample("gitops_canary_failed_checks", float(status.get("failedChecks") or 0), labels, "Failed checks of the run.")
    yield Sample("gitops_canary_pending_results", float(len(status.get("pendingResults") or ())), labels, "Results that wait for Git.")
