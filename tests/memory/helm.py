"""The Charts and Helm ports in memory: charts are callables, releases are stored revisions, jobs run at once or when a test says so."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.domain.releases_values import merge_values
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.ports import Chart, ChartSource, HelmDone, HelmJob, HelmRevision
from tests.memory.cluster import MemoryCluster
from tests.memory.faults import Faults

Render = Callable[[Mapping[str, Any], str, str], list[Doc]]
"""(values, release, namespace) -> objects; a ValueError is a chart that does not render."""


def config_map(values: Mapping[str, Any], release: str, namespace: str) -> list[Doc]:
    """The smallest chart: a ConfigMap of the values."""
    data = {str(key): str(value) for key, value in values.items()}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{release}-settings"}, "data": data}]


def template_chart(name: str) -> Render:
    """A chart of repo-template, rendered by Helm itself; its tests are left out."""
    from tests.repo_template.charts import render

    def rendered(values: Mapping[str, Any], release: str, namespace: str) -> list[Doc]:
        docs = render(name, values, release, namespace).values()
        return [doc for doc in docs if "helm.sh/hook" not in (doc["metadata"].get("annotations") or {})]

    return rendered


class MemoryCharts:
    """Charts by path (or name); `publish` again with another version = the source moved."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.fetched: list[ChartSource] = []
        self.renders: dict[str, Render] = {}
        self._newest: dict[str, Chart] = {}

    def publish(self, name: str, render: Render = config_map, version: str = "1.0.0") -> Chart:
        chart = Chart(f"{name}@{version}", f"/charts/{name}-{version}", version)
        self.renders[chart.id] = render
        self._newest[name] = chart
        return chart

    def fetch(self, source: ChartSource, *, namespace: str, secret: str = "") -> Chart:
        self.faults.reach(f"charts: fetch {source.path or source.name}")
        self.fetched.append(source)
        name = source.path or source.name
        if name not in self._newest:
            raise UserError(f"cannot fetch chart {name}: there is no such chart")
        return self._newest[name]


@dataclass
class Release:
    """What Helm's storage holds of one release; it survives a crash."""

    revisions: list[HelmRevision] = field(default_factory=list)
    objects: dict[int, list[Doc]] = field(default_factory=dict)


class MemoryHelm:
    """`wake(key)` is called when a job ended. With `instant` jobs run inside `start`; otherwise `work` runs them.

    An upgrade is two effects ("begin", "finish"): a crash between them leaves the release pending. `tests`: what `helm test` says.
    """

    def __init__(
        self,
        cluster: MemoryCluster,
        charts: MemoryCharts,
        wake: Callable[[str], None] = lambda key: None,
        *,
        faults: Faults | None = None,
        instant: bool = True,
    ) -> None:
        self.cluster, self.charts, self.wake, self.instant = cluster, charts, wake, instant
        self.faults = faults or cluster.faults
        self.releases: dict[tuple[str, str], Release] = {}
        self.jobs: list[HelmJob] = []
        self.tests: Callable[[HelmJob], bool] = lambda job: True
        self._queue: dict[str, HelmJob] = {}
        self._done: dict[str, HelmDone] = {}

    def start(self, job: HelmJob) -> bool:
        if job.key in self._queue:
            return False
        self._done.pop(job.key, None)
        self._queue[job.key] = job
        if self.instant:
            self.work()
        return True

    def running(self, key: str) -> str:
        return self._queue[key].action if key in self._queue else ""

    def done(self, key: str) -> HelmDone | None:
        return self._done.pop(key, None)

    def work(self) -> int:
        """Run what was started; returns how many jobs ended."""
        jobs = list(self._queue.values())
        for job in jobs:
            self._done[job.key] = self._run(job)
            self._queue.pop(job.key, None)
            self.wake(job.key)
        return len(jobs)

    def crash(self) -> None:
        """The process died: its workers and their outcomes with it. Helm's storage stays."""
        self._queue.clear()
        self._done.clear()

    def history(self, name: str, namespace: str = "test") -> list[tuple[int, str]]:
        found = self.releases.get((namespace, name), Release())
        return [(one.number, one.status) for one in found.revisions]

    # ------------------------------------------------------------ inside

    def _run(self, job: HelmJob) -> HelmDone:
        self.jobs.append(job)
        stored = self.releases.setdefault((job.namespace, job.release), Release())
        try:
            ok, message = getattr(self, "_" + job.action.replace("-", "_"))(job, stored)
        except Unavailable as lost:
            return HelmDone(job.key, job.action, False, f"the worker died ({lost})")
        history = tuple(stored.revisions)
        return HelmDone(job.key, job.action, ok, message, history[-1] if history else None, history)

    def _history(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        self.faults.reach(f"helm: history {job.release}")
        return True, ""

    def _install(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        if any(one.status != "uninstalled" for one in stored.revisions):
            return False, "cannot reuse a name that is still in use"
        return self._deploy(job, stored, "pending-install")

    def _upgrade(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        if not stored.revisions:
            return False, f'"{job.release}" has no deployed releases'
        if stored.revisions[-1].status.startswith("pending-"):
            return False, "another operation (install/upgrade/rollback) is in progress"
        return self._deploy(job, stored, "pending-upgrade")

    def _deploy(self, job: HelmJob, stored: Release, pending: str) -> tuple[bool, str]:
        assert job.chart is not None
        values = dict(job.values)
        if job.options.get("reuse_values") and stored.revisions:
            values = merge_values([stored.revisions[-1].values, values])
        try:
            objects = self.charts.renders[job.chart.id](values, job.release, job.namespace)
        except Exception as error:
            return False, f"execution error: {error}"
        number = stored.revisions[-1].number + 1 if stored.revisions else 1
        with self.faults.effect(f"helm: begin {job.action} {job.release} revision {number}"):
            stored.revisions.append(HelmRevision(number, pending, job.chart.id, values))
            stored.objects[number] = [_labelled(doc, job) for doc in objects]
        return self._finish(job, stored, f"helm: finish {job.action} {job.release} revision {number}")

    def _finish(self, job: HelmJob, stored: Release, effect: str) -> tuple[bool, str]:
        number = stored.revisions[-1].number
        broken = ""
        with self.faults.effect(effect):
            try:
                self._place(stored, number)
            except UserError as error:
                broken = str(error)
            status = "failed" if broken else "deployed"
            older = [replace(one, status="superseded") if one.status == "deployed" and not broken else one for one in stored.revisions[:-1]]
            stored.revisions[:] = [*older, replace(stored.revisions[-1], status=status)]
            if job.max_history:
                del stored.revisions[: -job.max_history]
        return not broken, broken

    def _place(self, stored: Release, number: int) -> None:
        wanted = stored.objects[number]
        names = {ref_of(doc).identity for doc in wanted}
        with _unseen(self.cluster):
            for doc in wanted:
                self.cluster.apply(doc, manager="helm")
            for older in [doc for at, docs in stored.objects.items() if at < number for doc in docs]:
                ref = ref_of(older)
                if ref.identity not in names and ref.identity in self.cluster.objects:
                    self.cluster.remove(ref)

    def _rollback(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        to = int(str(job.options.get("version") or 0)) or stored.revisions[-2].number
        target = next(one for one in stored.revisions if one.number == to)
        number = stored.revisions[-1].number + 1
        with self.faults.effect(f"helm: begin rollback {job.release} revision {number}"):
            stored.revisions.append(replace(target, number=number, status="pending-rollback"))
            stored.objects[number] = stored.objects[to]
        return self._finish(job, stored, f"helm: finish rollback {job.release} revision {number}")

    def _uninstall(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        with self.faults.effect(f"helm: uninstall {job.release}"), _unseen(self.cluster):
            for doc in [doc for docs in stored.objects.values() for doc in docs]:
                if ref_of(doc).identity in self.cluster.objects:
                    self.cluster.remove(ref_of(doc))
            stored.revisions.clear()
            stored.objects.clear()
        return True, ""

    def _test(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        passed = self.tests(job)
        return passed, "" if passed else "pod test failed"

    def _mark_failed(self, job: HelmJob, stored: Release) -> tuple[bool, str]:
        number = int(str(job.options["version"]))
        with self.faults.effect(f"helm: mark {job.release} revision {number} failed"):
            stored.revisions[:] = [
                replace(one, status="failed") if one.number == number and one.status.startswith("pending-") else one
                for one in stored.revisions
            ]
        return True, ""


@contextmanager
def _unseen(cluster: MemoryCluster) -> Iterator[None]:
    """Helm's own requests are neither the operator's effects nor its requests."""
    faults, count = cluster.faults, len(cluster.requests)
    cluster.faults = Faults()
    try:
        yield
    finally:
        cluster.faults = faults
        del cluster.requests[count:]


def _labelled(doc: Doc, job: HelmJob) -> Doc:
    meta = {**doc["metadata"], "namespace": doc["metadata"].get("namespace") or job.namespace}
    meta["annotations"] = {
        **(meta.get("annotations") or {}),
        "meta.helm.sh/release-name": job.release,
        "meta.helm.sh/release-namespace": job.namespace,
    }
    meta["labels"] = {**(meta.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    return {**doc, "metadata": meta}
