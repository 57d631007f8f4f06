"""Prometheus as Flagger's Istio provider asks it, one answer for the whole fleet; pure: the HTTP belongs to the adapter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import orjson

Builtin = Literal["request-success-rate", "request-duration"]

GROUP = ("destination_workload_namespace", "destination_workload")
MAX_BYTES = 16 * 1024 * 1024
"""An answer longer than this is refused unread: 10,000 workloads need about 2 MB."""
MAX_SERIES = 50_000
"""More series than this are refused: a million of them would hold the lane for seconds."""
QUOTE = 200
"""Characters of the server's own words that a sentence carries."""


@dataclass(frozen=True)
class Outcome:
    """What a query says: `value` (percent, milliseconds, or the query's own unit), `no-data` (no series, or NaN), or `error` with words."""

    kind: Literal["value", "no-data", "error"]
    value: float | None = None
    message: str = ""


NO_DATA = Outcome("no-data")
Workload = tuple[str, str]


@dataclass(frozen=True)
class Grouped:
    """The whole fleet's answer to a built-in query; `error` stands for everybody when the query itself failed."""

    values: Mapping[Workload, Outcome]
    error: Outcome | None = None

    def of(self, namespace: str, workload: str) -> Outcome:
        return self.error or self.values.get((namespace, workload), NO_DATA)


@dataclass(frozen=True)
class GroupKey:
    """Equal keys are one query: a server is asked once per metric, window and second, whoever wants to know."""

    address: str
    metric: Builtin
    window: float
    second: int


def group_key(address: str, metric: Builtin, window: float, now: float) -> GroupKey:
    """`window` in seconds, `now` in seconds since the epoch."""
    return GroupKey(address.rstrip("/"), metric, window, int(now))


def builtin_query(metric: Builtin, window: float) -> str:
    """PromQL over the last `window` seconds for every workload: success rate in percent, or the 99th percentile in milliseconds.

    Flagger asks per workload, with the same selectors. Where every request failed Flagger's division has no left side and reports
    "no values"; here `or … * 0` makes it 0 %."""
    match metric:
        case "request-success-rate":
            good = _sum_of_rate("istio_requests_total", 'response_code!~"5.*"', window)
            every = _sum_of_rate("istio_requests_total", "", window)
            return f"({good} or {every} * 0) / {every} * 100"
        case "request-duration":
            return f"histogram_quantile(0.99, {_sum_of_rate('istio_request_duration_milliseconds_bucket', '', window, 'le')})"


def query_url(address: str, expression: str, at: float | None = None) -> str:
    """The instant query's URL; `at` in seconds since the epoch, None = the server's now."""
    parameters = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
    return f"{address.rstrip('/')}/api/v1/query?{urlencode(parameters)}"


def read_grouped(status: int, body: bytes) -> Grouped:
    """A built-in query's answer by (namespace, workload)."""
    result = _result(status, body)
    if isinstance(result, Outcome):
        return Grouped({}, None if result is NO_DATA else result)
    kind, rows = result
    if kind != "vector":
        return Grouped({}, _error(f"it answered a {kind} where a vector was asked for"))
    values: dict[Workload, Outcome] = {}
    for row in rows:
        labels = row.get("metric") if isinstance(row, dict) else None
        if not isinstance(labels, dict):
            return Grouped({}, _error("a series without labels"))
        values[str(labels.get(GROUP[0], "")), str(labels.get(GROUP[1], ""))] = _sample(row.get("value"))
    return Grouped(values)


def read_single(status: int, body: bytes) -> Outcome:
    """An inline query's or template's answer: a scalar, or a vector of which the last series wins (as in Flagger); ranges are refused."""
    result = _result(status, body)
    if isinstance(result, Outcome):
        return result
    kind, rows = result
    if kind == "scalar":
        return _sample(rows)
    if kind != "vector":
        return _error(f"it answered a {kind} where a vector or a scalar is needed")
    last = rows[-1]
    return _sample(last.get("value")) if isinstance(last, dict) else _error("a series that is no object")


def unreachable(reason: str) -> Outcome:
    """The outcome of a request that got no answer: refused, timed out, cut off."""
    return _error(reason)


def too_long() -> Outcome:
    """The outcome of an answer that was not read to its end because it passed MAX_BYTES."""
    return _error(f"its answer is longer than {MAX_BYTES // 1024 // 1024} MiB")


def window_text(window: float) -> str:
    """A PromQL duration: `60s`, or `1500ms` where seconds are not whole; at least 1 ms."""
    milliseconds = max(1, round(window * 1000))
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def _sum_of_rate(name: str, matcher: str, window: float, *more: str) -> str:
    matchers = ",".join(filter(None, ('reporter="destination"', matcher)))
    return f"sum by ({', '.join((*more, *GROUP))}) (rate({name}{{{matchers}}}[{window_text(window)}]))"


def _result(status: int, body: bytes) -> tuple[str, list[Any]] | Outcome:
    """The result's type and rows; an Outcome where there is nothing to read."""
    if len(body) > MAX_BYTES:
        return too_long()
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _error(f"{status}: {_quote(body.decode(errors='replace'))}" if status >= 400 else "its answer is not JSON")
    if not isinstance(answer, dict):
        return _error("its answer is not a JSON object")
    if status >= 400 or answer.get("status") != "success":
        return _error(f"{status}: {_quote(str(answer.get('error') or answer.get('errorType') or body.decode(errors='replace')))}")
    data = answer.get("data")
    rows = data.get("result") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(rows, list):
        return _error("its answer has no data.result")
    if not rows:
        return NO_DATA
    if len(rows) > MAX_SERIES:
        return _error(f"it answered {len(rows)} series, more than {MAX_SERIES}")
    return str(data.get("resultType")), rows


def _sample(pair: object) -> Outcome:
    """A `[time, "value"]` pair. NaN is no data (0 requests in the window divide 0 by 0); an infinity is no number to judge by."""
    if not isinstance(pair, list) or len(pair) != 2:
        return _error("a sample that is no [time, value] pair")
    try:
        value = float(pair[1])
    except (TypeError, ValueError):
        return _error(f"a sample whose value is {_quote(str(pair[1]))!r}")
    if math.isnan(value):
        return NO_DATA
    return Outcome("value", value) if math.isfinite(value) else _error(f"a sample whose value is {pair[1]}")


def _error(message: str) -> Outcome:
    return Outcome("error", None, message)


def _quote(text: str) -> str:
    """The server's words on one line, without control characters, cut."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= QUOTE else line[: QUOTE - 1] + "…"
