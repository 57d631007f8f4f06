"""One registry's HTTP: pooled connections, TLS, proxies, retries and size limits; neither logins nor the meaning of an answer."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from gitops_canary.adapters.connections import looking
from gitops_canary.adapters.registry.pace import PATIENCE, Pace
from gitops_canary.adapters.retry_after import asked_pause
from gitops_canary.domain.errors import Unavailable

ATTEMPTS = 4
FIRST_PAUSE = 0.25
"""Seconds before the second attempt, doubled each time, unless the registry says when."""
AGAIN = frozenset({429, 500, 502, 503, 504})
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """Seconds until a connection stands, between two packets, and for a whole answer; bytes of an answer, unpacked."""

    connect: float = 5.0
    read: float = 10.0
    whole: float = 60.0
    size: int = 32 * 1024 * 1024


@dataclass(frozen=True)
class Reply:
    """An answer read to its end."""

    url: str
    status: int
    headers: CaseInsensitiveDict[str] = field(hash=False)
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Unavailable when it is no JSON: a proxy's HTML page, most often."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise Unavailable(f"cannot read the answer of {self.url.partition('?')[0]}: it is not JSON but {self.words()!r}") from error

    def words(self) -> str:
        """The beginning of what it says, on one line and printable."""
        text = self.content[:400].decode(errors="replace")
        return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:160]


class _Pool(HTTPAdapter):
    """Connections that look at whom they have reached, and that trust a private CA as well as the public ones: with `verify=path` requests
    would trust that one alone."""

    def __init__(self, ca: str) -> None:
        self._ca = ca
        super().__init__(pool_maxsize=16, max_retries=urllib3.Retry(0, read=0))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._ca:
            kwargs["ssl_context"] = ssl.create_default_context()
            kwargs["ssl_context"].load_verify_locations(self._ca)
        super().init_poolmanager(*args, **kwargs)
        looking(self.poolmanager)


class Transport:
    """Thread-safe. `clock` and `pause` are in seconds. What cannot be had raises Unavailable; every status is an answer."""

    def __init__(
        self, pace: Pace, *, verify: bool, ca: str, limits: Limits, clock: Callable[[], float], pause: Callable[[float], None]
    ) -> None:
        self._pace, self._verify, self._limits, self._clock, self._pause = pace, verify, limits, clock, pause
        self._session = requests.Session()
        # With REQUESTS_CA_BUNDLE set requests ignores `verify`, and .netrc would add logins: only proxies are taken from the environment.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Pool(ca if verify else ""))

    def send(self, method: str, url: str, headers: Mapping[str, str], data: Mapping[str, str] | None = None) -> Reply:
        """One exchange without following redirects; refused connections, 429 and 5xx are tried again, read time-outs are not."""
        for attempt in range(ATTEMPTS):
            self._pace.take()
            last = attempt == ATTEMPTS - 1
            try:
                reply = self._exchange(method, url, headers, data)
            except (requests.exceptions.SSLError, requests.exceptions.ReadTimeout) as error:
                raise Unavailable(f"cannot reach {_place(url)}: {_reason(error)}") from error
            except requests.exceptions.RequestException as error:
                if last:
                    raise Unavailable(f"cannot reach {_place(url)}: {_reason(error)}") from error
                self._pause(FIRST_PAUSE * 2**attempt)
                continue
            if reply.status not in AGAIN or last:
                return reply
            self._pause(self._wait(reply, attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        self._session.close()

    def _wait(self, reply: Reply, attempt: int) -> float:
        """Seconds until the next attempt; Unavailable when the registry asks for more patience than there is."""
        asked = asked_pause(reply.headers.get("Retry-After"))
        seconds = FIRST_PAUSE * 2**attempt if asked is None else asked
        if reply.status == 429 and asked is not None:
            self._pace.close(seconds)
        if seconds > PATIENCE:
            raise Unavailable(f"cannot ask {_place(reply.url)}: it answered {reply.status}, again in {seconds:.0f} s", retry_after=seconds)
        return seconds

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], data: Mapping[str, str] | None) -> Reply:
        with self._session.request(
            method,
            url,
            headers={"User-Agent": "gitops-canary", **headers},
            data=data,
            timeout=(self._limits.connect, self._limits.read),
            allow_redirects=False,
            stream=True,
            verify=self._verify,
            proxies=get_environ_proxies(url, no_proxy=None),
        ) as answer:
            return Reply(url, answer.status_code, CaseInsensitiveDict(answer.headers), self._body(url, answer))

    def _body(self, url: str, answer: requests.Response) -> bytes:
        """Unpacked piece by piece, so that a small answer that unpacks to gigabytes is noticed in time (B14)."""
        held = bytearray()
        until = self._clock() + self._limits.whole
        for piece in answer.iter_content(CHUNK):
            held += piece
            if len(held) > self._limits.size:
                raise Unavailable(f"cannot read the answer of {_place(url)}: it is larger than {self._limits.size // 1024 // 1024} MiB")
            if self._clock() > until:
                raise Unavailable(f"cannot read the answer of {_place(url)}: it takes longer than {self._limits.whole:.0f} s")
        return bytes(held)


def _place(url: str) -> str:
    """Without query, which may hold a signature."""
    return url.partition("?")[0]


def _reason(error: Exception) -> str:
    """What urllib3 says under requests' wrapping, without addresses of Python objects."""
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner) or inner
    return str(inner).rpartition(">: ")[2][:300]
