"""Where an image lives: from the user's spelling to host, repository and base URL; Docker's rules, nothing is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import DOCKER_HUB, parse_image

HUB = "docker.io"
HUB_NAMES = frozenset({HUB, DOCKER_HUB, "registry-1.docker.io"})
HUB_API = "registry-1.docker.io"


@dataclass(frozen=True)
class Place:
    """`host` is the registry as credentials and settings name it, `urls` the base URLs to try in order, `verify` whether TLS must hold."""

    host: str
    repository: str
    urls: tuple[str, ...]
    verify: bool = True


def split_name(name: str) -> tuple[str, str]:
    """Host and repository of an image name, as credentials and settings name them: `nginx` is docker.io's library/nginx.

    UserError when it is no image name."""
    ref = parse_image(name)
    return HUB if ref.registry == DOCKER_HUB else ref.registry, ref.repository


def place_of(name: str, insecure: Sequence[str] = (), mirrors: Mapping[str, str] | None = None) -> Place:
    """`insecure` hosts are tried over TLS without verification, then over plain HTTP (Flux's --registry-insecure-host). `mirrors` maps a
    host to the address that is asked in its place, with or without a scheme; the mirror's own host then names the credentials."""
    host, repository = split_name(name)
    address = (mirrors or {}).get(host, "")
    scheme, marked, netloc = address.rpartition("://")
    asked = netloc.rstrip("/") or host
    if marked:
        return Place(asked, repository, (f"{scheme}://{asked}",), asked not in insecure)
    api = HUB_API if asked == HUB else asked
    if asked in insecure:
        return Place(asked, repository, (f"https://{api}", f"http://{api}"), verify=False)
    return Place(asked, repository, (f"https://{api}",))


def mirrors_of(pairs: Sequence[str]) -> dict[str, str]:
    """The setting's `host=address` pairs; UserError names the one that is none."""
    found: dict[str, str] = {}
    for pair in pairs:
        host, equals, address = pair.partition("=")
        if not (host and equals and address):
            raise UserError(f"cannot use registry-mirror {pair!r}: it is no host=address pair", hint="docker.io=https://mirror.example.com")
        found[HUB if host in HUB_NAMES else host] = address
    return found
