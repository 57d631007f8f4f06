"""The checks adapter on the sandbox's metrics endpoint and on real Prometheus: same cases, same answers."""

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from gitops_canary.adapters.checks import HttpChecks
from gitops_canary.ports import Answer, QueryAsk
from gitops_canary.sandbox.promql.real import MetricsEndpoint, metrics_endpoint
from tests.adapters.test_checks import World, success_rate
from tests.sandbox.promql.exposition import exposition

REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"
KINDS = ["embedded", "prometheus"] if shutil.which("prometheus") or os.environ.get(REQUIRED) == "1" else ["embedded"]
WINDOW = 30.0


@pytest.fixture(scope="module", params=KINDS)
def endpoint(request: pytest.FixtureRequest) -> Iterator[MetricsEndpoint]:
    with exposition() as target:
        url = f"http://127.0.0.1:{target.server_port}"
        made = metrics_endpoint([f"{url}/metrics"], [f"{url}/targets"], interval=0.1, kind=request.param)
        made.start()
        made.wait_ready()
        target.await_scrapes(10)
        yield made
        made.stop()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    # Samples are of today; only the tests of the adapter alone live in 1970.
    made.checks.close()
    made.checks = HttpChecks(made.woken.put, pauses=(0.0,), wall=time.time)
    yield made
    made.checks.close()


def asked(endpoint: MetricsEndpoint, expression: str) -> QueryAsk:
    return QueryAsk("k", endpoint.url, WINDOW, expression=expression)


def test_a_success_rate_is_a_value(world: World, endpoint: MetricsEndpoint) -> None:
    answer = world.answer(success_rate(endpoint.url, "frontend", window=WINDOW))
    assert answer.kind == "value"
    assert answer.value == pytest.approx(60.0)


def test_a_workload_without_samples_has_no_data(world: World, endpoint: MetricsEndpoint) -> None:
    assert world.answer(success_rate(endpoint.url, "nobody", window=WINDOW)).kind == "no-data"


def test_a_workload_whose_every_request_failed_has_a_rate_of_zero(world: World, endpoint: MetricsEndpoint) -> None:
    answer = world.answer(success_rate(endpoint.url, "broken", window=WINDOW))
    assert (answer.kind, answer.value) == ("value", 0.0)


def test_a_duration_is_the_99th_percentile(world: World, endpoint: MetricsEndpoint) -> None:
    answer = world.answer(QueryAsk("k", endpoint.url, WINDOW, "request-duration", "test", "frontend"))
    assert answer.kind == "value"
    assert answer.value == pytest.approx(17.5)


def test_a_duration_that_nobody_measured_is_no_data(world: World, endpoint: MetricsEndpoint) -> None:
    ask = QueryAsk("k", endpoint.url, WINDOW, "request-duration", "test", "broken")
    assert world.answer(ask).kind == "no-data"


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ('up{job="pods",pod="frontend-1"}', Answer("k", "value", 1.0)),
        ('sum(up{job="mesh"}) * 100', Answer("k", "value", 100.0)),
        ('up{job="nobody"}', Answer("k", "no-data")),
        ('up{job="mesh"} * 0 / 0', Answer("k", "no-data")),
        ('up{job="mesh"} > 1', Answer("k", "no-data")),
        ("42", Answer("k", "value", 42.0)),
    ],
)
def test_a_query_of_ones_own_is_answered(world: World, endpoint: MetricsEndpoint, expression: str, answer: Answer) -> None:
    seen = world.answer(asked(endpoint, expression))
    assert (seen.kind, seen.value) == (answer.kind, answer.value)


@pytest.mark.parametrize("expression", ["sum(", "up{", "rate(up[5m"])
def test_a_broken_query_is_told_in_the_servers_words(world: World, endpoint: MetricsEndpoint, expression: str) -> None:
    seen = world.answer(asked(endpoint, expression))
    assert seen.kind == "unreachable"
    assert "parse error" in seen.message


def test_a_path_that_is_no_prometheus_is_unreachable(world: World, endpoint: MetricsEndpoint) -> None:
    seen = world.answer(QueryAsk("k", f"{endpoint.url}/nowhere", WINDOW, expression="up"))
    assert (seen.kind, seen.value) == ("unreachable", None)


@pytest.mark.parametrize("expression", ["up[1m]", 'up{job="mesh"} / 0', "-1 / 0"])
def test_what_is_no_number_is_never_a_value(world: World, endpoint: MetricsEndpoint, expression: str) -> None:
    seen = world.answer(asked(endpoint, expression))
    assert (seen.kind, seen.value) == ("unreachable", None)
    assert seen.message
