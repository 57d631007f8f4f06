"""From what git and ssh print to a sentence for the person who must act; each kind of failure has its own."""

import re
from dataclasses import dataclass
from enum import Enum

from gitops_canary.adapters.git.redaction import redact
from gitops_canary.adapters.git.urls import GitUrl
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable, UserError


class Kind(Enum):
    """Who can help, and whether the other side may have acted."""

    USER = "a person must change something"
    AWAY = "the other side was not reached: nothing happened there"
    LOST = "the connection broke: the other side may have acted"
    LOCAL = "our own mirror is damaged: make it again"


@dataclass(frozen=True)
class Failure:
    """One reading of an error text: `says` completes the sentence "cannot … URL: <says>"."""

    name: str
    kind: Kind
    pattern: re.Pattern[str]
    says: str
    hint: str = ""


def _row(name: str, kind: Kind, pattern: str, says: str, hint: str = "") -> Failure:
    return Failure(name, kind, re.compile(pattern, re.IGNORECASE | re.DOTALL), says, hint)


_KEY_HINT = "{give}"
_GIVE_KEY = "add this deploy key with write access to the repository{key} (print it with: gitops-canary identity)"
_GIVE_TOKEN = "give the token read and write access to the repository's contents"

# The first match wins: from the most to the least specific. Patterns ignore case and see the whole text.
FAILURES = (
    _row(
        "host-disk-full",
        Kind.AWAY,
        r"remote:[^\n]*(?:no space left|quota exceeded)|unpacker error|remote unpack failed",
        "the host could not store it: {remote}",
    ),
    _row(
        "host-damaged",
        Kind.AWAY,
        r"remote:[^\n]*(?:bad object|corrupt|unable to read|missing (?:blob|tree|commit)|bad tree|could not read [0-9a-f]{40})",
        "the repository is damaged on the host: {remote}",
    ),
    _row("disk-full", Kind.AWAY, r"no space left on device|disk quota exceeded", "the disk that holds the mirror is full; make room there"),
    _row(
        "uid",
        Kind.USER,
        r"no user exists for uid",
        "ssh does not run for a user id without a passwd entry",
        "run the image with its own user id, or add an entry to /etc/passwd",
    ),
    _row("no-ssh", Kind.USER, r"cannot run ssh|ssh: not found|ssh: No such file", "there is no ssh client", "install the OpenSSH client"),
    _row(
        "host-key-changed",
        Kind.USER,
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed|revoked host key",
        "the host key of {host} has changed: somebody may be listening in, or the host has a new key",
        "compare its fingerprint with what the host's owner publishes, then replace its line in known_hosts (--git-known-hosts)",
    ),
    _row(
        "host-key-unknown",
        Kind.USER,
        r"No [A-Z0-9-]+ host key is known for|Host key verification failed|authenticity of host",
        "the host key of {host} is not known",
        "compare the output of `ssh-keyscan {scan}` with what the host's owner publishes, then add it to known_hosts (--git-known-hosts)",
    ),
    _row(
        "dns",
        Kind.AWAY,
        r"could not resolve|name or service not known|temporary failure in name resolution|nodename nor servname|no address associated",
        "the name {host} does not resolve; check DNS and the URL's spelling",
    ),
    _row(
        "read-only",
        Kind.USER,
        r"marked as read.only|read.only access|does not have write access|not allowed to (?:push|upload) code(?! to protected)"
        r"|deploy key [^\n]*(?:not|cannot) [^\n]*(?:push|write)"
        r"|write access to (?:this )?repository not granted|permission to \S+ denied to",
        "the {who} may read but not write",
        _KEY_HINT,
    ),
    _row(
        "protected",
        Kind.USER,
        r"GH006|GH013|protected branch|TF402455|branch is protected|pushes to this branch are not permitted|repository rule violations",
        "the branch is protected: {remote}",
        "allow the {who} to push to it, or name another branch with --git-branch",
    ),
    _row("not-allowed", Kind.USER, r"not allowed to push", "the {who} may not push: {remote}", _KEY_HINT),
    _row("hook", Kind.USER, r"hook declined", "a hook there declined: {remote}", "the rule is the host's; its owner can change it"),
    _row("key-refused", Kind.USER, r"permission denied \(|too many authentication failures", "the host does not accept our key", _KEY_HINT),
    _row(
        "login",
        Kind.USER,
        r"authentication failed|could not read (?:username|password)|terminal prompts disabled|returned error: 401|invalid username or",
        "the host does not accept user and password",
        "give a token with write access to the repository by environment or Secret",
    ),
    _row(
        "forbidden",
        Kind.USER,
        r"returned error: 403|access denied",
        "the host refuses these credentials for this repository",
        _GIVE_TOKEN,
    ),
    _row(
        "branch",
        Kind.USER,
        r"couldn't find remote ref|not our ref|unadvertised object",
        "there is no {ref}",
        "push a first commit to it, or name another with --git-branch",
    ),
    _row(
        "repository",
        Kind.USER,
        r"repository not found|does not appear to be a git repository|repository '[^\n]*' not found|project you were looking for"
        r"|could not find repository|TF401019|does not exist|returned error: 404|no such repository",
        "there is no such repository, or our key may not see it",
        "check the URL; for ssh add the deploy key to the repository{key}",
    ),
    _row(
        "redirect",
        Kind.USER,
        r"unable to update url base from redirection|returned error: 30\d",
        "the host redirects elsewhere, and credentials are never sent on",
        "use the URL that the host redirects to",
    ),
    _row(
        "tls",
        Kind.USER,
        r"ssl certificate problem|certificate verif|server certificate|self.signed certificate|unable to get local issuer",
        "its TLS certificate is not trusted",
        "give the CA bundle that signed it",
    ),
    _row(
        "sha256",
        Kind.USER,
        r"mismatched algorithms|unsupported object format|unknown repository extension",
        "it is a SHA-256 repository, which is not supported",
        "use a SHA-1 repository",
    ),
    _row(
        "protocol",
        Kind.USER,
        r"transport '[^\n]*' not allowed|protocol .* is not supported",
        "this kind of URL is not allowed",
        "use ssh or https",
    ),
    _row("ownership", Kind.USER, r"detected dubious ownership", "the repository's folder belongs to another user"),
    _row("limit", Kind.AWAY, r"returned error: 429|rate limit|too many requests", "the host asks for fewer requests"),
    _row("server", Kind.LOST, r"returned error: 5\d\d|internal server error", "the host has a fault of its own: {remote}"),
    _row(
        "refused",
        Kind.AWAY,
        r"connection refused|no route to host|network is unreachable|failed to connect|could(?:n't| not) connect"
        r"|(?:connection|operation) timed out"
        r"|proxy CONNECT aborted|response 5\d\d after CONNECT|CONNECT tunnel failed",
        "{host} cannot be reached",
    ),
    _row(
        "local",
        Kind.LOCAL,
        r"object file \S+ is empty|object \S+ (?:\([^)]*\) )?is corrupt|inflate: |packfile \S+ |bad object|not a git repository"
        r"|unable to read tree"
        r"|could not read [0-9a-f]{40}|missing (?:blob|tree|commit)|bad tree|sha1 mismatch|unable to (?:read|find) [0-9a-f]{40}"
        r"|did not send all necessary objects|bad ref|broken ref|cannot lock ref|unresolved deltas|unable to create temporary"
        r"|unable to (?:create|open|append|write|unlink)[^\n]*(?:objects|refs|\.lock)|shallow file has changed|index file .* is too small",
        "the local mirror is damaged",
    ),
    _row(
        "lost",
        Kind.LOST,
        r"hung up|connection (?:closed|reset|to \S+ closed)|broken pipe|early EOF|rpc failed|unexpected disconnect|mux_client"
        r"|lost connection"
        r"|transfer closed|kex_exchange|empty reply|\A\s*fatal: could not read from remote repository",
        "the connection broke: {remote}",
    ),
)


def diagnose(text: str) -> Failure | None:
    """The first known reading of what git or ssh printed; None when unknown."""
    return next((failure for failure in FAILURES if failure.pattern.search(text)), None)


def error_for(doing: str, url: GitUrl, text: str, *, ref: str = "", key: str = "") -> GitopsCanaryError:
    """`doing` is "fetch from" or "push to"; `ref` what was asked for; `key` the public key for hints. UserError or Unavailable."""
    failure = diagnose(text)
    shown_key = f": {key}" if key else ""
    who, give = ("token", _GIVE_TOKEN) if url.is_http else ("deploy key", _GIVE_KEY.format(key=shown_key))
    words = {"host": url.known_hosts_name, "scan": _scan(url), "remote": said(text), "ref": ref, "key": shown_key, "who": who, "give": give}
    start = f"cannot {doing} {url.text}"
    if failure is None:
        return Unavailable(f"{start}: {said(text) or 'git gave no reason'}")
    sentence = f"{start}: {failure.says.format(**words)}"
    if failure.kind is Kind.USER:
        return UserError(sentence, hint=failure.hint.format(**words))
    return Unavailable(sentence)


def said(text: str) -> str:
    """What the other side said, in one printable line of at most 300 characters, without credentials."""
    lines = [line.strip() for line in redact(text).splitlines()]
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    chosen = remote or [
        line for line in lines if line and not line.startswith(("hint:", "To ", "Done", "Please make sure", "and the repository"))
    ]
    line = "; ".join(part for part in chosen if part and not set(part) <= set("=-* "))
    return "".join(char for char in line if char.isprintable())[:300]


def _scan(url: GitUrl) -> str:
    return f"-p {url.port} {url.host}" if url.port and url.port != 22 else url.host
