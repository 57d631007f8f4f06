"""Reading a repository's URL: what is allowed, what is secret in it, what may be shown. Nothing is contacted here."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gitops_canary.adapters.git.redaction import redact, register_secret
from gitops_canary.domain.errors import UserError

_SCP = re.compile(r"(?:(?P<user>[A-Za-z0-9_][\w.+-]*)@)?(?P<host>[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\]):(?!//)(?P<path>[^-:].*)")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+")
_USER = re.compile(r"[A-Za-z0-9_][\w.+-]*")
_HINT = "write it as ssh://git@host/org/repo.git, git@host:org/repo.git or https://host/org/repo.git"


@dataclass(frozen=True)
class GitUrl:
    """A checked URL. `text` holds no credentials: it is what git is given and what people are shown."""

    text: str
    scheme: str
    host: str = ""
    port: int | None = None
    user: str = ""
    path: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_ssh(self) -> bool:
        return self.scheme == "ssh"

    @property
    def is_http(self) -> bool:
        return self.scheme in ("http", "https")

    @property
    def destination(self) -> str:
        """What ssh connects to."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def known_hosts_name(self) -> str:
        return f"[{self.host}]:{self.port}" if self.port and self.port != 22 else self.host


def parse_url(raw: str, *, allow_file: bool = False) -> GitUrl:
    """UserError (credentials removed) for everything but https, http, ssh, scp-like and, when allowed, file URLs; nothing in the result
    can be read as an option by git or ssh (B55)."""
    raw = raw.strip()
    if not raw or raw.startswith("-") or len(raw) > 2048 or any(not char.isprintable() or char.isspace() for char in raw):
        raise _refused(raw)
    if "://" in raw:
        return _from_url(raw, allow_file)
    if raw.startswith(("/", "./")):
        return _file(raw, raw, allow_file)
    if match := _SCP.fullmatch(raw):
        return GitUrl(raw, "ssh", match["host"].strip("[]"), None, match["user"] or "", match["path"])
    raise _refused(raw)


def _from_url(raw: str, allow_file: bool) -> GitUrl:
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError:
        raise _refused(raw) from None
    if parts.scheme == "file" and not parts.netloc:
        return _file(raw, parts.path, allow_file)
    host, user, path = parts.hostname or "", unquote(parts.username or ""), unquote(parts.path)
    if parts.scheme not in ("ssh", "https", "http") or not _HOST.fullmatch(host) or path.strip("/").startswith("-"):
        raise _refused(raw)
    if parts.query or parts.fragment or not path.strip("/") or "\0" in path or "\n" in path:
        raise _refused(raw)
    shown = f"[{host}]" if ":" in host else host
    netloc = f"{shown}:{port}" if port else shown
    if parts.scheme == "ssh":
        if parts.password or (user and not _USER.fullmatch(user)):
            raise _refused(raw)
        return GitUrl(f"ssh://{user + '@' if user else ''}{netloc}{parts.path}", "ssh", host, port, user, path)
    password = unquote(parts.password or "")
    register_secret(password)
    return GitUrl(f"{parts.scheme}://{netloc}{parts.path}", parts.scheme, host, port, user, path, password)


def _file(raw: str, path: str, allowed: bool) -> GitUrl:
    if not allowed:
        raise UserError(f"cannot use the Git URL {raw}: local repositories are not allowed here", hint=_HINT)
    return GitUrl(raw, "file", path=path)


def _refused(raw: str) -> UserError:
    return UserError(f"cannot use the Git URL {redact(raw[:200])!r}", hint=_HINT)
