"""Reads VirtualServices and DestinationRules into plans; what the sandbox's mesh cannot do becomes a sentence, never a silent omission."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gitops_canary.sandbox.mesh.table import Headers, Match, Retries, Text

Doc = dict[str, Any]
MESH = "mesh"
HTTP_FIELDS = frozenset({"name", "match", "route", "timeout", "retries", "headers", "rewrite", "corsPolicy"})
MATCH_FIELDS = frozenset({"name", "uri", "method", "headers", "withoutHeaders", "ignoreUriCase"})
TEXTS: tuple[Literal["exact", "prefix", "regex"], ...] = ("exact", "prefix", "regex")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Target:
    """A route's destination before Services are looked at; port 0 = not said."""

    namespace: str
    service: str
    weight: int
    port: int = 0
    subset: str = ""


@dataclass(frozen=True)
class Plan:
    """One HTTP route of a VirtualService."""

    targets: tuple[Target, ...] = ()
    matches: tuple[Match, ...] = ()
    timeout: float | None = None
    retries: Retries = field(default_factory=Retries)
    request: Headers = field(default_factory=Headers)
    response: Headers = field(default_factory=Headers)
    rewrite_uri: str = ""
    refuse: str = ""


@dataclass(frozen=True)
class Routes:
    """A VirtualService: which hosts (as written), from inside the mesh or through a gateway, and its routes in order."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    in_mesh: bool
    through_gateway: bool
    plans: tuple[Plan, ...]


Subsets = Mapping[tuple[str, str, str], Mapping[str, str]]
"""(namespace, service, subset) to labels."""


def read_routes(doc: Doc) -> Routes:
    metadata, spec = doc["metadata"], doc.get("spec") or {}
    gateways = spec.get("gateways") or [MESH]
    where = f"VirtualService {metadata['namespace']}/{metadata['name']}"
    plans = tuple(_plan(route, metadata["namespace"], where) for route in spec.get("http") or ())
    if spec.get("tcp") or spec.get("tls"):
        plans = (*plans, Plan(refuse=f"{where}: tcp and tls routes are not supported by the sandbox's mesh"))
    return Routes(
        namespace=metadata["namespace"],
        name=metadata["name"],
        hosts=tuple(spec.get("hosts") or ()),
        in_mesh=MESH in gateways,
        through_gateway=any(gateway != MESH for gateway in gateways),
        plans=plans,
    )


def read_subsets(rules: Iterable[Doc]) -> Subsets:
    """The subsets of all DestinationRules; their traffic policies change nothing here."""
    found: dict[tuple[str, str, str], Mapping[str, str]] = {}
    for doc in rules:
        service, namespace = split_host(str((doc.get("spec") or {}).get("host", "")), doc["metadata"]["namespace"])
        for subset in (doc.get("spec") or {}).get("subsets") or ():
            found[namespace, service, subset["name"]] = subset.get("labels") or {}
    return found


def split_host(host: str, namespace: str) -> tuple[str, str]:
    """(service, namespace) of a Service's name in any of its lengths, as seen from `namespace`."""
    parts = host.removesuffix(".svc.cluster.local").removesuffix(".svc").split(".")
    return (parts[0], parts[1]) if len(parts) == 2 else (parts[0] if len(parts) == 1 else host, namespace)


def _plan(route: Doc, namespace: str, where: str) -> Plan:
    matches = list(route.get("match") or ())
    strange = sorted(route.keys() - HTTP_FIELDS) + sorted(f"match.{name}" for match in matches for name in match.keys() - MATCH_FIELDS)
    if strange:
        return Plan(matches=_matches(matches), refuse=f"{where}: http.{strange[0]} is not supported by the sandbox's mesh")
    targets = tuple(_target(entry, namespace) for entry in route.get("route") or ())
    if not targets:
        return Plan(matches=_matches(matches), refuse=f"{where}: a route without destinations")
    if len(targets) == 1 and not targets[0].weight:
        targets = (Target(targets[0].namespace, targets[0].service, 100, targets[0].port, targets[0].subset),)
    headers = route.get("headers") or {}
    return Plan(
        targets=targets,
        matches=_matches(matches),
        timeout=seconds(route.get("timeout")),
        retries=_retries(route.get("retries")),
        request=_headers(headers.get("request")),
        response=_headers(headers.get("response")),
        rewrite_uri=str((route.get("rewrite") or {}).get("uri", "")),
    )


def _target(entry: Doc, namespace: str) -> Target:
    destination = entry["destination"]
    service, home = split_host(destination["host"], namespace)
    port = (destination.get("port") or {}).get("number", 0)
    return Target(home, service, int(entry.get("weight", 0)), int(port), destination.get("subset", ""))


def _matches(matches: list[Doc]) -> tuple[Match, ...]:
    return tuple(
        Match(
            uri=_text(match.get("uri"), fold=bool(match.get("ignoreUriCase"))),
            method=_text(match.get("method")),
            headers=tuple((name.lower(), _text(value) or Text("present")) for name, value in (match.get("headers") or {}).items()),
            without=tuple((name.lower(), _text(value) or Text("present")) for name, value in (match.get("withoutHeaders") or {}).items()),
        )
        for match in matches
    )


def _text(condition: Doc | None, *, fold: bool = False) -> Text | None:
    """An Istio StringMatch; ignoring case turns it into a regular expression."""
    for kind in TEXTS:
        if condition and kind in condition:
            value = str(condition[kind])
            if not fold:
                return Text(kind, value)
            pattern = value if kind == "regex" else re.escape(value) + (".*" if kind == "prefix" else "")
            return Text("regex", f"(?i){pattern}")
    return None


def _headers(change: Doc | None) -> Headers:
    given = change or {}
    return Headers(tuple((given.get("set") or {}).items()), tuple((given.get("add") or {}).items()), tuple(given.get("remove") or ()))


def _retries(given: Doc | None) -> Retries:
    """Istio's default, two attempts where nothing was sent yet, unless the route says otherwise."""
    if given is None:
        return Retries()
    on = str(given.get("retryOn", ""))
    return Retries(int(given.get("attempts", 0)), any(word in on for word in ("5xx", "gateway-error")), seconds(given.get("perTryTimeout")))


def seconds(duration: str | None) -> float | None:
    """A Go duration; None when absent or 0, which both mean no limit."""
    total = sum(float(amount) * UNITS[unit] for amount, unit in re.findall(r"([\d.]+)(h|ms|m|s)", duration or ""))
    return total or None
