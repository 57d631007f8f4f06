"""One bounded HTTP exchange with a hook, a metrics server or a receiver of notices: time, size and no redirects; who asks is elsewhere."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import orjson
import urllib3

from gitops_canary.adapters.connections import looking
from gitops_canary.adapters.guards import check_address, proxy_of
from gitops_canary.domain.errors import UserError

CHUNK = 64 * 1024
ERRNO = re.compile(r"\[Errno -?\d+\] ")
HOSTS = 64
"""Hosts whose connections are kept open."""


class NoAnswer(Exception):
    """Nothing came, or not in time; the words name the host and never a path, query or login, which may be secret."""


@dataclass(frozen=True)
class Reply:
    """`body` is cut at the limit; `whole` says whether that was all."""

    status: int
    body: bytes
    whole: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def words(self, most: int = 500) -> str:
        """What it says, on one line and printable."""
        text = self.body.decode(errors="replace")
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return line if len(line) <= most else line[: most - 1] + "…"


class Exchange:
    """Thread-safe; keeps connections open. Proxies come from the environment, as in Go's default client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, bool], urllib3.PoolManager] = {}

    def post(self, url: str, payload: Mapping[str, object], timeout: float, *, limit: int = CHUNK, disable_tls: bool = False) -> Reply:
        """POST JSON; the only header is the content type, as Flagger sends it."""
        body = orjson.dumps(payload, default=str, option=orjson.OPT_NON_STR_KEYS)
        return self.send("POST", url, {"Content-Type": "application/json"}, body, timeout, limit, disable_tls)

    def get(self, url: str, timeout: float, limit: int) -> Reply:
        return self.send("GET", url, {}, None, timeout, limit)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
        limit: int,
        disable_tls: bool = False,
        proxy: str = "",
    ) -> Reply:
        """NoAnswer when there is none within `timeout` seconds, connecting and reading together. `proxy` goes before the environment's."""
        try:
            check_address(url, "address")
            bare, login = _without_login(url)
            until = time.monotonic() + timeout
            answer = self._pool(bare, disable_tls, proxy).request(
                method,
                bare,
                body=body,
                headers={**headers, **login},
                timeout=urllib3.Timeout(connect=timeout, read=timeout),
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except UserError as error:
            raise NoAnswer(str(error)) from error
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise NoAnswer(f"{host_of(url) or 'an address that is no URL'}: {_reason(error)}") from error
        return _read(answer, url, until, timeout, limit)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.clear()

    def _pool(self, url: str, disable_tls: bool, proxy: str) -> urllib3.PoolManager:
        proxy = proxy or proxy_of(url)
        with self._lock:
            if (proxy, disable_tls) not in self._pools:
                options = {"num_pools": HOSTS, "maxsize": 8, "cert_reqs": "CERT_NONE" if disable_tls else "CERT_REQUIRED"}
                self._pools[proxy, disable_tls] = (
                    urllib3.ProxyManager(proxy, proxy_headers=_proxy_login(proxy), **options)  # type: ignore[arg-type]
                    if proxy
                    else looking(urllib3.PoolManager(**options))  # type: ignore[arg-type]
                )
            return self._pools[proxy, disable_tls]


def _proxy_login(proxy: str) -> dict[str, str]:
    """urllib3 leaves out the user info of a proxy's URL."""
    login = urlsplit(proxy)
    if not login.username:
        return {}
    return dict(urllib3.make_headers(proxy_basic_auth=f"{unquote(login.username)}:{unquote(login.password or '')}"))


def _read(answer: urllib3.BaseHTTPResponse, url: str, until: float, timeout: float, limit: int) -> Reply:
    """Piece by piece: an answer that drips or never ends is left when its time or its size is up."""
    held = bytearray()
    try:
        while piece := answer.read1(CHUNK):
            held += piece
            if len(held) > limit:
                answer.close()
                return Reply(answer.status, bytes(held[:limit]), False, answer.headers)
            if time.monotonic() > until:
                answer.close()
                raise NoAnswer(f"{host_of(url) or 'an address that is no URL'}: no whole answer within {timeout:g}s")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        answer.close()
        raise NoAnswer(f"{host_of(url) or 'an address that is no URL'}: {_reason(error)}") from error
    answer.release_conn()
    return Reply(answer.status, bytes(held), True, answer.headers)


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """`http://user:password@host` as a bare URL and a header."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    header = urllib3.make_headers(basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), dict(header)


def host_of(url: str) -> str:
    """Host and port for messages and bounds: never the path, which may hold a secret; "" when it is no URL."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname or "")
    except ValueError:
        return ""


def _reason(error: Exception) -> str:
    """urllib3's sentence without addresses of Python objects, and without the URL's path."""
    # A refused connection is a ConnectTimeoutError to urllib3, by inheritance only.
    late = (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.ConnectTimeoutError)
    if isinstance(error, late) and not isinstance(error, urllib3.exceptions.NewConnectionError):
        return "no answer in time"
    return ERRNO.sub("", str(error)).rpartition(": ")[2][:200] or type(error).__name__
