"""A pool of long-lived child processes that run Helm: queueing, time limits, crashes. What to run is the releases manager's."""

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from gitops_canary.adapters.helm.child import Child, Crashed, TimedOut
from gitops_canary.adapters.helm.messages import Reply, done_of, work_of
from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.ports import HelmDone, HelmJob, Log

GRACE = 30.0
"""Seconds a job may take beyond the time limit that Helm itself keeps, before it is cancelled."""
WAITS = {"install": 3, "upgrade": 3, "rollback": 3, "uninstall": 2, "test": 1}
"""How often an action may wait for Helm's time limit in a row: hooks before, the objects, hooks after."""


class Storage(Protocol):
    """Edits Helm's records where Helm itself has no verb for it."""

    def mark_failed(self, job: HelmJob) -> Reply: ...


class HelmPool:
    """Implements ports.Helm. `make` starts a worker process; `wake` is called with a job's key when it ended, from a pool thread."""

    def __init__(
        self,
        make: Callable[[], Child],
        storage: Storage,
        wake: Callable[[str], None],
        log: Log,
        *,
        workers: int = 2,
        grace: float = GRACE,
    ) -> None:
        self._make, self._storage, self._wake, self._log, self._grace = make, storage, wake, log, grace
        self._jobs: queue.Queue[HelmJob | None] = queue.Queue()
        self._running: dict[str, str] = {}
        self._done: dict[str, HelmDone] = {}
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, name=f"helm-{number}", daemon=True) for number in range(workers)]
        for thread in self._threads:
            thread.start()

    def start(self, job: HelmJob) -> bool:
        with self._lock:
            if job.key in self._running or self._closed:
                return False
            self._running[job.key] = job.action
            self._done.pop(job.key, None)
        self._jobs.put(job)
        return True

    def running(self, key: str) -> str:
        with self._lock:
            return self._running.get(key, "")

    def done(self, key: str) -> HelmDone | None:
        with self._lock:
            return self._done.pop(key, None)

    def close(self, within: float = 5.0) -> None:
        """End the workers; jobs under way are cancelled (Helm marks their revision failed) and given `within` seconds for it."""
        with self._lock:
            self._closed = True
            children = tuple(self._children)
        for child in children:
            child.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(within / len(self._threads))
        for child in children:
            child.kill()

    def _serve(self) -> None:
        """One thread a worker. The process is started for the first job and again after a crash."""
        child: Child | None = None
        while (job := self._jobs.get()) is not None and not self._closed:
            try:
                if child is None:
                    child = self._make()
                    self._children.add(child)
                reply, healthy = self._run(child, job)
                done = done_of(job, reply)
            except (GitopsCanaryError, OSError) as error:
                done, healthy = _failed(job, str(error)), False
            except Exception as error:  # a reply that nobody can read must not take the thread and every later job along
                self._log.error(f"Helm worker ended: {job.action} of release {job.release} failed", exc_info=True)
                done, healthy = _failed(job, f"the worker's reply cannot be read ({type(error).__name__})"), False
            if not healthy and child is not None:
                child.kill()
                self._children.discard(child)
                child = None
            self._finish(job, done)
        if child is not None:
            child.kill()

    def _run(self, child: Child, job: HelmJob) -> tuple[Reply, bool]:
        """The reply, and whether the worker may go on."""
        if job.action == "mark-failed":
            return self._storage.mark_failed(job), True
        limit = job.timeout * WAITS.get(job.action, 1) + self._grace
        name = f"{job.action} of release {job.release} in {job.namespace}"
        try:
            return child.ask(work_of(job), limit), True
        except TimedOut:
            self._log.error(f"Helm worker killed: {name} did not end within {limit:.0f} s", release=job.release, namespace=job.namespace)
            return Reply(False, f"cannot finish helm {name}: it did not end within {limit:.0f} s and its worker was killed"), False
        except Crashed as crash:
            self._log.error(f"Helm worker died during {name}: {crash}", release=job.release, namespace=job.namespace)
            return Reply(False, f"cannot finish helm {name}: the worker died ({crash})"), False

    def _finish(self, job: HelmJob, done: HelmDone) -> None:
        with self._lock:
            self._running.pop(job.key, None)
            self._done[job.key] = done
        self._wake(job.key)


def _failed(job: HelmJob, why: str) -> HelmDone:
    return done_of(job, Reply(False, f"cannot run helm {job.action} for {job.release}: {why}"))
