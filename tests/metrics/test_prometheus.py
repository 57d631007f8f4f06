"""The Prometheus provider: what is asked and what an answer means; the same queries run on real servers in tests/sandbox/promql."""

import orjson
import pytest

from gitops_canary.metrics import prometheus
from gitops_canary.metrics.prometheus import NO_DATA, Outcome


def answer(*series: tuple[dict[str, str], str], kind: str = "vector") -> bytes:
    rows = [{"metric": labels, "value": [1700000000.1, value]} for labels, value in series]
    return orjson.dumps({"status": "success", "data": {"resultType": kind, "result": rows}})


def workload(namespace: str, name: str) -> dict[str, str]:
    return {"destination_workload_namespace": namespace, "destination_workload": name}


def test_one_answer_serves_every_workload_of_the_fleet() -> None:
    grouped = prometheus.read_grouped(200, answer((workload("test", "frontend"), "62.5"), (workload("prod", "frontend"), "100")))
    assert grouped.of("test", "frontend") == Outcome("value", 62.5)
    assert grouped.of("prod", "frontend") == Outcome("value", 100.0)
    assert grouped.of("test", "backend") == NO_DATA


def test_a_failed_query_is_the_same_error_for_everybody() -> None:
    body = orjson.dumps({"status": "error", "errorType": "bad_data", "error": "parse error: " + "x" * 500})
    outcome = prometheus.read_grouped(400, body).of("test", "frontend")
    assert outcome.kind == "error"
    assert outcome.message.startswith("400: parse error: xxx")
    assert len(outcome.message) <= 5 + prometheus.QUOTE


def test_equal_questions_within_a_second_are_one_query() -> None:
    one = prometheus.group_key("http://prometheus:9090/", "request-duration", 60.0, 1700000000.1)
    assert one == prometheus.group_key("http://prometheus:9090", "request-duration", 60.0, 1700000000.9)
    assert one != prometheus.group_key("http://prometheus:9090", "request-duration", 60.0, 1700000001.0)
    assert one != prometheus.group_key("http://prometheus:9090", "request-success-rate", 60.0, 1700000000.1)


def test_the_queries_read_as_flagger_asks_them_for_every_workload_at_once() -> None:
    assert prometheus.builtin_query("request-duration", 60) == (
        "histogram_quantile(0.99, sum by (le, destination_workload_namespace, destination_workload) "
        '(rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[60s])))'
    )
    success = prometheus.builtin_query("request-success-rate", 1.5)
    assert 'rate(istio_requests_total{reporter="destination",response_code!~"5.*"}[1500ms])' in success
    assert success.endswith(
        '/ sum by (destination_workload_namespace, destination_workload) (rate(istio_requests_total{reporter="destination"}[1500ms])) * 100'
    )


SINGLE = {
    "scalar": (200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"3.5"]}}', Outcome("value", 3.5)),
    "the last series wins": (200, answer(({"a": "1"}, "1"), ({"a": "2"}, "2")), Outcome("value", 2.0)),
    "empty": (200, answer(), NO_DATA),
    "B76 NaN": (200, answer(({}, "NaN")), NO_DATA),
    "infinity": (200, answer(({}, "+Inf")), Outcome("error", None, "a sample whose value is +Inf")),
    "B78 matrix": (
        200,
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}',
        Outcome("error", None, "it answered a matrix where a vector or a scalar is needed"),
    ),
    "B78 odd sample": (200, answer(({}, "many")), Outcome("error", None, "a sample whose value is 'many'")),
    "no pair": (
        200,
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":7}]}}',
        Outcome("error", None, "a sample that is no [time, value] pair"),
    ),
    "row is a number": (
        200,
        b'{"status":"success","data":{"resultType":"vector","result":[7]}}',
        Outcome("error", None, "a series that is no object"),
    ),
    "no result": (200, b'{"status":"success","data":{}}', Outcome("error", None, "its answer has no data.result")),
    "a list": (200, b"[]", Outcome("error", None, "its answer is not a JSON object")),
    "a login page": (200, b"<html>", Outcome("error", None, "its answer is not JSON")),
    "a proxy's page": (502, b"<html>\r\n\x1b[31mBad   gateway", Outcome("error", None, "502: <html> [31mBad gateway")),
    "a timeout on the server": (
        503,
        b'{"status":"error","errorType":"timeout","error":"query timed out"}',
        Outcome("error", None, "503: query timed out"),
    ),
}


@pytest.mark.parametrize(("status", "body", "expected"), SINGLE.values(), ids=SINGLE)
def test_an_answer_is_a_value_no_data_or_an_error(status: int, body: bytes, expected: Outcome) -> None:
    assert prometheus.read_single(status, body) == expected


def test_B77_a_flood_of_series_or_bytes_is_refused() -> None:
    flood = answer(*(({}, "1") for _ in range(prometheus.MAX_SERIES + 1)))
    assert (
        prometheus.read_single(200, flood).message == f"it answered {prometheus.MAX_SERIES + 1} series, more than {prometheus.MAX_SERIES}"
    )
    assert prometheus.read_grouped(200, b" " * (prometheus.MAX_BYTES + 1)).of("a", "b") == prometheus.too_long()


def test_a_grouped_answer_of_another_type_is_an_error() -> None:
    body = b'{"status":"success","data":{"resultType":"scalar","result":[1,"3.5"]}}'
    assert prometheus.read_grouped(200, body).of("a", "b").message == "it answered a scalar where a vector was asked for"


@pytest.mark.parametrize(("window", "text"), [(60, "60s"), (1.5, "1500ms"), (0, "1ms"), (90.0, "90s")])
def test_windows_are_written_as_promql_durations(window: float, text: str) -> None:
    assert prometheus.window_text(window) == text


def test_the_address_may_have_a_path_and_the_query_is_escaped() -> None:
    url = prometheus.query_url("http://prometheus/prefix/", 'up{job="a b"}', at=12.5)
    assert url == "http://prometheus/prefix/api/v1/query?query=up%7Bjob%3D%22a+b%22%7D&time=12.500"
