"""The objects generated for a canary beside its routes, as they are applied: primary, Services, autoscaler, copies of configs."""

from collections.abc import Mapping
from typing import Any

from gitops_canary.domain.canary.spec import CANARY, CanarySpec
from gitops_canary.domain.canary.workloads import REVISION, SUFFIX, Selector, primary_template
from gitops_canary.domain.resources import Doc

COPIED = ("progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy")
SIDECARS = ("istio-proxy", "envoy")
LEAVE_ALONE = {
    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
}
HELM_RELEASE = "meta.helm.sh/release-name"


def owner(canary: Mapping[str, Any], *, controller: bool = True) -> Doc:
    """The owner reference that makes generated objects go with their Canary."""
    meta = canary["metadata"]
    reference: Doc = {"apiVersion": CANARY[0], "kind": CANARY[1], "name": meta["name"], "uid": meta["uid"]}
    return {**reference, "controller": True, "blockOwnerDeletion": True} if controller else reference


def head(name: str, namespace: str, canary: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> Doc:
    """Metadata of a generated object."""
    return {"name": name, "namespace": namespace, "ownerReferences": [owner(canary)], **({"labels": dict(labels)} if labels else {})}


def primary_deployment(
    spec: CanarySpec,
    canary: Mapping[str, Any],
    target: Mapping[str, Any],
    template: Mapping[str, Any],
    selector: Selector,
    revision: str,
    tracked: frozenset[str],
    prefixes: tuple[str, ...] = (),
) -> Doc:
    """The primary without `replicas`, which go through /scale (rule O1); `template` is the pinned one, everything else the target's."""
    labels = {
        key: value
        for key, value in (target["metadata"].get("labels") or {}).items()
        if any(prefix == "*" or key.startswith(prefix) for prefix in prefixes)
    }
    meta = head(spec.primary.name, spec.namespace, canary, {**labels, selector.label: selector.primary})
    meta["annotations"] = {REVISION: revision}
    return {
        "apiVersion": spec.primary.api_version,
        "kind": spec.primary.kind,
        "metadata": meta,
        "spec": {
            **{key: target["spec"][key] for key in COPIED if target["spec"].get(key) is not None},
            "selector": {"matchLabels": {selector.label: selector.primary}},
            "template": primary_template(template, selector, spec.target.name, revision, tracked),
        },
    }


def side_services(spec: CanarySpec, canary: Mapping[str, Any], target: Mapping[str, Any], selector: Selector) -> tuple[Doc, Doc]:
    """`<name>-canary` and `<name>-primary`."""
    name, raw = spec.service.name, spec.service.raw
    return (
        _service(spec, canary, target, f"{name}-canary", selector, selector.value, raw.get("canary") or {}),
        _service(spec, canary, target, f"{name}-primary", selector, selector.primary, raw.get("primary") or {}),
    )


def apex_service(spec: CanarySpec, canary: Mapping[str, Any], target: Mapping[str, Any], selector: Selector) -> Doc:
    """`<name>`, which points at the primary: where no mesh decides, users stay there."""
    return _service(spec, canary, target, spec.service.name, selector, selector.primary, spec.service.raw.get("apex") or {})


def _service(
    spec: CanarySpec,
    canary: Mapping[str, Any],
    target: Mapping[str, Any],
    name: str,
    selector: Selector,
    value: str,
    custom: Mapping[str, Any],
) -> Doc:
    """No `type` is set: a Service that was made by hand keeps its own, node ports included."""
    raw = spec.service.raw
    meta = head(name, spec.namespace, canary, {selector.label: name, **(custom.get("labels") or {})})
    meta["annotations"] = {**LEAVE_ALONE, **(custom.get("annotations") or {})}
    body: Doc = {"selector": {selector.label: value}, "ports": _ports(spec, target)}
    if raw.get("headless"):
        body["clusterIP"] = "None"
    if raw.get("trafficDistribution"):
        body["trafficDistribution"] = raw["trafficDistribution"]
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": body}


def _ports(spec: CanarySpec, target: Mapping[str, Any]) -> list[Doc]:
    service = spec.service
    apex: Doc = {"name": service.port_name, "port": service.port, "protocol": "TCP", "targetPort": service.target_port}
    if service.raw.get("appProtocol"):
        apex["appProtocol"] = service.raw["appProtocol"]
    return [apex, *(_discovered(spec, target) if service.raw.get("portDiscovery") else ())]


def _discovered(spec: CanarySpec, target: Mapping[str, Any]) -> list[Doc]:
    """Every other TCP port of the target's containers, as Flagger names them."""
    taken, found = {spec.service.port, spec.service.target_port}, list[Doc]()
    for container in target["spec"]["template"]["spec"].get("containers") or ():
        if container["name"] in SIDECARS:
            continue
        for at, port in enumerate(container.get("ports") or ()):
            number, name = port["containerPort"], port.get("name") or f"tcp-{container['name']}-{at}"
            if taken & {number, name}:
                continue
            taken.add(number)
            found.append({"name": name, "port": number, "protocol": port.get("protocol") or "TCP", "targetPort": number})
    return found


def primary_scaler(spec: CanarySpec, canary: Mapping[str, Any], scaler: Mapping[str, Any]) -> Doc:
    """The target's HorizontalPodAutoscaler for the primary, with the canary's own limits."""
    assert spec.scaler is not None
    body = {
        key: scaler["spec"][key] for key in ("minReplicas", "maxReplicas", "metrics", "behavior") if scaler["spec"].get(key) is not None
    }
    body |= {key: value for key, value in spec.scaler_limits.items() if key in ("minReplicas", "maxReplicas")}
    body["scaleTargetRef"] = {"apiVersion": spec.primary.api_version, "kind": spec.primary.kind, "name": spec.primary.name}
    meta = head(spec.scaler.name + SUFFIX, spec.namespace, canary)
    return {"apiVersion": spec.scaler.api_version, "kind": spec.scaler.kind, "metadata": meta, "spec": body}


def config_copy(canary: Mapping[str, Any], config: Mapping[str, Any]) -> Doc:
    """`<name>-primary` of a ConfigMap or Secret; several canaries may own it, hence no controller."""
    meta = config["metadata"]
    made: Doc = {
        "apiVersion": "v1",
        "kind": config["kind"],
        "metadata": {"name": meta["name"] + SUFFIX, "namespace": meta["namespace"], "ownerReferences": [owner(canary, controller=False)]},
    }
    if config["kind"] == "Secret" and config.get("type"):
        made["type"] = config["type"]
    return {**made, **{key: config[key] for key in ("data", "binaryData") if config.get(key)}}
