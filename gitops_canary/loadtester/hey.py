"""What a `hey` command line asks for, read without a shell; nothing is sent here."""

import re
import shlex
from base64 import b64encode
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from gitops_canary.domain.errors import UserError
from gitops_canary.setting_values import seconds

WORKERS_AT_MOST = 500
BODY_AT_MOST = 64 * 1024
TAKEN = ("n", "c", "q", "z", "m", "H", "t", "A", "d", "T", "a", "host", "cpus", "o")
SWITCHES = ("disable-compression", "disable-keepalive", "disable-redirects")
REFUSED = {"D": "bodies are not read from files", "x": "the proxy comes from http_proxy", "h2": "HTTP/2 is not spoken"}
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Load:
    """`requests` in all when `duration` (seconds) is 0; `rate` is per worker and second, 0 = no limit; hey's defaults."""

    url: str
    requests: int = 200
    workers: int = 50
    rate: float = 0.0
    duration: float = 0.0
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    timeout: float = 20.0
    keep_alive: bool = True
    compress: bool = True
    redirects: bool = True


def is_hey(command: str) -> bool:
    return command.split(None, 1)[:1] == ["hey"]


def read_load(command: str) -> Load:
    """UserError names the flag that cannot be taken and why."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"cannot read {command[:80]!r}: {error}") from error
    options, rest = _options(words[1:])
    if len(rest) != 1 or urlsplit(rest[0]).scheme not in ("http", "https") or not urlsplit(rest[0]).hostname:
        raise UserError(f"cannot read {command[:80]!r}: one http:// or https:// URL must stand at its end, without shell syntax")
    try:
        return _load(rest[0], options)
    except ValueError as error:
        raise UserError(f"cannot read {command[:80]!r}: {error}") from error


def _options(words: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Go's flag rules: `-q 10`, `-q=10`, `--q 10`; the first word that is no flag ends them."""
    found: list[tuple[str, str]] = []
    while words and words[0].startswith("-") and words[0] not in ("-", "--"):
        name, equals, value = words.pop(0).lstrip("-").partition("=")
        if name in REFUSED:
            raise UserError(f"cannot use hey -{name}: {REFUSED[name]}")
        if name not in TAKEN + SWITCHES:
            raise UserError(f"cannot use hey -{name[:20]}: hey has no such flag")
        if name in TAKEN and not equals:
            if not words:
                raise UserError(f"cannot use hey -{name}: its value is missing")
            value = words.pop(0)
        found.append((name, value))
    return found, words


def _load(url: str, options: list[tuple[str, str]]) -> Load:
    one = dict(options)
    headers = [_header(value) for name, value in options if name == "H"]
    headers += [(header, one[name]) for name, header in (("A", "Accept"), ("T", "Content-Type"), ("host", "Host")) if name in one]
    load = Load(
        url,
        _number(one, "n", 200, 10**9),
        _number(one, "c", 50, WORKERS_AT_MOST),
        float(one.get("q", "0")),
        seconds(one["z"]) if "z" in one else 0.0,
        one.get("m", "GET").upper(),
        tuple(headers),
        one.get("d", ""),
        float(one.get("t", "20")),
        "disable-keepalive" not in one,
        "disable-compression" not in one,
        "disable-redirects" not in one,
    )
    if load.method not in METHODS:
        raise ValueError(f"-m {load.method[:20]} is none of {', '.join(METHODS)}")
    if len(load.body) > BODY_AT_MOST or not 0 <= load.rate < 1e6 or not 0 <= load.timeout < 1e6:
        raise ValueError("a value is too large or negative")
    return _with_login(load, one.get("a", ""))


def _number(one: dict[str, str], name: str, default: int, most: int) -> int:
    number = int(one.get(name, default))
    if not 1 <= number <= most:
        raise ValueError(f"-{name} {number} is not between 1 and {most}")
    return number


def _header(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([^\r\n]*)", text)
    if match is None:
        raise ValueError("-H is not written as 'Name: value'")
    return match[1], match[2]


def _with_login(load: Load, login: str) -> Load:
    if not login:
        return load
    return replace(load, headers=(*load.headers, ("Authorization", f"Basic {b64encode(login.encode()).decode()}")))
