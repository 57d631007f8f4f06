"""The embedded endpoint's answers are real Prometheus' answers, on the same samples and moments."""

import math
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_canary.metrics.prometheus import builtin_query, query_url
from gitops_canary.sandbox.promql.evaluate import evaluate
from gitops_canary.sandbox.promql.real import RealPrometheus
from gitops_canary.sandbox.promql.storage import Labels, Storage
from gitops_canary.sandbox.promql.syntax import parse

START = 1_700_000_000_000
"""Samples lie in the ten minutes after this (ms); a fixed past, so nothing depends on today."""
BUCKETS = ("0.5", "5", "50", "250", "+Inf")
Samples = dict[Labels, list[tuple[int, float]]]


def moments(dice: random.Random) -> list[int]:
    """When a target was scraped: steady, jittery, with gaps, or hardly ever."""
    pace = dice.choice([500, 1000, 5000, 15000])
    times = range(START + dice.randrange(60_000), START + 600_000, pace)
    kept = [at + dice.randrange(-20, 20) for at in times if dice.random() > dice.choice([0, 0, 0.3])]
    return sorted(set(kept))[: dice.choice([1, 2, 3, 1000])]


def counter(dice: random.Random, times: list[int]) -> list[tuple[int, float]]:
    """A counter that grows, stands still, and sometimes starts again."""
    value, pace = float(dice.choice([0, 0, 7, 1e6])), dice.choice([0, 1, 20])
    samples = []
    for at in times:
        value = 0.0 if dice.random() < 0.02 else value + dice.randrange(pace + 1)
        samples.append((at, value))
    return samples


def corpus(seed: int) -> Samples:
    dice = random.Random(seed)
    found: Samples = {}
    for number in range(40):
        common = {
            "reporter": dice.choice(["destination", "destination", "source"]),
            "destination_workload_namespace": dice.choice(["test", "prod"]),
            "destination_workload": f"app-{number % 12}",
            "source_workload": f"client-{number}",
        }
        times = moments(dice)
        for code in dice.sample(["200", "404", "500", "503"], dice.randrange(1, 4)):
            labels = common | {"__name__": "istio_requests_total", "response_code": code}
            found[tuple(sorted(labels.items()))] = counter(dice, times)
        totals = [0.0] * len(times)
        for bound in BUCKETS:
            totals = [total + dice.randrange(3) * index for index, total in enumerate(totals)]
            labels = common | {"__name__": "istio_request_duration_milliseconds_bucket", "le": bound}
            found[tuple(sorted(labels.items()))] = list(zip(times, totals, strict=True))
    return found


def open_metrics(samples: Samples) -> str:
    lines = []
    for labels in sorted(samples, key=lambda labels: dict(labels)["__name__"]):
        name = dict(labels)["__name__"]
        inside = ",".join(f'{label}="{value}"' for label, value in labels if label != "__name__")
        lines += [f"{name}{{{inside}}} {value!r} {at / 1000:.3f}" for at, value in samples[labels]]
    return "\n".join([*lines, "# EOF", ""])


class Both:
    """The two judges over one corpus."""

    def __init__(self, url: str, storage: Storage) -> None:
        self._url, self._storage, self._http = url, storage, urllib3.PoolManager(retries=False)

    def real(self, query: str, at: int) -> dict[Labels, float] | float:
        answer = orjson.loads(self._http.request("GET", query_url(self._url, query, at / 1000)).data)
        assert answer["status"] == "success", answer
        if answer["data"]["resultType"] == "scalar":
            return float(answer["data"]["result"][1])
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in answer["data"]["result"]}

    def ours(self, query: str, at: int) -> dict[Labels, float] | float:
        value = evaluate(parse(query), self._storage, at)
        return dict(value) if isinstance(value, list) else value

    def agree(self, query: str, at: int) -> int:
        """Asserts it, and says how many series there were."""
        real, ours = self.real(query, at), self.ours(query, at)
        if isinstance(real, float):
            assert same(real, ours)
            return 1
        assert isinstance(ours, dict)
        assert ours.keys() == real.keys()
        differing = {labels: (ours[labels], value) for labels, value in real.items() if not same(ours[labels], value)}
        assert not differing
        return len(real)

    def close(self) -> None:
        self._http.clear()


def same(one: object, other: object) -> bool:
    assert isinstance(one, float)
    assert isinstance(other, float)
    return (math.isnan(one) and math.isnan(other)) or one == other or math.isclose(one, other, rel_tol=1e-9)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("blocks")
    samples = corpus(seed=4)
    (folder / "samples.txt").write_text(open_metrics(samples))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "samples.txt"), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True)
    storage = Storage(retention_ms=10**15)
    for labels, series in samples.items():
        for at, value in series:
            storage.add(labels, at, value)
    prometheus = RealPrometheus(data=Path(folder / "data"))
    prometheus.start()
    prometheus.wait_ready()
    judges = Both(prometheus.url, storage)
    yield judges
    judges.close()
    prometheus.stop()


NAMES = st.sampled_from(["istio_requests_total", "istio_request_duration_milliseconds_bucket", "nothing"])
MATCHERS = st.sampled_from(
    [
        "",
        'reporter="destination"',
        'response_code!~"5.*"',
        'response_code=~"5..|404"',
        'destination_workload_namespace!="test"',
        'absent=""',
        'destination_workload=~"app-1"',
        'reporter="destination",response_code="200"',
    ]
)
RANGES = st.sampled_from(["1s", "5s", "30s", "1m", "1500ms", "2m30s", "1h"])
GROUPS = st.sampled_from(
    [
        "",
        " by (destination_workload)",
        " by (le, destination_workload)",
        " by (destination_workload_namespace, destination_workload)",
        " by ()",
    ]
)
SELECTORS = st.builds("{}{{{}}}".format, NAMES, MATCHERS)
RATES = st.builds("{}({}[{}])".format, st.sampled_from(["rate", "increase", "count_over_time"]), SELECTORS, RANGES)
SUMS = st.builds("sum{} ({})".format, GROUPS, st.one_of(RATES, SELECTORS))
NUMBERS = st.sampled_from(["0", "1", "100", "0.5", "-2", "1e3", "(2 + 3 * 4 / 5 - 1)"])
QUANTILES = st.builds(
    "histogram_quantile({}, sum by (le, destination_workload) ({}))".format, st.sampled_from(["0", "0.5", "0.99", "1", "1.5", "-1"]), RATES
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", ">", "<", ">=", "<=", "==", "!="])
COMBINED = st.one_of(
    st.builds("{} {} {}".format, SUMS, OPERATORS, NUMBERS),
    st.builds("{} {} {}".format, NUMBERS, OPERATORS, SUMS),
    st.builds("{0} {2} sum{1} ({3})".format, SUMS, GROUPS, OPERATORS, RATES),
    st.builds("({} or {} * 0) / {} * 100".format, SUMS, SUMS, SUMS),
)
AT = st.integers(START - 10_000, START + 950_000)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.one_of(SELECTORS, RATES, SUMS, QUANTILES, COMBINED, NUMBERS), at=AT)
def test_any_query_of_the_subset_has_prometheus_own_answer(both: Both, query: str, at: int) -> None:
    both.agree(query, at)


@pytest.mark.parametrize("metric", ["request-success-rate", "request-duration"])
@pytest.mark.parametrize("window", [1.0, 10.0, 60.0, 300.0])
def test_the_built_in_queries_have_prometheus_own_answers(both: Both, metric: str, window: float) -> None:
    query = builtin_query(metric, window)  # type: ignore[arg-type]
    series = [both.agree(query, at) for at in range(START + 30_000, START + 600_000, 30_000)]
    assert sum(series) > 20
