"""One API server over HTTP: configuration, authentication and TLS by the `kubernetes` package, requests and streams of raw objects.

Knows no kinds and no cache. The only file that imports `kubernetes`.
"""

import ipaddress
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import orjson
import urllib3

from gitops_canary import __version__
from gitops_canary.adapters.cluster.answers import refusal
from gitops_canary.domain.errors import Unavailable, UserError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


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
        return orjson.loads(self.body)


class Stream:
    """The lines of a watch as objects; `close` may come from any thread and ends a waiting reader."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

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
    ) -> Answer:
        """One answered request; with `missing_ok` a 404 is an answer too. Refusals as `answers.refusal` says, silence is Unavailable."""
        sent = None if body is None else orjson.dumps(body)
        headers = {"Accept": accept} | ({"Content-Type": content} if sent is not None else {})
        if as_user:
            headers["Impersonate-User"] = as_user
        answer = self._answer(verb, _target(path, query), sent, headers, doing)
        if answer.status < 400 or (missing_ok and answer.status == 404):
            return answer
        raise refusal(doing, answer.status, answer.body, answer.retry_after)

    def stream(self, path: str, *, doing: str, query: Mapping[str, str], accept: str = JSON) -> Stream:
        """A watch; the read time limit is `limits.silence`."""
        target, headers = _target(path, query), {"Accept": accept}
        response = self._send("GET", target, None, headers, self.limits.silence, doing)
        if response.status == 401:
            response.drain_conn()
            self._renew(self._client)
            response = self._send("GET", target, None, headers, self.limits.silence, doing)
        if response.status >= 400:
            answer = self._read(response, doing)
            raise refusal(doing, answer.status, answer.body, answer.retry_after)
        return Stream(response)

    def close(self) -> None:
        """No request waits for a Retry-After any more; idle connections are dropped."""
        self._closed.set()
        self._client.rest_client.pool_manager.clear()

    def _answer(self, verb: str, target: str, sent: bytes | None, headers: dict[str, str], doing: str) -> Answer:
        answer = self._once(verb, target, sent, headers, doing)
        if answer.status == 401:
            # The in-cluster token, an exec plugin's or the kubeconfig itself may have been renewed meanwhile.
            self._renew(self._client)
            return self._once(verb, target, sent, headers, doing)
        if answer.status == 429 and self._waited(answer.retry_after):
            return self._once(verb, target, sent, headers, doing)
        return answer

    def _waited(self, retry_after: str | None) -> bool:
        """Too many requests: nothing was done, so that even a write may be sent again."""
        seconds = int(retry_after) if retry_after and retry_after.isdigit() else 0
        return 0 < seconds <= self.limits.retry_after and not self._closed.wait(seconds)

    def _once(self, verb: str, target: str, sent: bytes | None, headers: dict[str, str], doing: str) -> Answer:
        try:
            return self._read(self._send(verb, target, sent, headers, self.limits.read, doing), doing)
        except Unavailable:
            if verb != "GET":
                raise
            # A kept-alive connection that the server closed at this very moment; only reads may be sent twice.
            return self._read(self._send(verb, target, sent, headers, self.limits.read, doing), doing)

    def _send(
        self, verb: str, target: str, sent: bytes | None, headers: dict[str, str], read: float, doing: str
    ) -> urllib3.BaseHTTPResponse:
        client = self._client
        timeout = urllib3.Timeout(connect=self.limits.connect, read=read)
        everything = headers | _authorization(client) | {"User-Agent": f"gitops-canary/{__version__}"}
        try:
            answer: urllib3.BaseHTTPResponse = client.rest_client.pool_manager.request(
                verb,
                self.server.rstrip("/") + target,
                body=sent,
                headers=everything,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"cannot {doing}: no answer from {self.server}: {_reason(error)}") from error
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, doing: str) -> Answer:
        limit = self.limits.answer_bytes
        try:
            body = response.read(limit + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"cannot {doing}: the answer of {self.server} broke off: {_reason(error)}") from error
        finally:
            response.release_conn()
        if len(body) > limit:
            response.close()
            raise UserError(f"cannot {doing}: the answer of {self.server} has more than {limit} bytes")
        return Answer(response.status, body, response.headers.get("Retry-After"))

    def _renew(self, refused: "ApiClient") -> None:
        """Loads the credentials anew, once for all threads that were refused with the same ones."""
        with self._renewing:
            if self._client is refused:
                self._client = self._load()


def from_kubeconfig(path: str = "", context: str = "", limits: Limits | None = None) -> Connection:
    """By a kubeconfig file ("" = KUBECONFIG or ~/.kube/config), exec plugins included; UserError when it cannot be used."""

    def load() -> "ApiClient":
        from kubernetes import client, config

        settings = client.Configuration()
        try:
            load_config: Any = config.load_kube_config
            load_config(path or None, context=context or None, client_configuration=settings, persist_config=False)
        except (config.ConfigException, OSError, ValueError) as error:
            raise UserError(f"cannot use the kubeconfig {path or '(default)'}: {error}") from error
        return _client(settings, limits or Limits())

    return Connection(load, limits)


def in_cluster(limits: Limits | None = None, account: Path = ACCOUNT) -> Connection:
    """By the pod's service account; its token is read again each minute, and at once when it is refused."""

    def load() -> "ApiClient":
        from kubernetes import client
        from kubernetes.config import ConfigException
        from kubernetes.config.incluster_config import InClusterConfigLoader

        settings = client.Configuration()
        try:
            loader: Any = InClusterConfigLoader
            loader(str(account / "token"), str(account / "ca.crt")).load_and_set(settings)
        except (ConfigException, OSError) as error:
            raise UserError(f"cannot use the pod's service account: {error}", hint="outside a cluster give --kubeconfig") from error
        return _client(settings, limits or Limits())

    return Connection(load, limits)


def _client(settings: Any, limits: Limits) -> "ApiClient":
    from kubernetes import client

    settings.connection_pool_maxsize = limits.connections
    # Dead peers are noticed below us too, as client-go does.
    settings.keep_alive = True
    if _is_loopback(settings.host):
        # Go's clients never send loopback through HTTPS_PROXY; Python's would.
        settings.proxy = None
    return client.ApiClient(settings)


def _authorization(client: "ApiClient") -> dict[str, str]:
    """Asked at each request: this is where the in-cluster token is read again and an expired exec credential renewed."""
    settings = client.configuration.auth_settings().get("BearerToken")
    if settings and settings["value"]:
        return {"Authorization": settings["value"]}
    return {"Authorization": client.configuration.get_basic_auth_token()} if client.configuration.username else {}


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _reason(error: Exception) -> str:
    """urllib3 wraps the reason in the request's own text; the innermost sentence is the one to show."""
    cause = error.__cause__ or error.__context__
    return str(cause or error) or type(error).__name__
