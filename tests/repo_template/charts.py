"""Renders the template's charts with Helm itself, as objects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

ROOT = Path(__file__).parents[2] / "repo-template"


def render(chart: str, values: Mapping[str, Any], name: str = "frontend", namespace: str = "test") -> dict[str, Any]:
    """`Kind/name` -> object, hooks included."""
    loaded = Chart.load(str(ROOT / "charts" / chart))
    texts = loaded.render(dict(values), name=name, namespace=namespace)
    docs = [doc for path, text in texts.items() if path.endswith(".yaml") for doc in yaml.safe_load_all(text) if doc]
    return {f"{doc['kind']}/{doc['metadata']['name']}": doc for doc in docs}


def release(path: str) -> dict[str, Any]:
    """A HelmRelease of the template."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return loaded
