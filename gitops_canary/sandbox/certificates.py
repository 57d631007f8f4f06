"""A private CA and a server certificate of it, as files, for every TLS server of the sandbox; trustme makes them."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class ServerFiles:
    """Paths of a private CA and of a server certificate that it signed."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def server_files(folder: Path, *names: str) -> ServerFiles:
    """Writes `ca.crt`, `server.crt` and `server.key` (mode 0600) into `folder`, for localhost, 127.0.0.1 and `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ServerFiles(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    authority = trustme.CA(organization_name="gitops-canary sandbox")
    issued = authority.issue_cert("localhost", "127.0.0.1", *names)
    authority.cert_pem.write_to_path(files.ca)
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    files.key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(files.key)
    return files
