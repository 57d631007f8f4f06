"""The one place that takes secrets out of text before it reaches an error, a log line or a status."""

import base64
import re
import threading

HIDDEN = "***"

_PATTERNS = (
    # user info of URLs; a bare `git@` of an ssh URL is no secret
    (re.compile(r"(?i)\b((?:https?|ftp)://)[^\s/]+@"), r"\1" + HIDDEN + "@"),
    (re.compile(r"(?i)\b(ssh://[^\s/@:]+):[^\s/@]+@"), r"\1:" + HIDDEN + "@"),
    (re.compile(r"(?i)\b(authorization:\s*)(?:basic|bearer|token)?\s*[^\s,;'\"]+"), r"\1" + HIDDEN),
    (re.compile(r"(?i)([?&](?:\w*token|sig|signature|password|key|code|sv|se|x-amz-signature)=)[^&\s'\"]+"), r"\1" + HIDDEN),
    (re.compile(r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|gl[a-z]{2,5}-[\w-]{16,}|xox[abpr]-[\w-]{8,}|ATBB\w{16,})"), HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
)
_known: set[str] = set()
_lock = threading.Lock()


def register_secret(secret: str) -> None:
    """From now on this text, and its Base64, is hidden wherever it appears. Shorter than 4 characters is ignored: it would hide words."""
    if len(secret) < 4:
        return
    with _lock:
        _known.update((secret, base64.b64encode(secret.encode()).decode()))


def redact(text: str) -> str:
    """The text without credentials: user info in URLs, Authorization headers, signed query parameters, tokens of known shape, private keys
    and every registered secret."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
