"""Causes as a real server words them, and the forms of names and numbers that many kinds share."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson
from kubernetes.utils.quantity import parse_quantity

Doc = Mapping[str, Any]
Cause = tuple[str, str]
Checker = Callable[[Doc, Doc | None], Iterator[Cause]]
LABEL_FORM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN_FORM = rf"{LABEL_FORM}(\.{LABEL_FORM})*"
VALUE_FORM = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
NAME_FORM = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_ENDS = "and must start and end with an alphanumeric character"
LABEL_WORDS = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS} "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL_FORM}')"
)
SUBDOMAIN_WORDS = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS} "
    f"(e.g. 'example.com', regex used for validation is '{SUBDOMAIN_FORM}')"
)
VALUE_WORDS = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{VALUE_FORM}')"
)
NAME_WORDS = (
    f"name part must consist of alphanumeric characters, '-', '_' or '.', {_ENDS} "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{NAME_FORM}')"
)
PERCENT_WORDS = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
PORT_WORDS = "must be between 1 and 65535, inclusive"


def shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def required(at: str, why: str = "") -> Cause:
    return at, f"Required value{why and f': {why}'}"


def invalid(at: str, value: Any, why: str) -> Cause:
    return at, f"Invalid value: {shown(value)}: {why}"


def unsupported(at: str, value: Any, *supported: str) -> Cause:
    return at, f"Unsupported value: {shown(value)}: supported values: {', '.join(map(shown, supported))}"


def forbidden(at: str, why: str) -> Cause:
    return at, f"Forbidden: {why}"


def duplicate(at: str, value: Any) -> Cause:
    return at, f"Duplicate value: {shown(value)}"


def label(at: str, value: str) -> Iterator[Cause]:
    """An RFC 1123 label that must be there."""
    if not value:
        yield required(at)
    elif len(value) > 63:
        yield invalid(at, value, "must be no more than 63 characters")
    elif "." in value and re.fullmatch(SUBDOMAIN_FORM, value):
        yield invalid(at, value, "must not contain dots")
    elif not re.fullmatch(LABEL_FORM, value):
        yield invalid(at, value, LABEL_WORDS)


def subdomain(at: str, value: str) -> Iterator[Cause]:
    if len(value) > 253:
        yield invalid(at, value, "must be no more than 253 characters")
    elif not re.fullmatch(SUBDOMAIN_FORM, value):
        yield invalid(at, value, SUBDOMAIN_WORDS)


def labels(at: str, found: Doc | None) -> Iterator[Cause]:
    """Keys and values, all told of at the map itself, as a real server does."""
    for key, value in (found or {}).items():
        yield from qualified(at, key)
        if not isinstance(value, str):
            yield at, f"Invalid value: {key} must be of type string"
        elif len(value) > 63:
            yield invalid(at, value, "must be no more than 63 bytes")
        elif not re.fullmatch(VALUE_FORM, value):
            yield invalid(at, value, VALUE_WORDS)


def qualified(at: str, key: str) -> Iterator[Cause]:
    """`name` or `prefix.example/name`."""
    prefix, _, name = key.rpartition("/")
    if len(name) > 63:
        yield invalid(at, key, "name part must be no more than 63 bytes")
    if not re.fullmatch(NAME_FORM, name) or (prefix and not re.fullmatch(SUBDOMAIN_FORM, prefix)):
        yield invalid(at, key, NAME_WORDS)


def at_least(found: Doc, at: str, names: Iterable[str], least: int = 0) -> Iterator[Cause]:
    """Numbers that may be absent."""
    for name in names:
        if found.get(name) is not None and found[name] < least:
            more = "greater than or equal to 0" if not least else f"greater than {least - 1}"
            yield invalid(f"{at}.{name}", found[name], f"must be {more}")


def one_of(found: Doc, at: str, name: str, *supported: str) -> Iterator[Cause]:
    """A word that may be absent; `at` "" is the object itself."""
    if found.get(name) and found[name] not in supported:
        yield unsupported(f"{at}.{name}" if at else name, found[name], *supported)


def number_or_percent(at: str, value: Any, *, whole: bool = True) -> Iterator[Cause]:
    """`whole`: not more than 100%."""
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]+%", value):
            yield invalid(at, value, PERCENT_WORDS)
        elif whole and int(value[:-1]) > 100:
            yield invalid(at, value, "must not be greater than 100%")
    elif isinstance(value, int) and value < 0:
        yield invalid(at, value, "must be greater than or equal to 0")


def port_number(at: str, value: Any) -> Iterator[Cause]:
    if not isinstance(value, int) or not 0 < value < 65536:
        yield invalid(at, value or 0, PORT_WORDS)


def port_name(at: str, value: str) -> Iterator[Cause]:
    if len(value) > 15:
        yield invalid(at, value, "must be no more than 15 characters")
    elif not re.fullmatch(r"[-a-z0-9]+", value):
        yield invalid(at, value, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    elif not re.search(r"[a-z]", value):
        yield invalid(at, value, "must contain at least one letter (a-z)")


def port(at: str, value: Any) -> Iterator[Cause]:
    """A number or a container port's name."""
    if isinstance(value, str):
        yield from port_name(at, value)
    else:
        yield from port_number(at, value)


def selector(at: str, found: Doc | None) -> Iterator[Cause]:
    """A label selector; nothing and an empty one are its users' business."""
    yield from labels(f"{at}.matchLabels", (found or {}).get("matchLabels"))
    for number, one in enumerate((found or {}).get("matchExpressions") or ()):
        where, operator, values = f"{at}.matchExpressions[{number}]", one.get("operator"), one.get("values")
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            yield invalid(f"{where}.operator", operator, "not a valid selector operator")
        elif operator in ("In", "NotIn") and not values:
            yield required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist") and values:
            yield forbidden(f"{where}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")


def selects(found: Doc, chosen: Doc) -> bool:
    """Whether a sound selector matches those labels."""
    if any(chosen.get(key) != value for key, value in (found.get("matchLabels") or {}).items()):
        return False
    return all(_expression(one, chosen) for one in found.get("matchExpressions") or ())


def _expression(one: Doc, chosen: Doc) -> bool:
    has, inside = one["key"] in chosen, chosen.get(one["key"]) in (one.get("values") or ())
    return {"In": has and inside, "NotIn": not inside, "Exists": has, "DoesNotExist": not has}[one["operator"]]


def amount(text: Any) -> Any:
    """A quantity as a number."""
    return parse_quantity(text)  # type: ignore[no-untyped-call]
