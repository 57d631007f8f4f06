"""Certificates of the sandbox's own: a private CA with a server certificate for this host, and a self-signed one for tokens."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class ServerFiles:
    """Paths of a private CA and of a server certificate it signed for localhost and 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def server_files(folder: Path, names: tuple[str, ...] = ("localhost",)) -> ServerFiles:
    """Writes `ca.crt`, `server.crt` and `server.key` (mode 0600) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ServerFiles(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = self_signed("gitops-canary-sandbox-ca", ca_key)
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(_for_server(names, key, ca, ca_key).public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(*pem))
    return files


def self_signed(name: str, key: Key) -> x509.Certificate:
    """A certificate that vouches for itself and may sign others."""
    usage = _usage(signs_certificates=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = _begun(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.add_extension(usage, critical=True).add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _for_server(names: tuple[str, ...], key: Key, ca: x509.Certificate, ca_key: Key) -> x509.Certificate:
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    issuer = str(ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return (
        _begun("localhost", issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _begun(name: str, issuer: str, key: Key) -> x509.CertificateBuilder:
    """Good for a year, backdated by an hour against clock skew."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_common(name)).issuer_name(_common(issuer)).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + YEAR)


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


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
