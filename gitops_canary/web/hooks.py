"""Inbound webhooks: whether the sender knows the secret, and which lanes its message wakes; pure, and only a trigger: nothing it says is
believed."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gitops_canary.domain.images import EVERY, ImageRef
from gitops_canary.ports import Wake

FETCH = Wake("sync", "fetch")
EVERY_IMAGE = Wake("images", EVERY)
NAMES_AT_MOST = 100
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.:/_-]{0,254}", re.ASCII)


class Refused(Exception):
    """The answer to a message that is not taken: HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Message:
    """What came in: header names in lower case, the path's token ("" when it had none), the whole body. `aliases` maps a registry's
    address to the host that images name (a mirror's)."""

    headers: Mapping[str, str]
    token: str
    body: bytes
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One kind of sender: `genuine(message, secret)` in constant time, and `wakes(message, document)`."""

    genuine: Callable[[Message, bytes], bool]
    wakes: Callable[[Message, Any], Iterable[Wake]]


def read_hook(source: str, message: Message, secret: bytes) -> tuple[Wake, ...]:
    """The lanes to wake, without repeats. Refused 403 without a secret, 401 for a wrong one (before the body is looked at), 400 for a body
    that cannot be read."""
    if not secret:
        raise Refused(403, f"webhooks of {source} are off: no secret is set for them")
    if not SOURCES[source].genuine(message, secret):
        raise Refused(401, "the signature or secret is missing or wrong")
    try:
        document = orjson.loads(message.body) if message.body else {}
    except orjson.JSONDecodeError as error:
        raise Refused(400, "the body is not JSON, or nested too deep") from error
    return tuple(dict.fromkeys(SOURCES[source].wakes(message, document)))[:NAMES_AT_MOST]


# ---------------------------------------------------------------- who knows the secret


def _signed(header: str) -> Callable[[Message, bytes], bool]:
    """HMAC-SHA256 of the body as `sha256=<hex>`; SHA-1 is not taken."""

    def genuine(message: Message, secret: bytes) -> bool:
        expected = f"sha256={hmac.new(secret, message.body, hashlib.sha256).hexdigest()}"
        return _same(message.headers.get(header, ""), expected.encode())

    return genuine


def _header(name: str) -> Callable[[Message, bytes], bool]:
    return lambda message, secret: _same(message.headers.get(name, ""), secret)


def _authorization(message: Message, secret: bytes) -> bool:
    """The whole header, or what stands behind `Bearer`: registries send what they are configured with."""
    given = message.headers.get("authorization", "")
    whole, bearer = _same(given, secret), _same(given.removeprefix("Bearer "), secret)
    return whole or bearer


def _path(message: Message, secret: bytes) -> bool:
    """Docker Hub signs nothing: the secret is the path's last part."""
    return _same(message.token, secret)


def _same(given: str, expected: bytes) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected)


# ---------------------------------------------------------------- what it wakes


def _github(message: Message, document: Any) -> Iterator[Wake]:
    """Pushes, and packages of GHCR; a ping or anything else wakes nobody."""
    event = message.headers.get("x-github-event", "").lower()
    if event == "push":
        yield FETCH
    if event in ("package", "registry_package"):
        package = _at(document, "package") or _at(document, "registry_package")
        owner = _at(package, "namespace") or _at(package, "owner", "login")
        yield from _images(f"ghcr.io/{owner}/{_at(package, 'name')}".lower())


def _gitlab(message: Message, document: Any) -> Iterator[Wake]:
    del document
    if message.headers.get("x-gitlab-event", "").lower() in ("push hook", "tag push hook"):
        yield FETCH


def _dockerhub(message: Message, document: Any) -> Iterator[Wake]:
    del message
    yield from _images(_at(document, "repository", "repo_name"))


def _registry(message: Message, document: Any) -> Iterator[Wake]:
    """Distribution's envelope: pushes of manifests under a tag, in the registry whose address the pusher used."""
    for event in _rows(document, "events"):
        if _at(event, "action") == "push" and _at(event, "target", "tag"):
            host = str(_at(event, "request", "host") or _at(event, "source", "addr") or "")
            yield from _images(f"{message.aliases.get(host, host)}/{_at(event, 'target', 'repository')}")


def _harbor(message: Message, document: Any) -> Iterator[Wake]:
    del message
    if str(_at(document, "type")).upper() == "PUSH_ARTIFACT":
        for resource in _rows(_at(document, "event_data"), "resources"):
            host, slash, path = str(_at(resource, "resource_url") or "").partition("@")[0].partition("/")
            yield from _images(f"{host}{slash}{path.rpartition(':')[0] or path}")


def _generic(message: Message, document: Any) -> Iterator[Wake]:
    """`{"image": "…"}` for a registry, `{"ref": "…"}` for Git; anything else wakes both."""
    del message
    image, ref = _at(document, "image"), _at(document, "ref")
    if image:
        yield from _images(image)
    if ref or not image:
        yield FETCH
    if not (image or ref):
        yield EVERY_IMAGE


SOURCES: Mapping[str, Source] = {
    "github": Source(_signed("x-hub-signature-256"), _github),
    "gitlab": Source(_header("x-gitlab-token"), _gitlab),
    "dockerhub": Source(_path, _dockerhub),
    "registry": Source(_authorization, _registry),
    "harbor": Source(_authorization, _harbor),
    "generic": Source(_signed("x-signature"), _generic),
}


def _images(name: object) -> Iterator[Wake]:
    """By the canonical name, however the sender spells it. What is no name wakes nobody."""
    if isinstance(name, str) and NAME.fullmatch(name) and ".." not in name:
        yield Wake("images", ImageRef(name).canonical)


def _at(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _rows(document: Any, key: str) -> list[Any]:
    rows = _at(document, key)
    return rows[:1000] if isinstance(rows, list) else []
