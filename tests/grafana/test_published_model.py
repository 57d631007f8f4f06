"""The dashboards before the model that Grafana publishes of them: nothing it does not know, nothing of another type."""

import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ConfigDict, TypeAdapter, ValidationError

from gitops_canary.sandbox.data import folder

FILES = sorted((folder("deploy") / "grafana").glob("*.json"))
PANELS = {"row", "stat", "timeseries"}
"""Core panels of every Grafana: a dashboard asks for no plugin."""


def lost(ours: Any, read: Any, path: str = "") -> list[str]:
    """What the model dropped or changed. `definition` is how Grafana itself saves a variable's query a second time, outside the model."""
    if isinstance(ours, dict) and isinstance(read, dict):
        return [one for key, value in ours.items() if key != "definition" for one in lost(value, read.get(key), f"{path}/{key}")]
    if isinstance(ours, list) and isinstance(read, list) and len(ours) == len(read):
        return [one for place, (mine, theirs) in enumerate(zip(ours, read, strict=True)) for one in lost(mine, theirs, f"{path}[{place}]")]
    return [] if ours == read else [path]


def mistyped(found: Any, path: str = "") -> list[str]:
    """Every value against the type its published class gives it."""
    if isinstance(found, dict):
        return [one for key, value in found.items() for one in mistyped(value, f"{path}/{key}")]
    if isinstance(found, list):
        return [one for place, value in enumerate(found) for one in mistyped(value, f"{path}[{place}]")]
    if not hasattr(type(found), "from_json"):
        return []
    hints = get_type_hints(type(found))
    wrong = [f"{path}/{name}" for name, hint in hints.items() if not fits(getattr(found, name), hint)]
    return wrong + [one for name in hints for one in mistyped(getattr(found, name), f"{path}/{name}")]


def fits(value: Any, hint: Any) -> bool:
    try:
        TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_is_what_grafana_publishes(file: Path) -> None:
    register_default_plugins()
    ours = json.loads(file.read_text())
    read = Dashboard.from_json(ours)
    assert lost(ours, json.loads(JSONEncoder().encode(read))) == []
    assert mistyped(read) == []
    assert {panel["type"] for panel in ours["panels"]} <= PANELS
