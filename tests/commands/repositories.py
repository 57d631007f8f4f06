"""Cluster repositories in folders of a test: the seed's, and small ones with one thing wrong."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops_canary.cli import main

ROOT = Path(__file__).parents[2]
SAMPLE = """\
apiVersion: flux.weave.works/v1beta1
kind: HelmRelease
metadata:
  name: frontend
  namespace: test
  annotations:
    fluxcd.io/automated: "true"
    filter.fluxcd.io/chart-image: semver:~3.1
spec:
  releaseName: frontend
  chart:
    git: https://github.com/weaveowrks/flagger
    ref: master
    path: charts/podinfo
  values:
    image:
      repository: stefanprodan/podinfo
      tag: 3.1.0
      backend: http://backend-podinfo:9898/echo
      canary:
        enabled: true
        istioIngress:
          enabled: true
          gateway: public-gateway.istio-system.svc.cluster.local
          host: frontend.istio.example.com
        loadtest:
          enabled: true
        helmtest:
          enabled: true
"""
"""The guide's own HelmRelease, as it stands there."""

RELEASE = """\
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: web
  namespace: test
  annotations: {}
spec:
  chart:
    repository: https://charts.example.com
    name: web
    version: 1.0.0
  values:
    image:
      repository: example/web
      tag: 1.0.0
"""
CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: web
  namespace: test
spec:
  targetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: web
  service:
    port: 9898
  analysis:
    interval: 15s
    threshold: 10
    stepWeight: 5
    maxWeight: 50
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: test
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: example/web:1.0.0
"""


def template(folder: Path) -> Path:
    """A copy of repo-template."""
    return Path(shutil.copytree(ROOT / "repo-template", folder / "cluster"))


def repository(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    root = folder / "cluster"
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


class Validated:
    """One run of the command: exit status and what it printed as JSON."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str | Path) -> None:
        self.status = main(["validate", *map(str, words), "-o", "json"])
        self.said: dict[str, Any] = json.loads(capsys.readouterr().out)

    @property
    def findings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.said["findings"]
        return found

    @property
    def short(self) -> list[tuple[str, str, str]]:
        """(place, level, code)"""
        return [(f"{one['file']}:{one['line']}", one["level"], one["code"]) for one in self.findings]
