"""One API server over HTTP: requests and streams of raw objects through the `kubernetes` package's connection pool.

Knows no kinds and no cache; where server and credentials come from is `configuration`'s.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
import urllib3

from gitops_canary import __version__
from gitops_canary.adapters.cluster.answers import refusal
from gitops_canary.adapters.retry_after import asked_pause
from gitops_canary.domain.errors import Unavailable, UserError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Limits:
    """Seconds, but for the sizes."""

    connect: float = 3.0
    read: float = 10.0
    """Longer than any single write takes on a loaded server, shorter than the lease's renew deadline (rule O3)."""
    silence: float = 90.0
    """A watch that hears nothing for so long is opened anew; the server's bookmarks come about each minute."""
    retry_after: float = 2.0
    """The longest Retry-After that a request waits for itself, once; longer ones go to the caller as Unavailable."""
    connections: int = 48
    """Kept alive: the watches, the lanes' workers and some slack; more than these are opened and thrown away."""
    answer_bytes: int = 64 * 2**20


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    retry_after: str | None

    def doc(self) -> Any:
        """Unavailable for what is no JSON: something between us and the API server has answered in its place."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Unavailable(f"cannot read the API server's answer of {len(self.body)} bytes: it is no JSON") from error


@dataclass(frozen=True)
class _Call:
    verb: str
    target: str
    body: bytes | None
    headers: dict[str, str]
    within: float
    doing: str


class _BrokeOff(Unavailable):
    """The connection ended before the answer did: not a time limit, and not a server that is not there."""


class Stream:
    """The lines of a watch as objects; `close` may come from any thread and ends a waiting reader."""

    def __init__(self, response: urllib3.BaseHTTPResponse, silence: float) -> None:
        """`silence`: seconds without a byte after which the connection counts as dead."""
        self._response = response
        socket = getattr(response.connection, "sock", None)
        if socket is not None:
            socket.settimeout(silence)

    def __iter__(self) -> Iterator[Any]:
        """Ends when the server ends it; Unavailable when the connection breaks or stays silent."""
        rest = b""
        try:
            for chunk in self._response.stream(2**16):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (orjson.loads(line) for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, orjson.JSONDecodeError) as error:
            raise Unavailable(f"cannot go on watching: {error}") from error
        finally:
            self._response.close()

    def close(self) -> None:
        try:
            self._response.shutdown()
        except (ValueError, OSError, RuntimeError):
            # It has ended already, or there is no socket to shut down any more.
            self._response.close()


class Connection:
    """Thread-safe. `load` makes the `kubernetes` package's client; it is called again when the server no longer takes our credentials."""

    def __init__(self, load: "Callable[[], ApiClient]", limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._load = load
        self._client = load()
        self._renewing = threading.Lock()
        self._closed = threading.Event()

    @property
    def server(self) -> str:
        return str(self._client.configuration.host)

    def request(
        self,
        verb: str,
        path: str,
        *,
        doing: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content: str = JSON,
        accept: str = JSON,
        as_user: str = "",
        missing_ok: bool = False,
        within: float | None = None,
    ) -> Answer:
        """One answered request; with `missing_ok` a 404 is an answer too. Refusals as `answers.refusal` says; silence for `within` seconds
        (default: `limits.read`) is Unavailable."""
        sent = None if body is None else orjson.dumps(body)
        headers = {"Accept": accept} | ({"Content-Type": content} if sent is not None else {})
        if as_user:
            headers["Impersonate-User"] = as_user
        answer = self._answer(_Call(verb, _target(path, query), sent, headers, within or self.limits.read, doing))
        if answer.status < 400 or (missing_ok and answer.status == 404):
            return answer
        raise refusal(doing, answer.status, answer.body, answer.retry_after)

    def stream(self, path: str, *, doing: str, query: Mapping[str, str], accept: str = JSON) -> Stream:
        """A watch: it begins within `limits.read` and then may be silent for `limits.silence`."""
        call = _Call("GET", _target(path, query), None, {"Accept": accept}, self.limits.read, doing)
        response = self._send(call)
        if response.status == 401:
            response.drain_conn()
            self._renew(self._client)
            response = self._send(call)
        if response.status >= 400:
            answer = self._read(response, call)
            raise refusal(doing, answer.status, answer.body, answer.retry_after)
        return Stream(response, self.limits.silence)

    def close(self) -> None:
        """No request waits for a Retry-After any more; idle connections are dropped."""
        self._closed.set()
        self._client.rest_client.pool_manager.clear()

    def _answer(self, call: "_Call") -> Answer:
        answer = self._once(call)
        if answer.status == 401:
            # The in-cluster token, an exec plugin's or the kubeconfig itself may have been renewed meanwhile.
            self._renew(self._client)
            return self._once(call)
        if answer.status == 429 and self._waited(answer.retry_after):
            return self._once(call)
        return answer

    def _waited(self, retry_after: str | None) -> bool:
        """Too many requests: nothing was done, so that even a write may be sent again."""
        seconds = asked_pause(retry_after) or 0.0
        return 0 < seconds <= self.limits.retry_after and not self._closed.wait(seconds)

    def _once(self, call: "_Call") -> Answer:
        try:
            return self._read(self._send(call), call)
        except _BrokeOff:
            if call.verb != "GET":
                raise
            # A kept-alive connection that the server closed at this very moment; only reads may be sent twice.
            return self._read(self._send(call), call)

    def _send(self, call: "_Call") -> urllib3.BaseHTTPResponse:
        client = self._client
        try:
            answer: urllib3.BaseHTTPResponse = client.rest_client.pool_manager.request(
                call.verb,
                self.server.rstrip("/") + call.target,
                body=call.body,
                headers=call.headers | _authorization(client) | {"User-Agent": f"gitops-canary/{__version__}"},
                timeout=urllib3.Timeout(connect=self.limits.connect, read=call.within),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._silence(call, "no answer from", error) from error
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, call: "_Call") -> Answer:
        limit = self.limits.answer_bytes
        try:
            body = response.read(limit + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._silence(call, "a broken answer from", error) from error
        finally:
            response.release_conn()
        if len(body) > limit:
            response.close()
            raise UserError(f"cannot {call.doing}: the answer of {self.server} has more than {limit} bytes")
        return Answer(response.status, body, response.headers.get("Retry-After"))

    def _silence(self, call: "_Call", what: str, error: Exception) -> Unavailable:
        kind = _BrokeOff if isinstance(error, urllib3.exceptions.ProtocolError) else Unavailable
        return kind(f"cannot {call.doing}: {what} {self.server}: {_reason(error)}")

    def _renew(self, refused: "ApiClient") -> None:
        """Loads the credentials anew, once for all threads that were refused with the same ones."""
        with self._renewing:
            if self._client is refused:
                self._client = self._load()


def _authorization(client: "ApiClient") -> dict[str, str]:
    """Asked at each request: this is where the in-cluster token is read again and an expired exec credential renewed."""
    settings = client.configuration.auth_settings().get("BearerToken")
    if settings and settings["value"]:
        return {"Authorization": settings["value"]}
    return {"Authorization": client.configuration.get_basic_auth_token()} if client.configuration.username else {}


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _reason(error: Exception) -> str:
    """urllib3 wraps the reason in the request's own text; the innermost sentence is the one to show."""
    cause = error.__cause__ or error.__context__
    return str(cause or error) or type(error).__name__
