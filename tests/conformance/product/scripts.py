"""What stories are told of: apps each alone in a namespace, as manifests in one file of the cluster repository."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.conformance.product.seen import Doc

FIRST = "1.0.0"
LOADTESTER = "http://flagger-loadtester.test/"


@dataclass(frozen=True)
class Script:
    """One app before it is played: `files` by path, `images` that must be in the registry; the canary is `app` in namespace `name`."""

    name: str
    files: dict[str, str]
    image: str
    path: str
    canary: bool = True
    initialises: bool = True
    deployment: str = "app"
    before: Sequence[Doc] = ()
    """Objects that somebody made by hand before Git said anything."""


def namespace(name: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    istio-injection: enabled\n"


def deployment(name: str, image: str, *, replicas: int | None = None, slow: int = 0, automated: bool = True, app: str = "app") -> str:
    """Automation, when it is on, follows every version above 1. `slow`: seconds that a pod must be ready before it counts."""
    scale = "" if replicas is None else f"\n          replicas: {replicas}"
    scale += f"\n          minReadySeconds: {slow}" if slow else ""
    return _text(f"""
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: {app}
          namespace: {name}
          annotations:
            fluxcd.io/automated: "{str(automated).lower()}"
            fluxcd.io/tag.podinfo: semver:>=1
        spec:{scale}
          selector:
            matchLabels:
              app: {app}
          template:
            metadata:
              labels:
                app: {app}
            spec:
              containers:
                - name: podinfo
                  image: {image}:{FIRST}
                  command: [./podinfo]
                  ports:
                    - name: http
                      containerPort: 9898
                  readinessProbe:
                    httpGet:
                      path: /readyz
                      port: http
                    periodSeconds: 1
                  resources:
                    requests:
                      cpu: 10m
        """)


def canary(
    name: str,
    *,
    step: int = 25,
    threshold: int = 1,
    judged: bool = False,
    hpa: bool = False,
    hooks: Sequence[Doc] = (),
    spec: Doc | None = None,
    app: str = "app",
) -> str:
    """A tick a second up to 50 %. `judged`: the load tester makes traffic and the success rate must be 99 %; else pods must be ready."""
    load: Doc = {"name": "load", "type": "rollout", "url": LOADTESTER, "timeout": "5s"}
    load |= {"metadata": {"type": "cmd", "cmd": f"hey -z 10s -q 20 -c 1 http://{app}.{name}:9898/"}}
    rate = {"name": "request-success-rate", "interval": "3s", "thresholdRange": {"min": 99}}
    analysis = {
        "interval": "1s",
        "threshold": threshold,
        "stepWeight": step,
        "maxWeight": 50,
        "metrics": [rate] if judged else [],
        "webhooks": [*([load] if judged else []), *hooks],
    }
    scaler = {"autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": app}} if hpa else {}
    doc = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": app, "namespace": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app},
            **scaler,
            "progressDeadlineSeconds": 60,
            "service": {"port": 9898, "targetPort": "http"},
            "analysis": analysis,
            **(spec or {}),
        },
    }
    return str(yaml.safe_dump(doc, sort_keys=False))


def autoscaler(name: str, least: int = 2, most: int = 4) -> str:
    return _text(f"""
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata:
          name: app
          namespace: {name}
        spec:
          scaleTargetRef:
            apiVersion: apps/v1
            kind: Deployment
            name: app
          minReplicas: {least}
          maxReplicas: {most}
          metrics:
            - type: Resource
              resource:
                name: cpu
                target:
                  type: Utilization
                  averageUtilization: 99
        """)


def plain(
    name: str,
    *,
    replicas: int | None = None,
    slow: int = 0,
    automated: bool = True,
    hpa: tuple[int, int] | None = None,
    before: Sequence[Doc] = (),
    **how: Any,
) -> Script:
    """A Deployment in Git with its Canary; `how` goes to `canary`, the rest as in `deployment`."""
    image = f"shop/{name}"
    target = deployment(name, image, replicas=replicas, slow=slow, automated=automated)
    docs = [namespace(name), target, canary(name, hpa=hpa is not None, **how)]
    if hpa is not None:
        docs.append(autoscaler(name, *hpa))
    path = f"apps/{name}.yaml"
    return Script(name, {path: "---\n".join(docs)}, image, path, before=before)


def chart(
    name: str, *, values: Doc | None = None, analysis: Doc | None = None, path: str = "charts/podinfo", initialises: bool = True
) -> Script:
    """A HelmRelease of the template's podinfo chart; `values` stand beside the image."""
    image = f"shop/{name}"
    canary = {"enabled": True, "analysis": {"interval": "1s", "threshold": 1, "stepWeight": 25, "window": "3s", **(analysis or {})}}
    canary["loadtest"] = {"enabled": True, "url": LOADTESTER, "duration": "10s", "rate": 20, "workers": 1, "path": "/"}
    own = {"nameOverride": "app", "image": {"repository": image, "tag": FIRST}, "hpa": {"enabled": False}, "canary": canary}
    annotations = {"fluxcd.io/automated": "true", "filter.fluxcd.io/chart-image": "semver:>=1"}
    doc = {
        "apiVersion": "flux.weave.works/v1beta1",
        "kind": "HelmRelease",
        "metadata": {"name": "app", "namespace": name, "annotations": annotations},
        "spec": {"releaseName": "app", "chart": {"path": path}, "values": _merged(own, values or {})},
    }
    place = f"apps/{name}.yaml"
    return Script(name, {place: namespace(name) + "---\n" + yaml.safe_dump(doc, sort_keys=False)}, image, place, initialises=initialises)


def _text(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def _merged(base: Doc, more: Doc) -> Doc:
    out = dict(base)
    for key, value in more.items():
        out[key] = _merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out
