"""A namespace as Flux v1, the Helm Operator and Flagger leave it: three releases of the template's chart, each with a canary.

`frontend` was promoted, `failing` failed, and Flagger was stopped in the middle of `backend`'s run. Flagger's objects and statuses are a
recording of the real one (`recording.py`); Helm's are made anew, as Helm 3 made them."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.world import PODINFO, World

RECORDING = Path(__file__).parent / "left_by_flagger_1_36_1.json"
CANARIES = {"frontend": ("3.1.1", "Succeeded"), "failing": ("3.1.9", "Failed"), "backend": ("3.1.1", "Progressing")}
"""Tag of the target, and the phase that Flagger left; in the order in which they were recorded."""
GENERATED = (
    ("apps/v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("networking.istio.io/v1beta1", "VirtualService"),
    ("networking.istio.io/v1beta1", "DestinationRule"),
)
GROUP = "flux.weave.works/v1beta1"


def values_of(name: str, tag: str, interval: str) -> dict[str, Any]:
    analysis = {"interval": interval, "threshold": 1, "stepWeight": 25, "window": "4s" if interval == "1s" else "1m"}
    return {"nameOverride": name, "image": {"repository": PODINFO, "tag": tag}, "canary": {"enabled": True, "analysis": analysis}}


def helmrelease(name: str, tag: str) -> dict[str, Any]:
    """As the seed's repository has it, with the seed's group."""
    annotations = {"fluxcd.io/automated": "true", "filter.fluxcd.io/chart-image": "semver:>=3.1.0 <3.1.5"} if name == "frontend" else {}
    meta = {"name": name, "namespace": "test", "annotations": annotations}
    spec = {"releaseName": name, "chart": {"path": "charts/podinfo"}, "values": values_of(name, tag, "1s")}
    return {"apiVersion": GROUP, "kind": "HelmRelease", "metadata": meta, "spec": spec}


def install(world: World, name: str, values: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "tests.migration.helm3", str(world.kubeconfig), name, json.dumps(values)]
    subprocess.run(command, check=True, capture_output=True)


class Left:
    """`leave` makes it all; then the three of old are gone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._recorded: dict[str, Any] = json.loads(RECORDING.read_text())

    def leave(self) -> None:
        self._world.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}, manager="flux")
        connection = connect(str(self._world.kubeconfig))
        try:
            for name, (tag, _) in CANARIES.items():
                install(self._world, name, values_of(name, tag, "1s"))
                self._as_recorded(name)
                self._flagger(connection, name)
                self._helm_operator(connection, name, tag)
        finally:
            connection.close()

    def _as_recorded(self, name: str) -> None:
        made = self._world.cluster.live(Ref("apps/v1", "Deployment", "test", name))
        assert made is not None
        changed = made["spec"]["template"] != self._recorded["templates"][name]
        assert not changed, "the chart makes other pods than when Flagger was recorded: run tests/migration/recording.py again"

    def _flagger(self, connection: Connection, name: str) -> None:
        canary = self._world.canary(name)
        assert canary is not None
        self._world.cluster.scale(Ref("apps/v1", "Deployment", "test", name), self._recorded["replicas"][name])
        for one in self._recorded["generated"]:
            if one["owner"] == name:
                self._create(connection, _owned(one["object"], canary), "flagger")
        path = f"/apis/flagger.app/v1beta1/namespaces/test/canaries/{name}/status"
        body = {"status": self._recorded["statuses"][name]}
        merge = "application/merge-patch+json"
        connection.request("PATCH", path, doing="leave", body=body, content=merge, query={"fieldManager": "flagger"})

    def _helm_operator(self, connection: Connection, name: str, tag: str) -> None:
        doc = helmrelease(name, tag)
        written = json.dumps(doc)
        doc["metadata"]["annotations"] |= {
            "kubectl.kubernetes.io/last-applied-configuration": written,
            "fluxcd.io/sync-checksum": "5d41402abc4b2a76b9719d911017c592aae0ae06",
        }
        doc["metadata"]["labels"] = {"fluxcd.io/sync-gc-mark": "sha256.x4oiGg8fQmZcV5bJY0mB1nq3a0d2k6oT5u8yq2b8D4k"}
        self._create(connection, doc, "kubectl-client-side-apply")
        status = {"observedGeneration": 1, "phase": "Succeeded", "releaseName": name, "releaseStatus": "deployed", "revision": "3.1.1"}
        conditions = [{"type": "Released", "status": "True", "reason": "Succeeded", "lastTransitionTime": "2020-03-04T10:00:00Z"}]
        path = f"/apis/{GROUP}/namespaces/test/helmreleases/{name}/status"
        merge = "application/merge-patch+json"
        connection.request("PATCH", path, doing="leave", body={"status": {**status, "conditions": conditions}}, content=merge)

    def _create(self, connection: Connection, doc: dict[str, Any], manager: str) -> None:
        plural = {"HelmRelease": "helmreleases"}.get(doc["kind"], f"{doc['kind'].lower()}s")
        group = doc["apiVersion"]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        connection.request("POST", f"{root}/namespaces/test/{plural}", doing="leave", body=doc, query={"fieldManager": manager})


def _owned(doc: dict[str, Any], canary: dict[str, Any]) -> dict[str, Any]:
    owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": canary["metadata"]["name"], "uid": canary["metadata"]["uid"]}
    made = copy.deepcopy(doc)
    made["metadata"]["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    return made
