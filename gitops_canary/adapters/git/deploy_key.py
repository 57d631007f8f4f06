"""The deploy key: made, loaded, stored and shown. Where it is kept is the `KeyStore`'s; how ssh uses it is transport.py's."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gitops_canary.adapters.git.redaction import register_secret
from gitops_canary.domain.errors import Conflict, UserError

COMMENT = "gitops-canary"
PRIVATE, PUBLIC = "identity", "identity.pub"  # the Secret's keys, as in Flux v1


class KeyStore(Protocol):
    """Where the key lives: the Secret `gitops-canary-git-deploy` in a cluster, a folder otherwise."""

    def get(self) -> Mapping[str, bytes] | None:
        """The Secret's data; None when there is no Secret."""
        ...

    def put(self, data: Mapping[str, bytes]) -> None:
        """Create or replace `identity` and `identity.pub`. Conflict when somebody else wrote it since `get`."""
        ...


@dataclass(frozen=True)
class DeployKey:
    """`private` is an OpenSSH or PEM text, `public` one line as authorized_keys has it."""

    private: str = field(repr=False)
    public: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as ssh-keygen and the hosts' pages print it."""
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def generate() -> DeployKey:
    """A new ed25519 key."""
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return load(text.decode(), "the new key")


def load(private: str, where: str) -> DeployKey:
    """From the private part alone: Flux's Secret holds no more. UserError names `where`, never the key."""
    text = private.strip() + "\n"
    read = serialization.load_ssh_private_key if "BEGIN OPENSSH PRIVATE KEY" in text else serialization.load_pem_private_key
    try:
        public = read(text.encode(), None).public_key()
        line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UserError(
            f"cannot read the deploy key in {where}: it is no private key, or has a passphrase",
            hint="make a new one with: gitops-canary identity --regenerate",
        ) from None
    register_secret(text)
    return DeployKey(text, f"{line} {COMMENT}")


def ensure_key(store: KeyStore, *, where: str = "Secret gitops-canary-git-deploy", regenerate: bool = False) -> DeployKey:
    """The stored key; made and stored first when there is none (or `regenerate`). Of two processes that start at once, one key wins."""
    data = store.get()
    private = (data or {}).get(PRIVATE, b"").decode("utf-8", "replace").strip()
    if private and not regenerate:
        return load(private, where)
    key = generate()
    try:
        store.put({PRIVATE: key.private.encode(), PUBLIC: (key.public + "\n").encode()})
    except Conflict:
        return load((store.get() or {}).get(PRIVATE, b"").decode("utf-8", "replace"), where)
    return key


def identity_log(public: str) -> dict[str, object]:
    """Keys for the log call: `log.info(sentence, **identity_log(public))`. The JSON renderer writes `first` before every other key, so the
    public key itself is the line's first key."""
    return {"first": {public: PUBLIC}}


def identity_line(public: str, msg: str) -> str:
    """The line as the log writes it: `grep identity.pub | cut -d '"' -f2` prints the key, `jq .msg` the sentence."""
    return orjson.dumps({public: PUBLIC, "msg": msg}).decode()
