"""Durations and numbers as Go writes them, since users know Flagger's sentences (`2.415s`, `500ms`, `1m0s`); nothing else."""

import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Reads `15s`, `1m`, `1m30s`, `500ms`; ValueError otherwise."""
    if not re.fullmatch(r"(\d{1,9}(\.\d{1,9})?(ms|s|m|h)){1,4}", text):
        raise ValueError(f"{text!r} is not a duration such as 30s or 5m")
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text))


def go_duration(milliseconds: float) -> str:
    """A whole number of milliseconds as Go's `Duration.String`: the fraction is cut as Flagger cuts it."""
    total = int(milliseconds)
    if total == 0:
        return "0s"
    sign, total = ("-", -total) if total < 0 else ("", total)
    if total < 1000:
        return f"{sign}{total}ms"
    minutes, rest = divmod(total, 60_000)
    tail = f"{go_number(rest / 1000)}s"
    if not minutes:
        return sign + tail
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{tail}" if hours else f"{sign}{minutes}m{tail}"


def go_number(value: float) -> str:
    """As Go's `%v` for the sizes that thresholds have: no trailing zeros, no exponent."""
    return f"{value:.12g}" if abs(value) < 1e12 else repr(value)
