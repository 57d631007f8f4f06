"""Keys and names of one control plane: CA, server certificate, service-account key, token users, kubeconfigs; starts nothing."""

import base64
import ipaddress
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = "https://kubernetes.default.svc"
MASTERS = "system:masters"
Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


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
        self.ca = folder / "ca.crt"
        self.server_certificate, self.server_key = folder / "server.crt", folder / "server.key"
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
        signed = f"{_segment({'alg': 'ES256', 'typ': 'JWT'})}.{_segment(claims)}"
        r, s = utils.decode_dss_signature(self._account.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _write(self) -> None:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = _certificate("control-plane-ca", ca_key, None)
        key = ec.generate_private_key(ec.SECP256R1())
        _private(self.server_key, key)
        self.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        self.server_certificate.write_bytes(_certificate("kube-apiserver", key, (ca, ca_key)).public_bytes(serialization.Encoding.PEM))
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


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: Issuer | None) -> x509.Certificate:
    """Self-signed CA without `issuer`, else a server's certificate for this host; good for a year, backdated against clock skew."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    for extension, critical in _extensions(key, issuer):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def _extensions(key: ec.EllipticCurvePrivateKey, issuer: Issuer | None) -> list[tuple[x509.ExtensionType, bool]]:
    """Python 3.13 verifies strictly: key identifiers and key usage must be there."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    if issuer is None:
        return [(identifier, False), (_usage(signs_certificates=True), True)]
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName("kubernetes.default.svc")]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "10.0.0.1")]
    return [
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()), False),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(names), False),
    ]


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(*pem))


def _segment(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
