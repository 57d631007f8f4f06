"""Who may pull and push: nobody asked, HTTP Basic, or Bearer tokens that an endpoint of our own signs (ES256)."""

import base64
import binascii
import hmac
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

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
        self._authority = trustme.CA(organization_name=self.issuer)
        self._key = self._authority.private_key_pem.bytes()
        self._public = (
            load_pem_x509_certificate(self.certificate).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )

    @property
    def certificate(self) -> bytes:
        """PEM, what a real registry takes as `auth.token.rootcertbundle`."""
        return self._authority.cert_pem.bytes()

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
        chain = [base64.b64encode(ssl.PEM_cert_to_DER_cert(self.certificate.decode())).decode()]
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"x5c": chain})

    def _verified(self, token: str) -> Mapping[str, Any] | None:
        try:
            claims: Mapping[str, Any] = jwt.decode(token, self._public, algorithms=["ES256"], audience=self.service, issuer=self.issuer)
        except jwt.InvalidTokenError:
            return None
        return claims


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
