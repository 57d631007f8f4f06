"""Text of a query to its tree; what lies outside the part of PromQL that our queries use is refused by name. Nothing is evaluated here."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

MAX_QUERY = 10_000
MAX_DEPTH = 60

UNSUPPORTED = "is not supported by the sandbox's metrics endpoint (install Prometheus and it is used instead)"
RANGE_FUNCTIONS = ("rate", "increase", "count_over_time")
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
PRECEDENCE = {"or": 1, **dict.fromkeys(COMPARISONS, 2), "+": 3, "-": 3, "*": 4, "/": 4}
REFUSED_OPERATORS = ("and", "unless", "%", "^", "atan2")
REFUSED_WORDS = ("on", "ignoring", "group_left", "group_right", "bool", "offset", "without", "@")
REFUSED_AGGREGATIONS = ("avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "quantile", "group", "count_values")

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
TOKEN = re.compile(
    r"""\s*(?:(?P<comment>\#[^\n]*)
    |(?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![\w.]))
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<name>[a-zA-Z_][a-zA-Z0-9_:]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<symbol>=~|!~|==|!=|>=|<=|[-+*/%^(){}\[\],=<>@:]))""",
    re.VERBOSE,
)


class QueryError(Exception):
    """The query cannot be read, or asks for what is not here; `str()` is the sentence for the user."""


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Matcher:
    label: str
    operator: Literal["=", "!=", "=~", "!~"]
    value: str


@dataclass(frozen=True)
class Selector:
    """Series of a name; `range_ms` > 0 selects the samples of that many milliseconds instead of the newest one."""

    matchers: tuple[Matcher, ...]
    range_ms: int = 0


@dataclass(frozen=True)
class OverRange:
    function: Literal["rate", "increase", "count_over_time"]
    selector: Selector


@dataclass(frozen=True)
class Quantile:
    quantile: "Node"
    buckets: "Node"


@dataclass(frozen=True)
class Sum:
    by: tuple[str, ...]
    of: "Node"


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Node"
    right: "Node"


Node: TypeAlias = Number | Selector | OverRange | Quantile | Sum | Binary


def parse(text: str) -> Node:
    """The query's tree; QueryError says what is wrong or not supported."""
    if len(text) > MAX_QUERY:
        raise QueryError(f"query is longer than {MAX_QUERY} characters")
    reader = _Reader(_tokens(text))
    tree = reader.expression()
    if reader.kind != "end":
        raise reader.unexpected()
    if isinstance(tree, Selector) and tree.range_ms:
        raise QueryError(f"a range vector as the whole query {UNSUPPORTED}")
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if not match or match.lastgroup is None:
            raise QueryError(f"parse error: unexpected character {text[at:].lstrip()[0]!r} at character {at + 1}")
        if match.lastgroup != "comment":
            tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*tokens, ("end", "")]


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def text(self) -> str:
        return self._tokens[self._at][1]

    def unexpected(self) -> QueryError:
        if self.text.lower() in REFUSED_OPERATORS or self.text.lower() in REFUSED_WORDS:
            return QueryError(f"{self.text} {UNSUPPORTED}")
        return QueryError(f"parse error: unexpected {self.text!r}" if self.text else "parse error: unexpected end of the query")

    def expression(self, above: int = 0) -> Node:
        """Everything that binds tighter than `above`; all these operators associate to the left."""
        self._deeper()
        left = self._unary()
        while PRECEDENCE.get(operator := self.text.lower(), 0) > above and self.kind in ("symbol", "name"):
            self._next()
            if self.text.lower() in REFUSED_WORDS:
                raise self.unexpected()
            left = _binary(operator, left, self.expression(PRECEDENCE[operator]))
        self._depth -= 1
        return left

    def _unary(self) -> Node:
        if self.kind == "symbol" and self.text in "+-":
            sign = self._next()
            inner = self.expression(PRECEDENCE["*"])
            return inner if sign == "+" else _binary("*", Number(-1.0), inner)
        return self._primary()

    def _primary(self) -> Node:
        if self.kind == "number":
            return Number(float(self._next()))
        if self.kind == "symbol" and self.text == "(":
            self._next()
            inner = self.expression()
            self._expect(")")
            return inner
        if self.kind == "symbol" and self.text == "{":
            return self._selector("")
        if self.kind == "string":
            raise QueryError(f"a string literal {UNSUPPORTED}")
        if self.kind != "name":
            raise self.unexpected()
        return self._named(self._next())

    def _named(self, name: str) -> Node:
        lower = name.lower()
        if lower in ("inf", "nan"):
            return Number(float(lower))
        if lower == "sum" and self.text.lower() in ("(", "by", "without"):
            return self._sum()
        called = self.kind == "symbol" and self.text == "("
        if (lower in REFUSED_AGGREGATIONS and (called or self.text.lower() in ("by", "without"))) or lower in REFUSED_OPERATORS:
            raise QueryError(f"{name} {UNSUPPORTED}")
        return self._call(name) if called else self._selector(name)

    def _call(self, name: str) -> Node:
        if name == "histogram_quantile":
            self._expect("(")
            quantile = self.expression()
            self._expect(",")
            buckets = self.expression()
            self._expect(")")
            return Quantile(quantile, buckets)
        if name not in RANGE_FUNCTIONS:
            raise QueryError(f"function {name}() {UNSUPPORTED}")
        self._expect("(")
        inner = self.expression()
        self._expect(")")
        if not isinstance(inner, Selector) or not inner.range_ms:
            raise QueryError(f"{name}() of anything but a range selector like name[1m] {UNSUPPORTED}")
        return OverRange(name, inner)  # type: ignore[arg-type]

    def _sum(self) -> Node:
        by = self._grouping()
        self._expect("(")
        inner = self.expression()
        self._expect(")")
        return Sum(by if by is not None else self._grouping() or (), inner)

    def _grouping(self) -> tuple[str, ...] | None:
        if self.text.lower() == "without":
            raise self.unexpected()
        if self.text.lower() != "by":
            return None
        self._next()
        self._expect("(")
        labels: list[str] = []
        while self.text != ")":
            labels.append(self._take("name"))
            if self.text != ")":
                self._expect(",")
        self._next()
        return tuple(labels)

    def _selector(self, name: str) -> Node:
        matchers = [Matcher("__name__", "=", name)] if name else []
        if self.text == "{":
            matchers += self._matchers()
        if not any(matcher.operator == "=" and matcher.value for matcher in matchers):
            raise QueryError(f"a selector without one label = value {UNSUPPORTED}")
        if self.text != "[":
            return Selector(tuple(matchers))
        self._next()
        width = _milliseconds(self._take("duration"))
        if self.text == ":":
            raise QueryError(f"a subquery {UNSUPPORTED}")
        self._expect("]")
        return Selector(tuple(matchers), width)

    def _matchers(self) -> list[Matcher]:
        self._expect("{")
        found: list[Matcher] = []
        while self.text != "}":
            label, operator = self._take("name"), self._next()
            if operator not in ("=", "!=", "=~", "!~"):
                raise QueryError(f"parse error: unexpected {operator!r} in label matching")
            found.append(Matcher(label, operator, _unquote(self._take("string"))))  # type: ignore[arg-type]
            _check_regex(found[-1])
            if self.text != "}":
                self._expect(",")
        self._next()
        return found

    def _next(self) -> str:
        text = self.text
        self._at += 1
        return text

    def _take(self, kind: str) -> str:
        if self.kind != kind:
            raise self.unexpected()
        return self._next()

    def _expect(self, symbol: str) -> None:
        if self.kind != "symbol" or self.text != symbol:
            raise self.unexpected()
        self._next()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryError(f"query is nested deeper than {MAX_DEPTH}")


def _binary(operator: str, left: Node, right: Node) -> Node:
    scalars = [isinstance(side, Number) for side in (left, right)]
    if operator in COMPARISONS and all(scalars):
        raise QueryError("parse error: comparisons between scalars must use BOOL modifier")
    if operator == "or" and any(scalars):
        raise QueryError('parse error: set operator "or" not allowed in binary scalar expression')
    if any(isinstance(side, Selector) and side.range_ms for side in (left, right)):
        raise QueryError("parse error: binary expression must contain only scalar and instant vector types")
    return Binary(operator, left, right)


def _milliseconds(text: str) -> int:
    total = sum(int(amount) * UNITS[unit] for amount, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))
    if not total:
        raise QueryError("parse error: duration must be greater than 0")
    return total


def _unquote(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), text[1:-1])


def _check_regex(matcher: Matcher) -> None:
    if not matcher.operator.endswith("~"):
        return
    if re.search(r"\(\?[=!<P(>]|\\\d", matcher.value):
        raise QueryError(f"the regular expression {matcher.value!r} {UNSUPPORTED}")
    try:
        re.compile(matcher.value)
    except re.error as error:
        raise QueryError(f"parse error: {matcher.value!r} is no regular expression: {error}") from None
