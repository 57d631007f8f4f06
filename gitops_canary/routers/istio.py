"""Istio: a split as DestinationRules and a VirtualService, and the split that a VirtualService has; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_canary.domain.canary.objects import head
from gitops_canary.domain.canary.spec import CanarySpec, hosts_and_gateways
from gitops_canary.domain.resources import Doc, Ref

API = "networking.istio.io/v1beta1"
COPIED = ("match", "rewrite", "timeout", "retries", "corsPolicy", "headers")


def route_refs(spec: CanarySpec) -> tuple[Ref, ...]:
    """Every object that a split consists of."""
    name = spec.service.name
    rules = tuple(Ref(API, "DestinationRule", spec.namespace, f"{name}-{side}") for side in ("canary", "primary"))
    return (*rules, virtual_service_ref(spec))


def virtual_service_ref(spec: CanarySpec) -> Ref:
    return Ref(API, "VirtualService", spec.namespace, spec.service.name)


def routes(spec: CanarySpec, canary: Mapping[str, Any], weight: int) -> Sequence[Doc]:
    """The objects of a split in the order they are applied; `weight` percent go to the canary."""
    return (*destination_rules(spec, canary), virtual_service(spec, canary, weight))


def destination_rules(spec: CanarySpec, canary: Mapping[str, Any]) -> tuple[Doc, ...]:
    policy = spec.service.raw.get("trafficPolicy")
    return tuple(
        {
            "apiVersion": API,
            "kind": "DestinationRule",
            "metadata": head(f"{spec.service.name}-{side}", spec.namespace, canary),
            "spec": {"host": f"{spec.service.name}-{side}", **({"trafficPolicy": policy} if policy else {})},
        }
        for side in ("canary", "primary")
    )


def virtual_service(spec: CanarySpec, canary: Mapping[str, Any], weight: int) -> Doc:
    """One HTTP route, or a TCP route where `appProtocol` is tcp; both sides are always listed."""
    hosts, gateways = hosts_and_gateways(spec.service)
    custom = spec.service.raw.get("apex") or {}
    meta = head(spec.service.name, spec.namespace, canary, custom.get("labels"))
    if custom.get("annotations"):
        meta["annotations"] = dict(custom["annotations"])
    split = [_destination(spec, "primary", 100 - weight), _destination(spec, "canary", weight)]
    kind = "tcp" if str(spec.service.raw.get("appProtocol") or "").lower() == "tcp" else "http"
    route: Doc = {"route": split}
    if kind == "http":
        route = {**{key: spec.service.raw[key] for key in COPIED if spec.service.raw.get(key)}, **route}
    body = {"hosts": list(hosts), "gateways": list(gateways), kind: [route]}
    return {"apiVersion": API, "kind": "VirtualService", "metadata": meta, "spec": body}


def _destination(spec: CanarySpec, side: str, weight: int) -> Doc:
    return {"destination": {"host": f"{spec.service.name}-{side}"}, "weight": weight}


def weight_of(spec: CanarySpec, doc: Mapping[str, Any]) -> int | None:
    """The percentage that a VirtualService sends to the canary; None when it does not say (for people, never for a decision: rule R2)."""
    body = doc.get("spec") or {}
    for route in (*(body.get("http") or ()), *(body.get("tcp") or ())):
        for one in route.get("route") or ():
            if (one.get("destination") or {}).get("host") == f"{spec.service.name}-canary":
                return int(one.get("weight") or 0)
    return None
