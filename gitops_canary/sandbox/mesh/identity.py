"""How a client tells the mesh who it is: the user part of its proxy URL, as a sidecar's certificate would in Istio."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from gitops_canary.sandbox.mesh.table import UNKNOWN


@dataclass(frozen=True, order=True)
class Source:
    """Who sends a request; both `unknown` when it does not say."""

    namespace: str = UNKNOWN
    workload: str = UNKNOWN


def proxy_url(mesh: str, namespace: str, workload: str) -> str:
    """The value of `http_proxy` for a pod: the mesh's URL with the pod's namespace as user and its workload as password."""
    parts = urlsplit(mesh)
    user, _, rest = _credentials(namespace, workload).partition(":")
    return f"{parts.scheme}://{quote(user, safe='')}:{quote(rest, safe='')}@{parts.netloc}"


def source_of(authorization: str | None) -> Source:
    """Reads a Proxy-Authorization header; anything else than our own form is an unknown source."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return Source()
    try:
        namespace, colon, rest = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return Source()
    return Source(namespace or UNKNOWN, rest.lstrip(":") or UNKNOWN) if colon else Source()


def authorization_prefix(namespace: str) -> str:
    """What the header of every request from that namespace begins with: colons pad it to whole base64 groups, so that Envoy, which
    compares text, can tell namespaces apart."""
    return "Basic " + base64.b64encode(_padded(namespace).encode()).decode()


def _credentials(namespace: str, workload: str) -> str:
    return _padded(namespace) + workload


def _padded(namespace: str) -> str:
    head = f"{namespace}:"
    return head + ":" * (-len(head) % 3)
