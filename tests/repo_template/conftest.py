"""Servers that have our definitions, and a namespace of each test's own."""

import uuid
from pathlib import Path

import pytest

from tests.deploy.kubectl import Kubectl
from tests.repo_template.charts import ROOT

CRDS = ROOT.parent / "deploy" / "crds"
NAMES = sorted(path.name for path in CRDS.glob("*.yaml") if path.name != "kustomization.yaml")


@pytest.fixture(scope="module")
def kubectl(kubeconfig: Path) -> Kubectl:
    run = Kubectl(kubeconfig)
    run("apply", "--server-side", "--force-conflicts", "-k", str(CRDS))
    kinds = [f"crd/{name.removesuffix('.yaml')}" for name in NAMES]
    run("wait", "--for=condition=Established", *kinds, "--timeout=30s")
    return run


@pytest.fixture
def namespace(kubectl: Kubectl) -> str:
    name = f"crds-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    return name
