"""What the operator may be led to by others' words: no metadata services, and nothing inside from a registry outside."""

import ipaddress
import socket
from urllib.parse import urlsplit

from gitops_canary.domain.errors import UserError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})


def check_way(url: str, registry: str, what: str) -> None:
    """UserError unless `url` (a token realm, a redirect) may be followed from the registry at base URL `registry`."""
    parts, home = urlsplit(url), urlsplit(registry)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"cannot follow {what} of {home.netloc}: {_shown(url)} is no HTTP address")
    if home.scheme == "https" and parts.scheme == "http":
        raise UserError(f"cannot follow {what} of {home.netloc}: {_shown(url)} is not encrypted while the registry is")
    addresses = _addresses(parts.hostname)
    if any(_never(address) for address in addresses):
        raise UserError(f"cannot follow {what} of {home.netloc}: {_shown(url)} is a link-local or metadata address")
    if parts.hostname != home.hostname and any(_inside(one) for one in addresses) and not _is_inside(home.hostname or ""):
        raise UserError(f"cannot follow {what} of {home.netloc}: {_shown(url)} lies inside this network, the registry does not")


def check_address(url: str, what: str) -> None:
    """UserError when `url` (a registry's, a hook's) is no HTTP address or leads to a metadata service."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"cannot ask {what} {_shown(url)}: it is no HTTP address")
    if any(_never(address) for address in _addresses(parts.hostname)):
        raise UserError(f"cannot ask {what} {parts.hostname}: it is a link-local or metadata address")


def _addresses(host: str) -> list[Address]:
    """What a name stands for; nothing when this machine cannot tell (a proxy may)."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return [_plain(ipaddress.ip_address(str(row[4][0]).partition("%")[0])) for row in found]


def _plain(address: Address) -> Address:
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _never(address: Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


def _inside(address: Address) -> bool:
    return not address.is_global


def _is_inside(host: str) -> bool:
    return any(_inside(address) for address in _addresses(host))


def _shown(url: str) -> str:
    """Without query and user, which may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200]
