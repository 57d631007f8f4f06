"""The value of a query's tree at one moment, computed as Prometheus 2 computes it; parsing and storing live beside it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitops_canary.sandbox.promql.storage import Labels, Storage
from gitops_canary.sandbox.promql.syntax import COMPARISONS, Binary, Node, Number, OverRange, Quantile, QueryError, Selector, Sum

Vector = list[tuple[Labels, float]]


def evaluate(tree: Node, storage: Storage, at: int) -> float | Vector:
    """A scalar or an instant vector at `at` (ms since the epoch); QueryError where Prometheus reports an execution error."""
    return _Evaluation(storage, at).value(tree)


@dataclass(frozen=True)
class _Evaluation:
    storage: Storage
    at: int

    def value(self, tree: Node) -> float | Vector:
        match tree:
            case Number(value):
                return value
            case Selector():
                return self._instant(tree)
            case OverRange(function, selector):
                return self._over_range(function, selector)
            case Quantile(quantile, buckets):
                return self._quantile(quantile, buckets)
            case Sum(by, of):
                return _sum(by, _vector(self.value(of), "sum"))
            case Binary(operator, left, right):
                return _binary(operator, self.value(left), self.value(right))

    def _instant(self, selector: Selector) -> Vector:
        found = ((series.labels, series.newest(self.at)) for series in self.storage.select(selector))
        return [(labels, value) for labels, value in found if value is not None]

    def _over_range(self, function: str, selector: Selector) -> Vector:
        start = self.at - selector.range_ms
        result: Vector = []
        for series in self.storage.select(selector):
            samples = series.between(start, self.at)
            value = float(len(samples)) or None if function == "count_over_time" else increase(samples, start, self.at)
            if value is not None:
                result.append((_nameless(series.labels), value / (selector.range_ms / 1000) if function == "rate" else value))
        return _distinct(result)

    def _quantile(self, quantile: Node, buckets: Node) -> Vector:
        q = self.value(quantile)
        if not isinstance(q, float):
            raise QueryError("histogram_quantile() needs a number as its first argument")
        histograms: dict[Labels, list[tuple[float, float]]] = {}
        for labels, count in _vector(self.value(buckets), "histogram_quantile"):
            bound = _bound(dict(labels).get("le", ""))
            if bound is not None:
                histograms.setdefault(_without(labels, "__name__", "le"), []).append((bound, count))
        return [(labels, quantile_of(q, found)) for labels, found in histograms.items()]


def increase(samples: Sequence[tuple[int, float]], start: int, end: int) -> float | None:
    """A counter's growth from `start` to `end` (ms), resets undone, extrapolated to the borders as Prometheus 2 does.

    None below two samples. It extends to a border that is nearer than 1.1 times the samples' mean distance, else by half of that distance;
    and backwards never beyond the moment when the counter would have been zero."""
    if len(samples) < 2:
        return None
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    resets = sum(before for (_, before), (_, after) in pairwise(samples) if after < before)
    grown = last - first + resets
    covered = (last_at - first_at) / 1000
    distance = covered / (len(samples) - 1)
    to_start, to_end = (first_at - start) / 1000, (end - last_at) / 1000
    if grown > 0 and first >= 0:
        to_start = min(to_start, covered * (first / grown))
    reach = covered + sum(gap if gap < distance * 1.1 else distance / 2 for gap in (to_start, to_end))
    return grown * (reach / covered)


def quantile_of(q: float, buckets: list[tuple[float, float]]) -> float:
    """The q-quantile of a classic histogram given as (upper bound, cumulative count), interpolated inside its bucket; NaN without
    observations or without a +Inf bucket."""
    merged: dict[float, float] = {}
    for bound, count in sorted(buckets):
        merged[bound] = merged.get(bound, 0.0) + count
    bounds, counts = list(merged), _never_falling(list(merged.values()))
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    if math.isnan(q) or len(bounds) < 2 or not math.isinf(bounds[-1]) or counts[-1] == 0 or math.isnan(counts[-1]):
        return math.nan
    rank = q * counts[-1]
    index = next((place for place, count in enumerate(counts[:-1]) if count >= rank), len(bounds) - 1)
    if index == len(bounds) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    below, under = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    return below + (bounds[index] - below) * _divide(rank - under, counts[index] - under)


def _never_falling(counts: list[float]) -> list[float]:
    """Buckets scraped a moment apart may fall; the larger one below wins."""
    for index in range(1, len(counts)):
        counts[index] = max(counts[index], counts[index - 1])
    return counts


def _sum(by: tuple[str, ...], vector: Vector) -> Vector:
    groups: dict[Labels, float] = {}
    for labels, value in vector:
        group = tuple(pair for pair in labels if pair[0] in by)
        groups[group] = groups.get(group, 0.0) + value
    return list(groups.items())


def _binary(operator: str, left: float | Vector, right: float | Vector) -> float | Vector:
    if operator == "or":
        return _either(_vector(left, "or"), _vector(right, "or"))
    apply = OPERATIONS[operator]
    keeps = operator in COMPARISONS
    if isinstance(left, list) and isinstance(right, list):
        return _matched(apply, keeps, left, right)
    if isinstance(left, list):
        assert not isinstance(right, list)
        pairs = [(labels, value, apply(value, right)) for labels, value in left]
    elif isinstance(right, list):
        pairs = [(labels, value, apply(left, value)) for labels, value in right]
    elif keeps:
        raise QueryError("parse error: comparisons between scalars must use BOOL modifier")
    else:
        return apply(left, right)
    if keeps:
        return [(labels, value) for labels, value, result in pairs if result]
    return _distinct([(_nameless(labels), result) for labels, _, result in pairs])


def _matched(apply: Callable[[float, float], float], keeps: bool, left: Vector, right: Vector) -> Vector:
    """Pairs of equal label sets, name aside; what has no partner is dropped."""
    partners: dict[Labels, float] = {}
    for labels, value in right:
        if _nameless(labels) in partners:
            raise QueryError("found duplicate series for the match group on the right hand-side of the operation")
        partners[_nameless(labels)] = value
    result: Vector = []
    for labels, value in left:
        if (key := _nameless(labels)) in partners:
            outcome = apply(value, partners[key])
            if not keeps or outcome:
                result.append((labels, value) if keeps else (key, outcome))
    if len({_nameless(labels) for labels, _ in result}) < len(result):
        raise QueryError("found duplicate series for the match group on the left hand-side of the operation")
    return result


def _either(left: Vector, right: Vector) -> Vector:
    known = {_nameless(labels) for labels, _ in left}
    return left + [(labels, value) for labels, value in right if _nameless(labels) not in known]


def _divide(left: float, right: float) -> float:
    """IEEE division: Python raises where Go gives an infinity or NaN."""
    if right != 0:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1.0, right)


OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    ">": lambda a, b: float(a > b),
    "<": lambda a, b: float(a < b),
    ">=": lambda a, b: float(a >= b),
    "<=": lambda a, b: float(a <= b),
}


def _vector(value: float | Vector, where: str) -> Vector:
    if not isinstance(value, list):
        raise QueryError(f"parse error: expected type instant vector in {where}, got scalar")
    return value


def _distinct(vector: Vector) -> Vector:
    if len({labels for labels, _ in vector}) < len(vector):
        raise QueryError("vector cannot contain metrics with the same labelset")
    return vector


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _without(labels: Labels, *names: str) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names)


def _nameless(labels: Labels) -> Labels:
    return _without(labels, "__name__")
