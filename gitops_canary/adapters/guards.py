"""What the operator may be led to by others' words: no metadata services, and nothing inside from a registry outside."""

import ipaddress
import socket
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

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
    addresses = _addresses(url)
    if any(_never(address) for address in addresses):
        raise UserError(f"cannot follow {what} of {home.netloc}: {_shown(url)} is a link-local or metadata address")
    if parts.hostname != home.hostname and any(_inside(one) for one in addresses) and not _is_inside(registry):
        raise UserError(f"cannot follow {what} of {home.netloc}: {_shown(url)} lies inside this network, the registry does not")


def check_address(url: str, what: str) -> None:
    """UserError when `url` (a registry's, a hook's) is no HTTP address or leads to a metadata service."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"cannot ask {what} {_shown(url)}: it is no HTTP address")
    if any(_never(address) for address in _addresses(url)):
        raise UserError(f"cannot ask {what} {parts.hostname}: it is a link-local or metadata address")


def forbidden(address: str) -> bool:
    """Whether this IP address is one that nobody may be led to."""
    return _never(_address(address))


def proxy_of(url: str) -> str:
    """The proxy that the environment names for this URL, "" when it is asked directly."""
    return select_proxy(url, get_environ_proxies(url, no_proxy=None)) or ""


def _addresses(url: str) -> list[Address]:
    """What a URL's host stands for; nothing when this machine cannot tell, or need not: a proxy resolves names by itself, and a lookup
    that nobody answers would take as long as a hook may."""
    host = urlsplit(url).hostname or ""
    try:
        return [_address(host)]
    except ValueError:
        pass
    if proxy_of(url):
        return []
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return [_address(str(row[4][0])) for row in found]


def _address(text: str) -> Address:
    """Without its zone, and as IPv4 where it is one; ValueError for a name."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _never(address: Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


def _inside(address: Address) -> bool:
    return not address.is_global


def _is_inside(url: str) -> bool:
    return any(_inside(address) for address in _addresses(url))


def _shown(url: str) -> str:
    """Without query and user, which may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200]
