"""The operator installed as the README says: `kubectl apply -k`, on an overlay of a user's own that stands on the one of deploy/."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gitops_canary.sandbox.data import folder
from gitops_canary.sandbox.world import NAMESPACE, REPOSITORY, World


def overlay(world: World, place: Path, settings: Mapping[str, Any]) -> Path:
    """A kustomization with these settings, the Git host's key and the webhooks' secret; everything else is deploy/'s."""
    place.mkdir()
    base = folder("deploy") / "overlays" / "cluster-wide"
    kustomization = {
        "resources": [os.path.relpath(base.resolve(), place.resolve()), "webhooks.yaml"],
        "patches": [
            {"target": {"kind": "ConfigMap", "name": "gitops-canary-settings"}, "patch": json.dumps(_settings(world, settings))},
            {"target": {"kind": "Deployment", "name": "gitops-canary"}, "patch": json.dumps([*_known_hosts(), *_patient_probe()])},
        ],
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (place / "webhooks.yaml").write_text(yaml.safe_dump(_webhooks(world)))
    return place


def _settings(world: World, settings: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        "applier-service-account": f"{NAMESPACE}:gitops-canary-applier",
        "git-url": world.git.url(REPOSITORY),
        "metrics-server": world.metrics.url,
        "registry-mirror": f"docker.io={world.registry.url}",
        **settings,
    }
    meta = {"name": "gitops-canary-settings", "namespace": NAMESPACE}
    data = {"settings.yaml": yaml.safe_dump(values), "known_hosts": world.git.known_hosts + "\n"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _known_hosts() -> list[dict[str, str]]:
    path = "/spec/template/spec/containers/0/args/-"
    return [{"op": "add", "path": path, "value": "--git-known-hosts=/etc/gitops-canary/known_hosts"}]


def _patient_probe() -> list[dict[str, Any]]:
    """A story freezes the operator for a minute, after which the kubelet would end it, to see what it does by itself when it wakes."""
    return [{"op": "add", "path": "/spec/template/spec/containers/0/livenessProbe/failureThreshold", "value": 10}]


def _webhooks(world: World) -> dict[str, Any]:
    meta = {"name": "gitops-canary-webhooks", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"registry": world.webhook_secret}}
