"""docker-registry-client extended at its one seam, `_http_response`: logins, redirects, paging and OCI manifests."""

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from gitops_canary.adapters.guards import check_address, check_way
from gitops_canary.adapters.registry.challenges import Authorizer
from gitops_canary.adapters.registry.credentials import Login
from gitops_canary.adapters.registry.transport import Reply, Transport
from gitops_canary.domain.errors import Unavailable, UserError

with warnings.catch_warnings():  # importing the package silences every warning of the process
    warnings.simplefilter("ignore")
    from docker_registry_client._BaseClient import BaseClientV2

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
PAGE = 1000
"""Tags asked for at once; a registry may give fewer."""
PAGES = 1000
REDIRECTS = 5
NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
HINT = "check the name, or add an imagePullSecret or a --docker-config entry for it"


class RegistryClient(BaseClientV2):  # type: ignore[misc]
    """One registry under one login, at base URL `url`. Thread-safe."""

    def __init__(self, url: str, login: Login | None, transport: Transport, clock: Callable[[], float]) -> None:
        super().__init__(url)
        check_address(url, "registry")
        self._transport = transport
        self.auth = Authorizer(url, login, transport, clock)
        self._lists: dict[str, tuple[str, list[object]]] = {}

    def get_repository_tags(self, name: str) -> list[object]:
        """Every page's entries as they came. Raises rather than return half a list."""
        first = f"{self.LIST_TAGS.format(name=name)}?n={PAGE}"
        known_tag, known = self._lists.get(name, ("", []))
        found: list[object] = []
        seen: set[str] = set()
        path = first
        while path:
            if path in seen or len(seen) >= PAGES:
                raise Unavailable(f"cannot list tags of {name}: the pages of {self.host} lead in a circle")
            seen.add(path)
            asked = {"If-None-Match": known_tag} if known_tag and path == first else {}
            reply = self._answered(f"list tags of {name}", "GET", path, name, asked)
            if reply.status == 304 and known_tag:
                return known
            found += _tags(reply, f"list tags of {name}")
            path = self._next(reply, path, name)
        # Only a list of one page: the first page's tag says nothing about the others.
        self._lists[name] = (reply.headers.get("ETag", "") if len(seen) == 1 else "", found)
        return found

    def head_manifest(self, name: str, reference: str) -> str:
        """The digest that the registry gives for a tag; "" when it gives none. On Docker Hub a HEAD is free, a GET counts as a pull."""
        reply = self._http_response(self.MANIFEST, requests.head, name=name, reference=reference)
        if reply.status == 405:
            return ""
        _check(reply, f"find {name}:{reference}", self.host)
        return str(reply.headers.get("Docker-Content-Digest", ""))

    def get_manifest(self, name: str, reference: str) -> Reply:
        reply: Reply = self._http_response(self.MANIFEST, requests.get, name=name, reference=reference)
        _check(reply, f"read the manifest of {name}:{reference}", self.host)
        return reply

    def get_blob(self, name: str, digest: str) -> Reply:
        reply: Reply = self._http_response(self.BLOB, requests.get, name=name, digest=digest)
        _check(reply, f"read blob {digest} of {name}", self.host)
        return reply

    def close(self) -> None:
        self._transport.close()

    def _http_response(
        self,
        url: str,
        method: Callable[..., object],
        data: object = None,
        content_type: str | None = None,
        schema: str | None = None,
        **parts: str,
    ) -> Any:
        """The base class sends everything through here; only reading is ours to do."""
        del data, content_type
        return self._fetch(method.__name__.upper(), url.format(**parts), parts.get("name", ""), {"Accept": schema or ACCEPT})

    def _answered(self, what: str, method: str, path: str, repository: str, headers: Mapping[str, str]) -> Reply:
        reply = self._fetch(method, path, repository, {"Accept": "application/json", **headers})
        _check(reply, what, self.host)
        return reply

    def _fetch(self, method: str, path: str, repository: str, headers: Mapping[str, str]) -> Reply:
        """Asked with the login when it is known to be wanted, and once more after a 401."""
        url, login = self.host + path, self.auth.header(repository)
        reply = self._follow(method, url, headers, login)
        if reply.status == 401:
            login = self.auth.answer(reply.headers.get("WWW-Authenticate", ""), repository, login)
            reply = self._follow(method, url, headers, login) if login else reply
        return reply

    def _follow(self, method: str, url: str, headers: Mapping[str, str], login: str) -> Reply:
        """Redirects of blobs lead to another host's storage, which must not see the login."""
        for _ in range(REDIRECTS):
            mine = urlsplit(url)[:2] == urlsplit(self.host)[:2]
            reply = self._transport.send(method, url, {**headers, "Authorization": login} if login and mine else headers)
            if reply.status not in (301, 302, 303, 307, 308) or not reply.headers.get("Location"):
                return reply
            url = urljoin(url, reply.headers["Location"])
            check_way(url, self.host, "a redirect")
        raise Unavailable(f"cannot follow {self.host}: more than {REDIRECTS} redirects")

    def _next(self, reply: Reply, path: str, name: str) -> str:
        """The next page's path. A link may be absolute, but leads nowhere else: a login goes with it, and half a list decides nothing."""
        match = NEXT.search(reply.headers.get("Link", "")[:4096])
        if match is None:
            return ""
        link = urlsplit(urljoin(self.host + path, match[1]))
        if link.netloc != urlsplit(self.host).netloc:
            raise Unavailable(f"cannot list tags of {name}: {self.host} sends to another host, {link.netloc[:100]}, for the next page")
        return f"{link.path}?{link.query}"


def _tags(reply: Reply, what: str) -> list[object]:
    """The list as it stands; `null` is what distribution says of a repository without tags."""
    answer = reply.json()
    tags = answer.get("tags") if isinstance(answer, dict) else answer
    if tags is None and isinstance(answer, dict) and "tags" in answer:
        return []
    if not isinstance(tags, list):
        raise Unavailable(f"cannot {what}: the registry answered without a list of tags: {reply.words()!r}")
    return tags


def _check(reply: Reply, what: str, host: str) -> None:
    """Statuses as errors, grouped by who must act."""
    if reply.status in (200, 304):
        return
    words = f"{host} answered {reply.status} {reply.words()}".rstrip()
    if reply.status in (401, 403):
        raise UserError(f"cannot {what}: it is refused, {words}", hint=HINT)
    if reply.status == 404:
        raise UserError(f"cannot {what}: it is not there, {words}", hint=HINT)
    raise Unavailable(f"cannot {what}: {words}")
