"""The dashboards: their shape, and every query of theirs on the metrics server of a world after a release."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from gitops_canary.sandbox.data import folder
from gitops_canary.sandbox.world import Shape
from tests.operator.stage import Stage

FILES = sorted((folder("deploy") / "grafana").glob("*.json"))
VARIABLES = {"$namespace": "test", "$primary": "frontend-primary", "$canary": "frontend"}
ELSEWHERE = ("container_",)
"""Metrics of the kubelet, which the sandbox's node has not: their queries must be understood, and find nothing."""


def dashboard(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def targets() -> list[tuple[str, str]]:
    """(dashboard and panel, query) of all."""
    return [
        (f"{file.stem}: {panel['title']}", target["expr"])
        for file in FILES
        for panel in dashboard(file)["panels"]
        for target in panel.get("targets", ())
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_has_what_grafana_wants(file: Path) -> None:
    doc = dashboard(file)
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time", "refresh"} <= doc.keys()
    ids = [panel["id"] for panel in doc["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in doc["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        refs = [target["refId"] for target in panel.get("targets", ())]
        assert len(refs) == len(set(refs))


def test_the_seeds_pickers_and_panels_are_there() -> None:
    doc = dashboard(folder("deploy") / "grafana" / "canary.json")
    names = [one["name"] for one in doc["templating"]["list"]]
    assert names == ["datasource", "namespace", "primary", "canary"]
    titles = " ".join(panel["title"] for panel in doc["panels"])
    for side in ("Primary", "Canary"):
        for what in ("success rate", "duration", "requests by response code", "CPU by pod", "memory by pod"):
            assert f"{side}: {what}" in titles


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory, real_prometheus: None) -> Iterator[str]:
    """The address of Prometheus after a release."""
    with Stage(tmp_path_factory.mktemp("grafana"), step=10, shape=Shape(metrics="prometheus")) as stage:
        stage.wait("the counters to be scraped at 0", lambda: bool(ask(stage.world.metrics.url, "gitops_canary_bumps_total")))
        stage.release("3.1.1")
        stage.wait("the run's figures to be scraped", lambda: bool(ask(stage.world.metrics.url, "increase(gitops_canary_runs_total[1h])")))
        yield stage.world.metrics.url


def ask(url: str, query: str) -> list[Any]:
    reply = urllib3.PoolManager().request("GET", f"{url}/api/v1/query", fields={"query": query}, retries=False)
    answer = reply.json()
    assert answer["status"] == "success", f"{query}: {answer.get('error')}"
    found: list[Any] = answer["data"]["result"]
    return found


@pytest.mark.parametrize(("panel", "query"), targets(), ids=lambda value: value if ": " in value else "")
def test_every_query_is_answered_by_prometheus(metrics: str, panel: str, query: str) -> None:
    filled = re.sub(r"\$(\w+)", lambda found: VARIABLES[found[0]], query)
    found = ask(metrics, filled)
    assert bool(found) != any(metric in query for metric in ELSEWHERE), f"{panel}: {filled} finds {'nothing' if not found else 'something'}"


@pytest.mark.parametrize(
    "series", ['gitops_canary_runs_total{outcome="promoted"}', "gitops_canary_bumps_total", "flagger_canary_successes_total"]
)
def test_the_first_of_its_kind_is_counted_too(metrics: str, series: str) -> None:
    """A counter that begins at 1 shows no increase in Prometheus."""
    (counted,) = ask(metrics, f"sum(increase({series}[1h]))")
    assert float(counted["value"][1]) >= 0.9


def test_the_pickers_find_the_canary(metrics: str) -> None:
    doc = dashboard(folder("deploy") / "grafana" / "canary.json")
    for one in doc["templating"]["list"][1:]:
        parts = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"])
        assert parts is not None
        labels = {sample["metric"][parts[2]] for sample in ask(metrics, parts[1].replace("$namespace", "test"))}
        assert VARIABLES[f"${one['name']}"] in labels


def test_flaggers_metrics_are_there_under_their_names(metrics: str) -> None:
    for name, labels in {
        "flagger_info": {"mesh_provider": "istio"},
        "flagger_canary_total": {"namespace": "test"},
        "flagger_canary_status": {"name": "frontend", "namespace": "test"},
        "flagger_canary_weight": {"workload": "frontend-primary", "namespace": "test"},
        "flagger_canary_duration_seconds_count": {"name": "frontend", "namespace": "test"},
        "flagger_canary_metric_analysis": {"name": "frontend", "namespace": "test", "metric": "request-success-rate"},
        "flagger_canary_successes_total": {"name": "frontend", "deployment_strategy": "canary", "analysis_status": "completed"},
    }.items():
        wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
        assert ask(metrics, f"{name}{{{wanted}}}"), name
