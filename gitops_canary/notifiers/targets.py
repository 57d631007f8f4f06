"""Where notices go and which of them: one value for global URLs and AlertProvider objects alike; no payloads and no network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from gitops_canary.domain.errors import UserError
from gitops_canary.ports import Notice

Kind = Literal["slack", "msteams", "discord", "rocket", "gchat", "generic"]
Severity = Literal["info", "warn", "error"]
KINDS: Mapping[str, Kind] = {
    "slack": "slack",
    "msteams": "msteams",
    "discord": "discord",
    "rocket": "rocket",
    "gchat": "gchat",
    "googlechat": "gchat",
    "generic": "generic",
    "generic-hmac": "generic",
}
"""AlertProvider types, in Flagger's words and Flux's."""
SECRET = 8
"""Letters from which on a part of an address may be a key."""
RANKS = {"info": 0, "warn": 1, "error": 2}


@dataclass(frozen=True)
class Target:
    """`url` is secret; `token` a Slack bot's; `key` signs a generic target's body. `severity` is the least that is sent."""

    kind: Kind
    url: str = field(repr=False)
    channel: str = ""
    username: str = "gitops-canary"
    token: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    severity: Severity = "info"
    proxy: str = field(default="", repr=False)
    provider: tuple[str, str] = ("", "")
    """Namespace and name of its AlertProvider; a global receiver has none."""

    @property
    def name(self) -> str:
        """For logs: the host, never the path, which is the secret."""
        try:
            return f"{self.kind} at {urlsplit(self.url).hostname or 'no host'}"
        except ValueError:
            return f"{self.kind} at no host"

    def hides(self, words: str) -> str:
        """For logs and conditions: what a receiver says, without the address and the keys, which some servers repeat in their answers."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            words = words.replace(secret, "…")
        return words

    def _secrets(self) -> set[str]:
        """Each as it is and percent-decoded: the whole, the path with and without its query, and each part that is too long for a word."""
        bare = self.url.partition("://")[2]
        path, _, query = bare.partition("/")[2].partition("?")
        whole = {self.url, self.proxy, self.token, self.key, f"/{path}?{query}" if query else "", f"/{path}" if path else "", query}
        parts = {part for part in re.split(r"[/?&=@:]", f"{path}?{query}") if len(part) >= SECRET}
        login = bare.partition("/")[0].rpartition("@")[0]
        return {text for one in whole | parts | {login} for text in (one, unquote(one)) if len(text) > 1}

    def wants(self, notice: Notice) -> bool:
        """`warn` takes warnings and errors, `error` only errors, as Flagger's providers do."""
        return RANKS[notice.severity] >= RANKS[self.severity]


def target_of(name: str, spec: Mapping[str, Any], secret: Mapping[str, bytes], severity: Severity = "info") -> Target:
    """An AlertProvider's spec and its Secret's data (`address` and `token` there win). `name` is for messages. UserError says what is
    missing."""
    kind = KINDS.get(str(spec.get("type", "")))
    if kind is None:
        raise UserError(f"cannot use {name}: its type {str(spec.get('type'))[:40]!r} is none of {', '.join(KINDS)}")
    url = secret.get("address", b"").decode(errors="replace").strip() or str(spec.get("address") or "")
    token = secret.get("token", b"").decode(errors="replace").strip()
    if not web_link(url):
        raise UserError(
            f"cannot use {name}: it has no http(s) address", hint="set spec.address, or address in the Secret of spec.secretRef"
        )
    signs, texts = kind == "generic", {key: str(spec.get(key) or "") for key in ("channel", "username", "proxy")}
    return Target(
        kind,
        url,
        texts["channel"],
        texts["username"] or "gitops-canary",
        "" if signs else token,
        token if signs else "",
        severity,
        texts["proxy"],
    )


def web_link(link: str) -> str:
    """A link that a receiver takes: they refuse a message whose link is none."""
    return link if link.startswith(("https://", "http://")) else ""
