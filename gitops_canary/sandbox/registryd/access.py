"""Who may pull and push: nobody asked, HTTP Basic, or Bearer tokens that an endpoint of our own signs (ES256)."""

import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gitops_canary.sandbox.registryd.certificates import self_signed

Scope = tuple[str, str]
"""Repository ("" for the registry itself) and action: `pull`, `push` or `delete`."""


class Access(Protocol):
    def permits(self, authorization: str, scope: Scope) -> bool: ...
    def challenge(self, host_url: str, scope: Scope) -> str:
        """The WWW-Authenticate header of a 401."""
        ...


class Anyone:
    """No authentication."""

    def permits(self, authorization: str, scope: Scope) -> bool:
        return True

    def challenge(self, host_url: str, scope: Scope) -> str:
        return ""


@dataclass(frozen=True)
class Basic:
    """HTTP Basic with these users' passwords."""

    users: Mapping[str, str] = field(repr=False)

    def permits(self, authorization: str, scope: Scope) -> bool:
        return matches(self.users, authorization)

    def challenge(self, host_url: str, scope: Scope) -> str:
        return 'Basic realm="sandbox"'


class Tokens:
    """Bearer tokens for `service`; `realm` is the token endpoint (default: `/token` of the registry itself). Without credentials only
    `public` repositories may be pulled. `certificate` verifies the tokens, for a real registry that trusts this endpoint."""

    def __init__(self, users: Mapping[str, str], *, service: str = "sandbox-registry", realm: str = "", lifetime: int = 300) -> None:
        self.users, self.service, self.realm, self.lifetime = users, service, realm, lifetime
        self.issuer = "gitops-canary-sandbox"
        self.public: set[str] = set()
        self.issued = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self_signed(self.issuer, self._key)

    @property
    def certificate(self) -> bytes:
        """PEM, what a real registry takes as `auth.token.rootcertbundle`."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def challenge(self, host_url: str, scope: Scope) -> str:
        repository, action = scope
        wanted = f',scope="repository:{repository}:{"pull" if action == "pull" else f"pull,{action}"}"' if repository else ""
        return f'Bearer realm="{self.realm or host_url + "/token"}",service="{self.service}"{wanted}'

    def permits(self, authorization: str, scope: Scope) -> bool:
        kind, _, token = authorization.partition(" ")
        claims = self._verified(token) if kind.lower() == "bearer" else None
        if claims is None:
            return False
        repository, action = scope
        grants = claims.get("access")
        rows = grants if isinstance(grants, list) else []
        return not repository or any(one["name"] == repository and action in one["actions"] for one in rows)

    def answer(self, service: str, scopes: list[str], authorization: str) -> tuple[int, dict[str, object]]:
        """The token endpoint's answer: status and JSON."""
        known = matches(self.users, authorization)
        if service != self.service or (authorization and not known):
            return 401, {"details": "incorrect username or password" if authorization else f"unknown service {service}"}
        self.issued += 1
        granted = [one for scope in scopes for one in self._granted(scope, known)]
        return 200, {"token": self._signed(granted), "expires_in": self.lifetime}

    def _granted(self, scope: str, known: bool) -> list[dict[str, object]]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind != "repository" or not (known or name in self.public):
            return []
        return [{"type": kind, "name": name, "actions": [one for one in actions.split(",") if known or one == "pull"]}]

    def _signed(self, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.service,
            "sub": "sandbox",
            "iat": now,
            "nbf": now - 10,
            "exp": now + self.lifetime,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        signed = f"{_segment({'alg': 'ES256', 'typ': 'JWT', 'x5c': [base64.b64encode(der).decode()]})}.{_segment(claims)}"
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _verified(self, token: str) -> dict[str, object] | None:
        try:
            signed, _, signature = token.rpartition(".")
            raw = _unbase64url(signature)
            pair = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self._key.public_key().verify(pair, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims: dict[str, object] = json.loads(_unbase64url(signed.partition(".")[2]))
        except (ValueError, InvalidSignature):
            return None
        return claims if int(str(claims["exp"])) > time.time() else None


def matches(users: Mapping[str, str], authorization: str) -> bool:
    """Whether a Basic header names one of the users with its password."""
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return hmac.compare_digest(users.get(user, "").encode(), password.encode()) and user in users


def _segment(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
