"""The operator's process on a stage: its pods, and what can happen to them: frozen, killed, restarted, more or fewer."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from gitops_canary.adapters.cluster.leadership import LEADER_LABEL
from gitops_canary.sandbox.world import NAMESPACE
from tests.conformance.product.onlooker import Onlooker
from tests.conformance.product.seen import Doc


class Operated(Onlooker):
    def operator_pods(self) -> list[Doc]:
        """Those that are not on their way out."""
        pods = self.world.cluster.list("v1", "Pod", NAMESPACE, {"app.kubernetes.io/name": "gitops-canary"})
        return [dict(pod) for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def pid(self, pod: Doc | None = None) -> int:
        """The process of that (or the only) operator pod."""
        uid = (pod or self.operator_pods()[0])["metadata"]["uid"].encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"run" in words and any(uid in word for word in words):
                    return int(folder.name)
        raise AssertionError(f"no process of pod {uid.decode()}")

    def helm_workers(self) -> dict[int, str]:
        """The processes, by id, that run Helm for the operator, each with its command line."""
        own, found = self.pid(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words, line = (folder / "stat").read_text().rpartition(")")[2].split(), (folder / "cmdline").read_text()
                if int(words[1]) == own and "adapters.helm.worker" in line:
                    found[int(folder.name)] = line
        return found

    @contextlib.contextmanager
    def freeze(self, pod: Doc | None = None, least: float = 0.0) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end, when it has been frozen for `least` seconds."""
        pid, thawed = self.pid(pod), time.monotonic() + least
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
            self.wait("the end of the frost", lambda: time.monotonic() >= thawed, patience=least + 1.0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill_operator(self) -> None:
        """SIGKILL, as the kernel out of memory does; the kubelet starts the container again in the same pod."""
        pod = self.operator_pods()[0]
        os.kill(self.pid(pod), signal.SIGKILL)

    def restart_operator(self) -> None:
        """`kubectl rollout restart`; returns when the new pod leads."""
        old = {pod["metadata"]["name"] for pod in self.operator_pods()}
        self.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/gitops-canary")
        self.wait("a new operator pod", lambda: [pod for pod in self.operator_pods() if pod["metadata"]["name"] not in old and ready(pod)])
        self.attach(but=old)

    def scale_operator(self, count: int) -> None:
        """Returns when so many are ready, no other is left, and, if there is one at all, one of them leads."""
        self.kubectl("-n", NAMESPACE, "scale", "deployment/gitops-canary", f"--replicas={count}")

        def settled() -> bool:
            pods = self.operator_pods()
            return (
                len(pods) == count
                and all(map(ready, pods))
                and (not count or any(LEADER_LABEL in pod["metadata"]["labels"] for pod in pods))
            )

        self.wait(f"{count} operators", settled)
        self.attach()

    def attach(self, but: frozenset[str] | set[str] = frozenset()) -> None:
        """Follow the operator's ready pods and lead the registry's webhook to the newest."""
        for pod in self.operator_pods():
            if ready(pod) and pod["metadata"]["name"] not in but:
                self.log.follow(pod["metadata"]["name"])
                self.registry.webhooks.clear()
                self.world.connect_webhooks(f"http://{pod['status']['podIP']}:8080")


def ready(pod: Doc) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
