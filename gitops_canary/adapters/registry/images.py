"""The registry port: tags, digests and build times of images, whatever registry they live on."""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from gitops_canary.adapters.registry.addresses import Place, mirrors_of, place_of
from gitops_canary.adapters.registry.client import RegistryClient
from gitops_canary.adapters.registry.credentials import Login, NoPullSecrets, PullSecrets, login_from, read_config, secret_config
from gitops_canary.adapters.registry.pace import Pace
from gitops_canary.adapters.registry.transport import Limits, Reply, Transport
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.domain.images import DIGEST, TAG, ImageRef
from gitops_canary.settings import Settings

SIDECAR = re.compile(r"sha256-[0-9a-f]{64}(\.\w+)?")
"""cosign's .sig, .att and .sbom, and the referrers tag of OCI 1.1: about an image, not one."""
T = TypeVar("T")
TAGS_AT_MOST = 1_000_000
KEPT = 10_000
"""Build times remembered, by digest."""
CLIENTS = 64
"""Clients kept; a login that is renewed every few hours leaves an old one behind."""
PREFERRED = ("linux", "amd64")


@dataclass(frozen=True)
class Options:
    """`rps`, `burst`: requests to one host, a second and at once. `docker_config` and `ca` are paths, "" = none."""

    rps: float = 50.0
    burst: int = 10
    insecure: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    docker_config: str = ""
    ca: str = ""
    limits: Limits = field(default_factory=Limits)


def options_of(settings: Settings) -> Options:
    return Options(
        settings.registry_rps,
        settings.registry_burst,
        settings.registry_insecure_host,
        settings.registry_mirror,
        settings.docker_config,
        settings.registry_ca,
    )


class OciRegistry:
    """Implements `ports.Registry`; thread-safe. `clock` (monotonic) and `pause` are in seconds."""

    def __init__(
        self,
        options: Options,
        pull_secrets: PullSecrets | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._options, self._secrets = options, pull_secrets or NoPullSecrets()
        self._clock, self._pause = clock, pause or _wait
        self._mirrors = mirrors_of(options.mirrors)
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}
        self._clients: OrderedDict[tuple[Place, Login | None], RegistryClient] = OrderedDict()
        self._created: OrderedDict[str, datetime | None] = OrderedDict()

    def tags(self, image: ImageRef) -> Sequence[str]:
        return self._with_the_login_of_today(lambda: self._tags(image))

    def digest(self, image: ImageRef, tag: str) -> str:
        return self._with_the_login_of_today(lambda: self._digest_of(image, tag))

    def _with_the_login_of_today(self, ask: Callable[[], T]) -> T:
        """A registry that refuses is asked again when the cluster may hold another login by now than the one remembered."""
        try:
            return ask()
        except UserError:
            if not self._secrets.forget():
                raise
        return ask()

    def _tags(self, image: ImageRef) -> Sequence[str]:
        place, client = self._client(image)
        found = client.get_repository_tags(place.repository)
        if len(found) > TAGS_AT_MOST:
            raise Unavailable(f"cannot list tags of {image.name}: more than {TAGS_AT_MOST}")
        return tuple(dict.fromkeys(tag for tag in found if isinstance(tag, str) and TAG.fullmatch(tag) and not SIDECAR.fullmatch(tag)))

    def _digest_of(self, image: ImageRef, tag: str) -> str:
        place, client = self._client(image)
        return self._digest(client, place.repository, tag)

    def created(self, image: ImageRef, tag: str) -> datetime | None:
        """Asked by digest, so that a HEAD is all it costs to know that the answer is known."""
        place, client = self._client(image)
        digest = self._digest(client, place.repository, tag)
        with self._lock:
            if digest in self._created:
                self._created.move_to_end(digest)
                return self._created[digest]
        built = _built(client, place.repository, digest)
        with self._lock:
            self._created[digest] = built
            while len(self._created) > KEPT:
                self._created.popitem(last=False)
        return built

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _digest(self, client: RegistryClient, repository: str, tag: str) -> str:
        told = client.head_manifest(repository, tag)
        if DIGEST.fullmatch(told):
            return told
        return f"sha256:{hashlib.sha256(client.get_manifest(repository, tag).content).hexdigest()}"

    # ------------------------------------------------------------ one client a registry and login

    def _client(self, image: ImageRef) -> tuple[Place, RegistryClient]:
        place = place_of(image.name, self._options.insecure, self._mirrors)
        login = self._login(image, place)
        key = (Place(place.host, "", place.urls, place.verify), login)
        with self._lock:
            client = self._clients.get(key)
            pace = self._paces.get(place.host) or self._new_pace(place.host)
        if client is None:
            client = self._connect(place, login, pace)
            with self._lock:
                client = self._clients.setdefault(key, client)
                while len(self._clients) > CLIENTS:
                    self._clients.popitem(last=False)[1].close()
        return place, client

    def _new_pace(self, host: str) -> Pace:
        self._paces[host] = Pace(host, self._options.rps, self._options.burst, clock=self._clock, pause=self._pause)
        return self._paces[host]

    def _login(self, image: ImageRef, place: Place) -> Login | None:
        """Pull Secrets before the docker config, as Flux asks them. The file is read anew: a changed login is found without a restart."""
        secrets = [config for where, data in self._secrets.of(image) if (config := secret_config(where, data)) is not None]
        files = [read_config(self._options.docker_config)] if self._options.docker_config else []
        return login_from([*secrets, *files], place)

    def _connect(self, place: Place, login: Login | None, pace: Pace) -> RegistryClient:
        """An insecure registry is tried over TLS first; whichever answers /v2/ is kept."""
        tried: Unavailable | None = None
        for url in place.urls:
            transport = Transport(
                pace, verify=place.verify, ca=self._options.ca, limits=self._options.limits, clock=self._clock, pause=self._pause
            )
            client = RegistryClient(url, login, transport, self._clock)
            if len(place.urls) == 1:
                return client
            try:
                transport.send("GET", f"{url}/v2/", {})
                return client
            except Unavailable as error:
                transport.close()
                tried = error
        raise tried or Unavailable(f"cannot reach registry {place.host}")


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _built(client: RegistryClient, repository: str, digest: str) -> datetime | None:
    """The config blob's `created`; of an index, that of its linux/amd64 image or else its first."""
    manifest = _document(client.get_manifest(repository, digest), digest)
    if isinstance(manifest.get("manifests"), list):
        child = _chosen(manifest["manifests"])
        manifest = _document(client.get_manifest(repository, child), child) if child else {}
    config = manifest.get("config")
    place = str(config.get("digest", "")) if isinstance(config, dict) else ""
    if not DIGEST.fullmatch(place):
        return None
    return _moment(_document(client.get_blob(repository, place), place).get("created"))


def _chosen(rows: list[Any]) -> str:
    images = [row for row in rows if isinstance(row, dict) and DIGEST.fullmatch(str(row.get("digest", "")))]
    fitting = [row for row in images if isinstance(at := row.get("platform"), dict) and (at.get("os"), at.get("architecture")) == PREFERRED]
    return str((fitting or images)[0]["digest"]) if images else ""


def _document(reply: Reply, digest: str) -> dict[str, Any]:
    """The answer's object; Unavailable when it is not what its digest says."""
    kind, _, wanted = digest.partition(":")
    if hashlib.new(kind, reply.content).hexdigest() != wanted:
        raise Unavailable(f"cannot use the answer of {reply.url.partition('?')[0]}: its content does not have the digest {digest}")
    document = reply.json()
    return document if isinstance(document, dict) else {}


def _moment(text: object) -> datetime | None:
    """RFC 3339 with up to nine decimals; None for what is none, and for the year 1 that a reproducible build may say."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text[:64]).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC) if moment.year > 1 else None
