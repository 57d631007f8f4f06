"""Services: ports, types and addresses."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from gitops_canary.sandbox.apiserver.rules.words import (
    Cause,
    Doc,
    duplicate,
    forbidden,
    invalid,
    label,
    labels,
    one_of,
    port,
    port_number,
    required,
)  # fmt: skip


def service(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    outside, headless = spec.get("type") == "ExternalName", spec.get("clusterIP") == "None"
    yield from one_of(spec, "spec", "type", "ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    yield from one_of(spec, "spec", "sessionAffinity", "ClientIP", "None")
    yield from labels("spec.selector", spec.get("selector"))
    if outside and not spec.get("externalName"):
        yield required("spec.externalName")
    if not spec.get("ports") and not outside and not headless:
        yield required("spec.ports")
    if spec.get("clusterIP") and not headless and not _is_address(spec["clusterIP"]):
        yield invalid("spec.clusterIPs[0]", spec["clusterIP"], "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    if old is not None and spec.get("type") == (old.get("spec") or {}).get("type") != "ExternalName":
        before = (old.get("spec") or {}).get("clusterIP")
        if before and spec.get("clusterIP") not in (None, before):
            yield invalid("spec.clusterIPs[0]", [spec["clusterIP"]], "may not change once set")
    yield from _ports(spec, "spec.ports")


def _ports(spec: Doc, at: str) -> Iterator[Cause]:
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    for number, one in enumerate(spec.get("ports") or ()):
        where, name = f"{at}[{number}]", one.get("name")
        if len(spec["ports"]) > 1 and not name:
            yield required(f"{where}.name")
        elif name:
            yield from label(f"{where}.name", name)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        yield from port_number(f"{where}.port", one.get("port"))
        yield from one_of(one, where, "protocol", "SCTP", "TCP", "UDP")
        if one.get("targetPort") is not None and one.get("targetPort") != one.get("port"):
            yield from port(f"{where}.targetPort", one["targetPort"])
        if one.get("nodePort") and spec.get("type", "ClusterIP") == "ClusterIP":
            yield forbidden(f"{where}.nodePort", "may not be used when `type` is 'ClusterIP'")
        key = one.get("protocol"), one.get("port")
        if key in numbers:
            yield duplicate(where, {"Protocol": key[0], "Port": key[1]})
        numbers.add(key)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
