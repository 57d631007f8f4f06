"""Where an image lives: from the user's spelling to host, repository and base URL; Docker's rules, nothing is asked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitops_canary.domain.errors import UserError

HUB = "docker.io"
HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
HUB_API = "registry-1.docker.io"
REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
LONGEST = 255


@dataclass(frozen=True)
class Place:
    """`host` is the registry as credentials and settings name it, `urls` the base URLs to try in order, `verify` whether TLS must hold."""

    host: str
    repository: str
    urls: tuple[str, ...]
    verify: bool = True


def split_name(name: str) -> tuple[str, str]:
    """Host and repository of an image name: `nginx` is docker.io's library/nginx, a first part with a dot, a port or `localhost` is a host.

    UserError when it is no image name."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, repository = first, rest
    else:
        host, repository = HUB, name
    if host in HUB_NAMES:
        host, repository = HUB, repository if "/" in repository else f"library/{repository}"
    if len(name) > LONGEST or not HOST.fullmatch(host) or not REPOSITORY.fullmatch(repository):
        raise UserError(f"cannot use image {name[:LONGEST]!r}: it is no image name", hint="write it as [host/]path, lower case")
    return host, repository


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
