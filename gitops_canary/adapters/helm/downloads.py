"""Files from the web: bounded in time, size and redirects; a login goes to the host it belongs to and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import urllib3

from gitops_canary.adapters.exchange import Exchange, NoAnswer
from gitops_canary.adapters.guards import check_way
from gitops_canary.domain.errors import Unavailable, UserError

REDIRECTS = 5
FOLLOWED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Login:
    username: str
    password: str = field(repr=False)

    def header(self) -> Mapping[str, str]:
        return dict(urllib3.make_headers(basic_auth=f"{self.username}:{self.password}"))


class Downloads:
    """`home`: the place that the login belongs to and that redirects are judged from (a chart repository)."""

    def __init__(self, exchange: Exchange, timeout: float = 30.0) -> None:
        self._exchange, self._timeout = exchange, timeout

    def get(self, url: str, *, limit: int, login: Login | None = None, home: str = "") -> bytes:
        """UserError for what a person must mend (404, 401, too large), Unavailable otherwise; neither shows a login or a query."""
        home = home or url
        for _ in range(REDIRECTS + 1):
            if url != home:
                check_way(url, home, "the address")
            headers = login.header() if login and place_of(url) == place_of(home) else {}
            try:
                reply = self._exchange.send("GET", url, headers, None, self._timeout, limit)
            except NoAnswer as error:
                raise Unavailable(f"cannot download {shown(url)}: {error}") from error
            if reply.status not in FOLLOWED or not reply.headers.get("Location"):
                return _body(reply.status, reply.body, reply.whole, url, limit)
            url = urljoin(url, reply.headers["Location"])
        raise UserError(f"cannot download {shown(url)}: it redirects more than {REDIRECTS} times")


def place_of(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def shown(url: str) -> str:
    """Without login and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _body(status: int, body: bytes, whole: bool, url: str, limit: int) -> bytes:
    if status == 200:
        if not whole:
            raise UserError(f"cannot download {shown(url)}: it is larger than {limit:,} bytes")
        return body
    if status in (401, 403):
        raise UserError(f"cannot download {shown(url)}: the server answered {status}", hint="name a Secret with username and password")
    if status in (404, 410):
        raise UserError(f"cannot download {shown(url)}: it is not there ({status})")
    raise Unavailable(f"cannot download {shown(url)}: the server answered {status}")
