"""The metrics endpoints: they scrape real servers, answer in Prometheus' words, and refuse what they do not know by naming it."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import orjson
import pytest
import urllib3

from gitops_canary.domain.errors import Unavailable
from gitops_canary.metrics.prometheus import NO_DATA, Outcome, builtin_query, query_url, read_grouped, read_single
from gitops_canary.sandbox.promql.evaluate import evaluate, increase, quantile_of
from gitops_canary.sandbox.promql.scraping import read_exposition
from gitops_canary.sandbox.promql.server import EmbeddedPrometheus, number
from gitops_canary.sandbox.promql.storage import Storage
from gitops_canary.sandbox.promql.syntax import QueryError, parse
from tests.sandbox.promql.exposition import Exposition, exposition


@pytest.fixture
def target() -> Iterator[Exposition]:
    with exposition() as server:
        yield server


@pytest.fixture
def ask() -> Iterator[Callable[[str], tuple[int, bytes]]]:
    with urllib3.PoolManager(retries=False) as http:

        def get(url: str) -> tuple[int, bytes]:
            answer = http.request("GET", url)
            return answer.status, answer.data

        yield get


def test_the_success_rate_comes_from_scraped_samples(target: Exposition, ask: Callable[[str], tuple[int, bytes]]) -> None:
    url = f"http://127.0.0.1:{target.server_port}"
    endpoint = EmbeddedPrometheus([f"{url}/metrics"], [f"{url}/targets"], interval=0.02)
    endpoint.start()
    try:
        endpoint.wait_ready()
        target.await_scrapes(10)
        outcome = read_grouped(*ask(query_url(endpoint.url, builtin_query("request-success-rate", 30)))).of("test", "frontend")
        assert outcome.kind == "value"
        assert outcome.value == pytest.approx(60.0)
        assert read_single(*ask(query_url(endpoint.url, 'up{job="pods",pod="frontend-1"}'))) == Outcome("value", 1.0)
        assert read_single(*ask(query_url(endpoint.url, 'own{exported_pod="mine",pod="frontend-1"} > 0'))).kind == "value"
        assert read_single(*ask(query_url(endpoint.url, 'up{job="nobody"}'))) == NO_DATA
    finally:
        endpoint.stop()


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = EmbeddedPrometheus(port=taken.getsockname()[1])
        with pytest.raises(Unavailable, match="cannot serve metrics on port"):
            endpoint.start()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[EmbeddedPrometheus]:
    server = EmbeddedPrometheus()
    server.start()
    yield server
    server.stop()


REFUSED = {
    "function": ("irate(x[1m])", "function irate()"),
    "aggregation": ("avg(x)", "avg"),
    "aggregation by": ("topk by (a) (3, x)", "topk"),
    "without": ("sum without (a) (x)", "without"),
    "offset": ("x offset 5m", "offset"),
    "at": ("x @ 12", "@ is not supported"),
    "subquery": ("rate(x[5m:1m])", "a subquery"),
    "set operator": ("x and y", "and"),
    "modulo": ("x % 2", "%"),
    "power": ("x ^ 2", "^"),
    "on": ("x / on (a) y", "on"),
    "bool": ("x > bool 1", "bool"),
    "range": ("x[5m]", "a range vector"),
    "string": ('"x"', "a string literal"),
    "lookahead": ('x{a=~"(?!b)"}', "the regular expression"),
    "bare matcher": ('{a!="b"}', "a selector without one label = value"),
    "rate of an instant": ("rate(x)", "rate() of anything but a range selector"),
}


@pytest.mark.parametrize(("query", "named"), REFUSED.values(), ids=REFUSED)
def test_what_it_does_not_know_is_refused_by_name(
    endpoint: EmbeddedPrometheus, ask: Callable[[str], tuple[int, bytes]], query: str, named: str
) -> None:
    status, body = ask(query_url(endpoint.url, query))
    answer = orjson.loads(body)
    assert (status, answer["status"], answer["errorType"]) == (400, "error", "bad_data")
    assert answer["error"].startswith('invalid parameter "query": ')
    assert named in answer["error"]


BROKEN = [
    "",
    "sum(",
    "x{a=1}",
    "x{a}",
    "1 > 2",
    "x[0s]",
    "((((x",
    "x y",
    "(" * 100 + "x",
    "x" * 20_000,
    'x{a=~"("}',
    "sum(1)",
    "1 or x",
    "$",
]


@pytest.mark.parametrize("query", BROKEN)
def test_a_broken_query_is_a_bad_request_not_an_accident(query: str) -> None:
    with pytest.raises(QueryError):
        evaluate(parse(query), Storage(), 0)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/v1/query_range?query=x", 404, "/api/v1/query_range is not supported"),
        ("/api/v1/query?" + urlencode({"query": "x", "limit": "3"}), 400, "parameter 'limit' is not supported"),
        ("/api/v1/query?query=x&time=yesterday", 400, "cannot parse 'yesterday'"),
    ],
)
def test_other_paths_and_parameters_are_refused(
    endpoint: EmbeddedPrometheus, ask: Callable[[str], tuple[int, bytes]], path: str, status: int, words: str
) -> None:
    seen, body = ask(endpoint.url + path)
    assert seen == status
    assert words in orjson.loads(body)["error"]


def test_a_series_that_a_target_no_longer_shows_is_gone_at_once() -> None:
    storage = Storage()
    labels = (("__name__", "x"),)
    for at, value in ((1000, 1.0), (2000, 2.0), (3000, None)):
        storage.add(labels, at, value)
    assert evaluate(parse("x"), storage, 2999) == [(labels, 2.0)]
    assert evaluate(parse("x"), storage, 3000) == []
    assert evaluate(parse("count_over_time(x[10s])"), storage, 3000) == [((), 2.0)]


def test_duplicate_results_are_an_execution_error() -> None:
    storage = Storage()
    for name in ("x", "y"):
        storage.add((("__name__", name), ("a", "1")), 1000, 1.0)
    for query in ('{a="1"} * 2', 'x / {a="1"}', '{a="1"} / x'):
        with pytest.raises(QueryError, match=r"duplicate|same labelset"):
            evaluate(parse(query), storage, 1000)


def test_a_scraped_label_of_the_targets_name_is_exported() -> None:
    assert read_exposition('x{pod="inner",a=""} 1\n', (("pod", "outer"),)) == {
        (("__name__", "x"), ("exported_pod", "inner"), ("pod", "outer")): 1.0
    }


def test_a_quantile_needs_an_open_bucket_and_observations() -> None:
    assert str(quantile_of(0.5, [(1.0, 3.0), (2.0, 4.0)])) == "nan"
    assert str(quantile_of(0.5, [(1.0, 0.0), (float("inf"), 0.0)])) == "nan"
    assert quantile_of(0.5, [(10.0, 4.0), (float("inf"), 4.0)]) == 5.0


def test_one_sample_is_no_rate() -> None:
    assert increase([(1000, 5.0)], 0, 2000) is None


@pytest.mark.parametrize(
    ("value", "text"), [(1e21, "1" + "0" * 21), (0.1, "0.1"), (5.0, "5"), (1e-7, "0.0000001"), (float("-inf"), "-Inf")]
)
def test_numbers_are_written_as_prometheus_writes_them(value: float, text: str) -> None:
    assert number(value) == text
