"""Keys and names of one control plane: CA, server certificate, service-account key, token users, kubeconfigs; starts nothing."""

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gitops_canary.sandbox.certificates import server_files

ISSUER = "https://kubernetes.default.svc"
MASTERS = "system:masters"
NAMES = ("kubernetes.default.svc", "10.0.0.1")
"""What pods call the API server."""


@dataclass(frozen=True)
class User:
    """A person or program known to the API server by its own token, so that the audit log says who asked what."""

    name: str
    groups: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Credentials:
    """Written once into `folder` (mode 0700 is the caller's): `ca.crt`, `server.crt/.key`, `accounts.key/.pub`, `tokens.csv`."""

    def __init__(self, folder: Path, users: Iterable[User]) -> None:
        self.folder = folder
        self.users = {user.name: user for user in users}
        served = server_files(folder, *NAMES)
        self.ca, self.server_certificate, self.server_key = served.ca, served.certificate, served.key
        self.account_key, self.account_public_key = folder / "accounts.key", folder / "accounts.pub"
        self.tokens = folder / "tokens.csv"
        self._account = ec.generate_private_key(ec.SECP256R1())
        self._write()

    def kubeconfig(self, url: str, token: str, name: str) -> Path:
        """A kubeconfig file with one context; the same user always gets the same path."""
        path = self.folder / f"{name.replace(':', '-').replace('/', '-')}.kubeconfig"
        path.write_bytes(orjson.dumps(_kubeconfig(url, self.ca, token, name)))
        path.chmod(0o600)
        return path

    def service_account_token(self, namespace: str, name: str, uid: str, *, expires: datetime) -> str:
        """A token as the TokenRequest API gives it, but ending when asked (the API refuses less than ten minutes). The server takes it
        for one minute after `expires` (go-jose's leeway) and remembers a good one for ten seconds."""
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": int(now.timestamp()) - 3600,
            "nbf": int(now.timestamp()) - 3600,
            "exp": int(expires.timestamp()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        }
        return jwt.encode(claims, self._account, algorithm="ES256")

    def _write(self) -> None:
        _private(self.account_key, self._account)
        public = self._account.public_key()
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        self.account_public_key.write_bytes(public.public_bytes(serialization.Encoding.PEM, spki))
        lines = (f'{user.token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in self.users.values())
        self.tokens.write_text("".join(lines))
        self.tokens.chmod(0o600)


def _kubeconfig(url: str, ca: Path, token: str, name: str) -> dict[str, object]:
    authority = base64.b64encode(ca.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "control-plane", "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "control-plane", "user": name}}],
        "current-context": name,
    }


def _private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(*pem))
