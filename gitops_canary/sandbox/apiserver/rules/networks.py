"""Ingresses and network policies: nothing on the sandbox acts on them, and what a real server refuses of them is refused."""

import ipaddress
import re
from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules.words import (
    SUBDOMAIN_FORM,
    Cause,
    Doc,
    forbidden,
    invalid,
    label,
    one_of,
    port,
    port_name,
    port_number,
    required,
    selector,
    subdomain,
    unsupported,
)  # fmt: skip

CIDR_WORDS = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
WILD_FORM = rf"\*\.{SUBDOMAIN_FORM}"
WILD_WORDS = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric "
    f"characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '{WILD_FORM}')"
)
ODD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
ODD_ENDS = ("/..", "/.")


def ingress(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        yield "spec", "Invalid value: null: either `defaultBackend` or `rules` must be specified"
    if spec.get("defaultBackend") is not None:
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for number, one in enumerate(spec.get("rules") or ()):
        yield from _host(f"spec.rules[{number}].host", one.get("host") or "")
        if one.get("http") is not None:
            yield from _paths(one["http"].get("paths") or (), f"spec.rules[{number}].http.paths")
    for number, one in enumerate(spec.get("tls") or ()):
        for place, host in enumerate(one.get("hosts") or ()):
            yield from _host(f"spec.tls[{number}].hosts[{place}]", host)
        if one.get("secretName"):
            yield from subdomain(f"spec.tls[{number}].secretName", one["secretName"])
    if spec.get("ingressClassName"):
        yield from subdomain("spec.ingressClassName", spec["ingressClassName"])


def _host(at: str, host: str) -> Iterator[Cause]:
    if "*" in host:
        if not re.fullmatch(WILD_FORM, host):
            yield invalid(at, host, WILD_WORDS)
    elif host and _is_address(host):
        yield invalid(at, host, "must be a DNS name, not an IP address")
    elif host:
        yield from subdomain(at, host)


def _paths(paths: list[Doc] | tuple[()], at: str) -> Iterator[Cause]:
    if not paths:
        yield required(at)
    for number, one in enumerate(paths):
        where, type_, path = f"{at}[{number}]", one.get("pathType"), str(one.get("path") or "")
        if not type_:
            yield required(f"{where}.pathType", "pathType must be specified")
        elif type_ not in ("Exact", "ImplementationSpecific", "Prefix"):
            yield unsupported(f"{where}.pathType", type_, "Exact", "ImplementationSpecific", "Prefix")
        elif type_ != "ImplementationSpecific":
            yield from _plain_path(f"{where}.path", path)
        elif path and not path.startswith("/"):
            yield invalid(f"{where}.path", path, "must be an absolute path")
        yield from _backend(one.get("backend") or {}, f"{where}.backend")


def _plain_path(at: str, path: str) -> Iterator[Cause]:
    if not path.startswith("/"):
        yield invalid(at, path, "must be an absolute path")
        return
    yield from (invalid(at, path, f"must not contain '{part}'") for part in ODD_PARTS if part in path)
    yield from (invalid(at, path, f"cannot end with '{end}'") for end in ODD_ENDS if path.endswith(end))


def _backend(backend: Doc, at: str) -> Iterator[Cause]:
    service = backend.get("service")
    if service is not None and backend.get("resource") is not None:
        yield invalid(at, "", "cannot set both resource and service backends")
    elif service is None and backend.get("resource") is None:
        yield invalid(at, "", "resource or service backend is required")
    elif service is not None:
        yield from label(f"{at}.service.name", service.get("name") or "")
        yield from _backend_port(service.get("port") or {}, at)


def _backend_port(found: Doc, at: str) -> Iterator[Cause]:
    name, number = found.get("name"), found.get("number")
    if name and number:
        yield invalid(at, "", "cannot set both port name & port number")
    elif name:
        yield from port_name(f"{at}.service.port.name", name)
    elif number:
        yield from port_number(f"{at}.service.port.number", number)
    else:
        yield required(at, "port name or number is required")


def network_policy(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    yield from selector("spec.podSelector", spec.get("podSelector"))
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(way) or ()):
            for place, one in enumerate(rule.get("ports") or ()):
                yield from _policy_port(one, f"spec.{way}[{number}].ports[{place}]")
            for place, one in enumerate(rule.get(peers) or ()):
                yield from _peer(one, f"spec.{way}[{number}].{peers}[{place}]")
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        yield invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for number, one in enumerate(types):
        if one not in ("Ingress", "Egress"):
            yield unsupported(f"spec.policyTypes[{number}]", one, "Ingress", "Egress")


def _policy_port(one: Doc, at: str) -> Iterator[Cause]:
    yield from one_of(one, at, "protocol", "TCP", "UDP", "SCTP")
    first, last = one.get("port"), one.get("endPort")
    if first is not None:
        yield from port(f"{at}.port", first)
    if last is None:
        return
    if first is None:
        yield invalid(f"{at}.endPort", last, "may not be specified when `port` is not specified")
    elif isinstance(first, str):
        yield invalid(f"{at}.endPort", last, "may not be specified when `port` is non-numeric")
    elif last < first:
        yield invalid(f"{at}.endPort", first, "must be greater than or equal to `port`")


def _peer(one: Doc, at: str) -> Iterator[Cause]:
    chosen = [name for name in ("podSelector", "namespaceSelector") if one.get(name) is not None]
    for name in chosen:
        yield from selector(f"{at}.{name}", one[name])
    if one.get("ipBlock") is not None:
        yield from _block(one["ipBlock"], f"{at}.ipBlock")
        if chosen:
            yield forbidden(at, "may not specify both ipBlock and another peer")
    elif not chosen:
        yield required(at, "must specify a peer")


def _block(block: Doc, at: str) -> Iterator[Cause]:
    cidr = block.get("cidr") or ""
    if not cidr:
        yield required(f"{at}.cidr")
        return
    whole = _network(cidr)
    if whole is None:
        yield invalid(f"{at}.cidr", cidr, CIDR_WORDS)
    for number, text in enumerate(block.get("except") or ()):
        part = _network(text)
        if part is None:
            yield invalid(f"{at}.except[{number}]", text, CIDR_WORDS)
        elif whole is not None and not (part.version == whole.version and part != whole and _inside(part, whole)):
            yield invalid(f"{at}.except[{number}]", text, "must be a strict subset of `cidr`")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _inside(part: Network, whole: Network) -> bool:
    return part.network_address in whole and part.prefixlen > whole.prefixlen


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
