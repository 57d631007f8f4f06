"""Answering a registry's 401: its challenge, the token service it names, and tokens kept until they age; docker-registry-client's
authorization service asks one fixed address and never renews."""

import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from gitops_canary.adapters.guards import check_way
from gitops_canary.adapters.registry.credentials import Login
from gitops_canary.adapters.registry.transport import Reply, Transport
from gitops_canary.domain.errors import Unavailable, UserError

with warnings.catch_warnings():  # importing the package silences every warning of the process
    warnings.simplefilter("ignore")
    from docker_registry_client.AuthorizationService import AuthorizationService

PART = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
SCHEME = re.compile(r"(?:^|,)\s*(Basic|Bearer)\b", re.IGNORECASE)
LIFETIME = 60.0
"""Seconds of a token that does not say, as the token specification has it."""
CLIENT = "gitops-canary"


@dataclass(frozen=True)
class Challenge:
    """A WWW-Authenticate header: `scheme` is "basic" or "bearer"."""

    scheme: str
    realm: str = ""
    service: str = ""


def read_challenge(header: str) -> Challenge | None:
    """Bearer before Basic where both are offered; None when it offers neither."""
    found = {match[1].lower(): match for match in SCHEME.finditer(header[:4096])}
    match = found.get("bearer") or found.get("basic")
    if match is None:
        return None
    parts = {name.lower(): quoted or plain for name, quoted, plain in PART.findall(header[:4096], match.end())}
    return Challenge(match[1].lower(), parts.get("realm", ""), parts.get("service", ""))


class Authorizer(AuthorizationService):  # type: ignore[misc]
    """The login of one registry. Thread-safe: one token request a repository, however many threads ask."""

    def __init__(self, registry: str, login: Login | None, transport: Transport, clock: Callable[[], float]) -> None:
        super().__init__(registry)
        self._base, self._login, self._transport, self._clock = registry, login, transport, clock
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[Challenge, str], tuple[str, float]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def header(self, repository: str) -> str:
        """The Authorization header that the next request should carry; "" when nothing was asked for yet or nothing is known."""
        if self._challenge is None:
            return ""
        if self._challenge.scheme == "basic":
            return self._login.basic if self._login else ""
        return self._bearer(self._challenge, repository, refused="")

    def answer(self, header: str, repository: str, refused: str) -> str:
        """The Authorization header after a 401 with this challenge; `refused` is the one that was not taken. "" when there is none."""
        challenge = read_challenge(header)
        if challenge is None:
            return ""
        self._challenge = challenge
        if challenge.scheme == "basic":
            basic = self._login.basic if self._login else ""
            return "" if basic == refused else basic
        return self._bearer(challenge, repository, refused)

    def _bearer(self, challenge: Challenge, repository: str, refused: str) -> str:
        scope = f"repository:{repository}:pull"
        with self._locks.setdefault(scope, threading.Lock()):
            token, until = self._tokens.get((challenge, scope), ("", 0.0))
            if not token or until <= self._clock() or f"Bearer {token}" == refused:
                token, lifetime = self.get_new_token(challenge, scope)
                self._tokens[challenge, scope] = (token, self._clock() + 0.9 * lifetime)
            return f"Bearer {token}"

    def get_new_token(self, challenge: Challenge, scope: str) -> tuple[str, float]:
        """Ask the token service: the token and its lifetime in seconds. UserError when it refuses the login."""
        check_way(challenge.realm, self._base, "the token service")
        reply = self._ask(challenge, scope)
        if reply.status in (400, 401, 403):
            who = "the login" if self._login else "a request without login"
            raise UserError(
                f"cannot log in to {self.registry}: its token service refuses {who} ({reply.status} {reply.words()})",
                hint="add an imagePullSecret or a --docker-config entry for it",
            )
        if reply.status != 200:
            raise Unavailable(f"cannot log in to {self.registry}: its token service answered {reply.status}")
        return _read_token(self.registry, reply)

    def _ask(self, challenge: Challenge, scope: str) -> Reply:
        if self._login and self._login.identity_token:
            form = {"grant_type": "refresh_token", "service": challenge.service, "scope": scope, "client_id": CLIENT}
            return self._transport.send("POST", challenge.realm, {}, form | {"refresh_token": self._login.identity_token})
        asked = urlencode({"service": challenge.service, "scope": scope})
        url = f"{challenge.realm}{'&' if '?' in challenge.realm else '?'}{asked}"
        return self._transport.send("GET", url, {"Authorization": self._login.basic} if self._login else {})


def _read_token(registry: str, reply: Reply) -> tuple[str, float]:
    answer = reply.json()
    token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,32768}", token):
        raise Unavailable(f"cannot log in to {registry}: its token service answered without a token")
    lifetime = answer.get("expires_in")
    return token, float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else LIFETIME
