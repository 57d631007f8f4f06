"""deploy/ as objects: the chart by Helm itself, the overlays by kubectl kustomize; what only one of them writes is dropped."""

import subprocess
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

Doc = dict[str, Any]
DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "chart"
NAMESPACE = "gitops-canary"
HELMS_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")


def rendered(values: Mapping[str, Any], namespace: str = NAMESPACE) -> list[Doc]:
    """The chart's objects, without its definitions."""
    texts = Chart.load(str(CHART)).render(dict(values), name="gitops-canary", namespace=namespace)
    return [doc for path, text in texts.items() if path.endswith(".yaml") for doc in yaml.safe_load_all(text) if doc]


def notes(values: Mapping[str, Any], namespace: str = NAMESPACE) -> str:
    texts = Chart.load(str(CHART)).render(dict(values), name="gitops-canary", namespace=namespace)
    return next(text for path, text in texts.items() if path.endswith("NOTES.txt"))


def built(overlay: str) -> list[Doc]:
    """What `kubectl apply -k deploy/overlays/<overlay>` sends."""
    command = ["kubectl", "kustomize", str(DEPLOY / "overlays" / overlay)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [doc for doc in yaml.safe_load_all(text) if doc]


def by_name(docs: Iterable[Doc]) -> dict[str, Doc]:
    """`Kind/namespace/name` -> object; two of one name are an error."""
    found: dict[str, Doc] = {}
    for doc in docs:
        key = f"{doc['kind']}/{doc['metadata'].get('namespace', '')}/{doc['metadata']['name']}"
        assert key not in found, f"{key} is there twice"
        found[key] = doc
    return found


def comparable(doc: Doc) -> Doc:
    """Without what Helm adds to say whose an object is, and with the settings as values: their order in the file means nothing."""
    plain = deepcopy(doc)
    for label in HELMS_LABELS:
        plain["metadata"]["labels"].pop(label, None)
    if plain["kind"] == "Deployment":
        template = plain["spec"]["template"]
        template["metadata"]["annotations"] = {
            key: value for key, value in template["metadata"]["annotations"].items() if not key.startswith("checksum/")
        }
        template["spec"]["containers"][0].pop("imagePullPolicy", None)
    if plain["kind"] == "ConfigMap":
        plain["data"]["settings.yaml"] = yaml.safe_load(plain["data"]["settings.yaml"])
    return plain
