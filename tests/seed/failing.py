"""A cluster repository with seven canaries, one for each reason that the seed gives for a failed canary."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from gitops_canary.sandbox.world import PODINFO

GOOD, NEXT = "3.1.0", "3.1.2"
NOWHERE = "http://127.0.0.1:9"
"""A metrics server that is not there."""
REFUSING = "http://rate.test:9898/status/500"
"""A webhook that answers 500."""


@dataclass(frozen=True)
class Reason:
    """Why canary `name` fails with image tag `tag`: words of the reason, wherever it is told. `phase` of it that no commit mends."""

    name: str
    tag: str
    words: str


REASONS = (
    Reason("pull", "3.1.1-missing", "progress deadline exceeded: container podinfo cannot pull image stefanprodan/podinfo:3.1.1-missing"),
    Reason("crash", "3.1.1-crash", "progress deadline exceeded: container podinfo crashes with exit code 1"),
    Reason("hook", "3.1.1", "pre-rollout check helm test failed {"),
    Reason("rate", "3.1.1-errors", "success rate "),
    Reason("slow", "3.1.1-slow", "request duration "),
    Reason("silent", "3.1.1", "no values found for istio metric request-success-rate probably silent.test is not receiving traffic"),
    Reason("blind", "3.1.1", "Prometheus query failed: "),
)
NAMES = tuple(reason.name for reason in REASONS)
IMAGES = {"3.1.1": "good", "3.1.1-crash": "crash=1s", "3.1.1-errors": "errors=0.5", "3.1.1-slow": "slow=1s"}
"""Tags that the registry has, and how they behave."""


def files(tags: Mapping[str, str], *, mended: bool = False) -> dict[str, bytes]:
    """The repository with these tags; `mended`: webhook and metrics server are as they should be, and a busy machine's hiccup
    fails no run."""
    patience = 30 if mended else 2
    releases = {
        name: _release(name, tags.get(name, GOOD), patience, hook=name == "hook" and not mended) for name in NAMES if name != "blind"
    }
    made = {f"releases/test/{name}.yaml": yaml.safe_dump(doc).encode() for name, doc in releases.items()}
    return {
        **made,
        "releases/test/blind.yaml": yaml.safe_dump_all(_plain(tags.get("blind", GOOD), "" if mended else NOWHERE, patience)).encode(),
    }


def _release(name: str, tag: str, patience: int, *, hook: bool) -> dict[str, Any]:
    analysis = {"interval": "1s", "threshold": patience, "stepWeight": 25, "maxWeight": 50, "window": "2s", "duration": 600}
    canary = {"enabled": True, "progressDeadlineSeconds": 5, "analysis": analysis, "helmtest": {"enabled": hook, "url": REFUSING}}
    values = {"nameOverride": name, "image": {"repository": PODINFO, "tag": tag}, "hpa": {"enabled": False}, "canary": canary}
    annotations = {"fluxcd.io/automated": "true", "filter.fluxcd.io/chart-image": f"glob:{NEXT}"}
    meta = {"name": name, "namespace": "test", "annotations": annotations}
    spec = {"releaseName": name, "chart": {"path": "charts/podinfo"}, "values": values}
    return {"apiVersion": "flux.weave.works/v1beta1", "kind": "HelmRelease", "metadata": meta, "spec": spec}


def _plain(tag: str, metrics_server: str, patience: int) -> list[dict[str, Any]]:
    """A Deployment and its Canary without Helm: a canary may name a metrics server of its own."""
    labels = {"app": "blind"}
    ports, probe = [{"containerPort": 9898, "name": "http"}], {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1}
    container = {"name": "podinfo", "image": f"{PODINFO}:{tag}", "command": ["./podinfo"], "ports": ports, "readinessProbe": probe}
    annotations = {"fluxcd.io/automated": "true", "fluxcd.io/tag.podinfo": f"glob:{NEXT}"}
    metrics = [{"name": "request-success-rate", "interval": "2s", "thresholdRange": {"min": 99}}]
    analysis = {"interval": "1s", "threshold": patience, "stepWeight": 25, "maxWeight": 50, "metrics": metrics}
    spec = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "blind"},
        "progressDeadlineSeconds": 5,
        "service": {"port": 9898},
        "analysis": analysis,
        **({"metricsServer": metrics_server} if metrics_server else {}),
    }
    meta = {"name": "blind", "namespace": "test"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    workload = {"selector": {"matchLabels": labels}, "template": template}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**meta, "annotations": annotations}, "spec": workload},
        {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": meta, "spec": spec},
    ]
