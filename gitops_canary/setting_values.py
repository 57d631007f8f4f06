"""How the words of a setting are read: durations, numbers, names, addresses. ValueError says why not; settings themselves are elsewhere."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`90s`, `5m`, `1h30m`, `500ms` or a bare number of seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text):
        raise ValueError("is not a duration such as 30s, 5m or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text))


def some_time(text: str) -> float:
    """A duration that nothing can be done without end in."""
    found = seconds(text)
    if found < 0.1:
        raise ValueError("is too short: at least 100ms")
    return found


def count(text: str) -> int:
    """A whole number of at least one."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        raise ValueError("is not a whole number of 1 or more")
    return int(text)


def switch(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError("is neither true nor false")
    return known[text.lower()]


def words(text: str) -> tuple[str, ...]:
    """A comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def folder_name(text: str) -> str:
    """One that is a folder's in Git and a label's value in Prometheus."""
    if not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", text):
        raise ValueError("is not a name of up to 63 letters, digits, '-', '_' and '.'")
    return text


def namespace_name(text: str) -> str:
    """A Kubernetes namespace's name, or nothing."""
    if text and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise ValueError("is not the name of a namespace")
    return text


def http_url(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise ValueError("is not an address that begins with http:// or https://")
    return text


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return text

    return parse
