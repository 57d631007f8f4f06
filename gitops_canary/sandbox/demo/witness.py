"""The witness: a process of its own that watches pods, routes and Git while the story runs, and judges it at the end by evidence alone.

`python -m gitops_canary.sandbox.demo.witness ARGUMENTS.json`; it ends when its standard input does, prints its findings as JSON and exits
with 0 only when there is no doubt. It asks the cluster, the pods and the bare repository; it never asks the operator.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.resources import Ref
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.sandbox.demo.evidence import Commit, Expected, Plateau, Scene, doubts
from gitops_canary.sandbox.world import CANARY_PATH, PODINFO

EVERY = 0.2
"""Seconds between two looks."""
COUNTER = "http_request_duration_seconds"
USERS = ("/", "/echo")
"""Paths that users and the load test call; probes and scrapes call others."""


@dataclass(frozen=True)
class Place:
    """Where to look: kubeconfig, bare repository, the app's name, the mesh as HTTP proxy, and the outcomes that were told."""

    kubeconfig: str
    repository: str
    proxy: str
    app: str = "frontend"
    namespace: str = "test"


class Witness:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._cluster = KubernetesCluster(connect(place.kubeconfig), make_log("error"))
        self._http = urllib3.PoolManager(retries=False, timeout=2.0)
        self._plateaus: dict[int, list[float]] = {}
        self._failed = 0.0
        self._last: tuple[int, dict[str, tuple[str, float]]] | None = None

    def look(self) -> None:
        """Count what reached which pods since the last look; only while the weight stood still in between."""
        weight, counts = self._weight(), self._counts()
        if self._last is not None and self._last[0] == weight == self._weight():
            before = self._last[1]
            for pod, (side, count) in counts.items():
                old = before.get(pod, (side, 0.0))[1]
                self._plateaus.setdefault(weight, [0.0, 0.0])[side == "canary"] += max(0.0, count - old)
        self._last = (weight, counts)

    def scene(self) -> Scene:
        place = self._place
        target = self._get("apps/v1", "Deployment", place.app) or {}
        primary = self._get("apps/v1", "Deployment", f"{place.app}-primary") or {}
        canary = self._get("flagger.app/v1beta1", "Canary", place.app) or {}
        return Scene(
            commits=self._commits(),
            quarantined=self._quarantined(),
            file_tag=self._file_tag(),
            primary_image=_at(primary, "spec", "template", "spec", "containers", 0, "image") or "",
            target_replicas=int(_at(target, "spec", "replicas") or 0),
            phase=str(_at(canary, "status", "phase") or ""),
            weights=(100 - self._weight(), self._weight()),
            served_versions=tuple(self._served() for _ in range(20)),
            plateaus=tuple(Plateau(weight, *counts) for weight, counts in sorted(self._plateaus.items())),
            failed_requests=self._failed,
        )

    def close(self) -> None:
        self._cluster.close()
        self._http.clear()

    # ------------------------------------------------------------ cluster and traffic

    def _get(self, api_version: str, kind: str, name: str) -> Mapping[str, Any] | None:
        return self._cluster.live(Ref(api_version, kind, self._place.namespace, name))

    def _weight(self) -> int:
        """The canary's weight as the route says it."""
        route = self._get("networking.istio.io/v1beta1", "VirtualService", self._place.app)
        for one in _at(route, "spec", "http", 0, "route") or ():
            if str(one["destination"]["host"]).endswith("-canary"):
                return int(one.get("weight", 0))
        return 0

    def _counts(self) -> dict[str, tuple[str, float]]:
        """Requests of users that each pod has answered, by pod, with its side."""
        found = {}
        for side, label in (("canary", self._place.app), ("primary", f"{self._place.app}-primary")):
            for pod in self._cluster.list("v1", "Pod", self._place.namespace, {"app": label}):
                address = _at(pod, "status", "podIP")
                if address and not pod["metadata"].get("deletionTimestamp"):
                    found[pod["metadata"]["uid"]] = (side, self._count(f"http://{address}:9898/metrics"))
        return found

    def _count(self, url: str) -> float:
        try:
            text = self._http.request("GET", url).data.decode()
        except urllib3.exceptions.HTTPError:
            return 0.0
        total = 0.0
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"{COUNTER}_count" and sample.labels.get("path") in USERS:
                    total += sample.value
                    if sample.labels.get("status", "").startswith("5"):
                        self._failed = max(self._failed, sample.value)
        return total

    def _served(self) -> str:
        """The version that a user of the mesh is served."""
        with urllib3.ProxyManager(self._place.proxy, retries=False, timeout=3.0) as http:
            url = f"http://{self._place.app}.{self._place.namespace}:9898/version"
            try:
                found = re.search(r"\d+\.\d+\.\d+", http.request("GET", url).data.decode())
            except urllib3.exceptions.HTTPError as error:
                return str(error)
            return found[0] if found else "?"

    # ------------------------------------------------------------ Git

    def _git(self, *args: str) -> str:
        return subprocess.run(["git", "--git-dir", self._place.repository, *args], capture_output=True, text=True, check=True).stdout

    def _commits(self) -> tuple[Commit, ...]:
        revisions = self._git("rev-list", "--reverse", "main").split()
        return tuple(self._commit(revision) for revision in revisions)

    def _commit(self, revision: str) -> Commit:
        subject = self._git("log", "-1", "--format=%s", revision).strip()
        trailers = dict(
            line.split(": ", 1) for line in self._git("log", "-1", "--format=%(trailers:only)", revision).splitlines() if ": " in line
        )
        diff = self._git("show", "--format=", "--unified=0", revision, "--", "releases").splitlines()
        removed = tuple(line[1:] for line in diff if line.startswith("-") and not line.startswith("---"))
        return Commit(subject, trailers, removed, tuple(line[1:] for line in diff if line.startswith("+") and not line.startswith("+++")))

    def _quarantined(self) -> tuple[str, ...]:
        path = CANARY_PATH.format(namespace=self._place.namespace, name=self._place.app)
        try:
            text = self._git("show", f"main:{path}")
        except subprocess.CalledProcessError:
            return ()
        values = documents(decode(text.encode()))[0].value
        return tuple(str(entry.get("tag")) for entry in values.get("quarantine") or ())

    def _file_tag(self) -> str:
        text = self._git("show", f"main:releases/{self._place.namespace}/{self._place.app}.yaml")
        return str(_at(documents(decode(text.encode()))[0].value, "spec", "values", "image", "tag"))


def _at(doc: Any, *path: str | int) -> Any:
    for step in path:
        try:
            doc = doc[step]
        except (KeyError, IndexError, TypeError):
            return None
    return doc


def _until_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main(arguments: str) -> int:
    given = json.loads(Path(arguments).read_text())
    witness = Witness(Place(**given["place"]))
    ended = threading.Event()
    threading.Thread(target=_until_end, args=(ended,), daemon=True).start()
    while not ended.wait(EVERY):
        witness.look()
    scene = witness.scene()
    expected = Expected(given["canary"], tuple((tag, outcome) for tag, outcome in given["outcomes"]))
    found = doubts(scene, expected)
    split = [p for p in scene.plateaus if 0 < p.weight < 100]
    seen = {
        "doubts": found,
        "plateaus": [[p.weight, p.primary, p.canary] for p in split],
        "failed": scene.failed_requests,
        "image": PODINFO,
    }
    print(json.dumps(seen))
    witness.close()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
