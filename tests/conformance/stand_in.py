"""A stand-in for node and scheduler: the least that real controllers need to see their pods run, and end."""

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import urllib3

from tests.conformance.client import Api, Doc


class StandIn:
    """Pods of the namespace become ready (or what `decide` says: "ready", "waiting", "Succeeded", "Failed") until it is closed."""

    def __init__(self, api: Api) -> None:
        self.decide: Callable[[Doc], str] = lambda pod: "ready"
        self._api = Api(api.kubeconfig, api.ns, api.sandbox)
        self._writer = Api(api.kubeconfig, api.ns, api.sandbox)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._api.close()
        self._writer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, KeyError):
                for event in self._api.watch("pods", 1):
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._serve(event["object"])
                    if self._stop.is_set():
                        return

    def _serve(self, pod: Doc) -> None:
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            self._writer.delete("pods", name, {"gracePeriodSeconds": 0})
            return
        verdict = self.decide(pod)
        if verdict == "waiting" or pod["status"].get("phase") in (("Running",) if verdict == "ready" else (verdict,)):
            return
        self._writer.patch("pods", name, {"status": _status(pod, verdict)}, "application/strategic-merge-patch+json", "status")


def _status(pod: Doc, verdict: str) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = "True" if verdict == "ready" else "False"
    conditions = [{"type": name, "status": ready, "lastTransitionTime": now} for name in ("Initialized", "Ready", "ContainersReady")]
    state: Doc = {"running": {"startedAt": now}}
    if verdict != "ready":
        state = {"terminated": {"exitCode": int(verdict == "Failed"), "reason": verdict, "startedAt": now, "finishedAt": now}}
    containers = [
        {"name": one["name"], "image": one["image"], "imageID": "", "ready": verdict == "ready", "restartCount": 0, "state": state}
        for one in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running" if verdict == "ready" else verdict,
        "podIP": "10.1.2.3",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": containers,
    }
