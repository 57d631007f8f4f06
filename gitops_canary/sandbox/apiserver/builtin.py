"""What a real server refuses of the built-in kinds, as far as clients rely on it; defaults and types stand elsewhere."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitops_canary.sandbox.apiserver import pod_security

Cause = tuple[str, str]
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
PATH_NAMES = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})


def causes(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Cause]:
    """What a real server would refuse: names, labels, selectors, containers, ports, immutable fields."""
    found = [*_metadata(doc), *_late_finalizers(doc, old)]
    checker = _CHECKERS.get(doc["kind"])
    if checker is not None:
        found += checker(doc, old)
    return found


def _metadata(doc: Mapping[str, Any]) -> Iterator[Cause]:
    meta = doc["metadata"]
    name = str(meta.get("name", ""))
    if doc["kind"] not in PATH_NAMES and (not DNS_SUBDOMAIN.fullmatch(name) or len(name) > 253):
        shown = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        yield "metadata.name", f'Invalid value: "{name}": {shown}'
    for place in ("labels", "annotations"):
        for key, value in (meta.get(place) or {}).items():
            if not isinstance(value, str):
                yield f"metadata.{place}", f"Invalid value: {key} must be of type string"
            elif place == "labels" and (len(value) > 63 or not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", value)):
                yield f"metadata.labels.{key}", f'Invalid value: "{value}": a valid label must have 63 characters or less'


def _late_finalizers(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    if old is not None and old["metadata"].get("deletionTimestamp"):
        late = [one for one in doc["metadata"].get("finalizers") or () if one not in (old["metadata"].get("finalizers") or ())]
        if late:
            shown = ", ".join(f'"{one}"' for one in late)
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
            yield "metadata.finalizers", f"Forbidden: {why}"


def _event_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    about = (doc.get("involvedObject") or {}).get("namespace", "")
    if about != doc["metadata"].get("namespace") and not (about == "" and doc["metadata"].get("namespace") == "default"):
        yield "involvedObject.namespace", f'Invalid value: "{about}": does not match event.namespace'


def _workload(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    wanted = (selector or {}).get("matchLabels") or {}
    if not selector:
        yield "spec.selector", "Required value"
    elif any(labels.get(key) != value for key, value in wanted.items()):
        yield "spec.template.metadata.labels", f"Invalid value: {labels}: `selector` does not match template `labels`"
    if old is not None and selector != (old.get("spec") or {}).get("selector"):
        yield "spec.selector", "Invalid value: field is immutable"
    replicas = spec.get("replicas", 1)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        yield "spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0"
    yield from _pod_causes(template.get("spec") or {}, "spec.template.spec")


def _pod_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    yield from _pod_causes(doc.get("spec") or {}, "spec")


def _pod_causes(spec: Mapping[str, Any], at: str) -> Iterator[Cause]:
    containers = spec.get("containers")
    if not containers:
        yield f"{at}.containers", "Required value"
        return
    seen = set()
    for number, container in enumerate(containers):
        name = container.get("name", "")
        if not name:
            yield f"{at}.containers[{number}].name", "Required value"
        elif not DNS_LABEL.fullmatch(name):
            yield (
                f"{at}.containers[{number}].name",
                f"Invalid value: \"{name}\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'",
            )
        elif name in seen:
            yield f"{at}.containers[{number}].name", f'Duplicate value: "{name}"'
        seen.add(name)
        if not container.get("image"):
            yield f"{at}.containers[{number}].image", "Required value"
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for number, container in enumerate(containers):
        for mount in container.get("volumeMounts") or ():
            if mount.get("name") not in volumes:
                yield f"{at}.containers[{number}].volumeMounts[0].name", f'Not found: "{mount.get("name")}"'


def _service_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield "spec.ports", "Required value"
    for number, port in enumerate(spec.get("ports") or ()):
        if not isinstance(port.get("port"), int) or not 0 < port["port"] < 65536:
            yield f"spec.ports[{number}].port", f"Invalid value: {port.get('port')}: must be between 1 and 65535, inclusive"
        if len(spec["ports"]) > 1 and not port.get("name"):
            yield f"spec.ports[{number}].name", "Required value"


def _config_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    for key, value in (doc.get("data") or {}).items():
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
            yield f"data[{key}]", f"Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        if not isinstance(value, str):
            yield f"data[{key}]", "Invalid value: must be of type string"
    if old is not None and old.get("immutable"):
        changed = [field for field in ("data", "binaryData") if (old.get(field) or {}) != (doc.get(field) or {})]
        for field in (*(() if doc.get("immutable") else ("immutable",)), *changed):
            yield field, "Forbidden: field is immutable when `immutable` is set"
    if old is not None and doc["kind"] == "Secret" and old.get("type") != doc.get("type"):
        yield "type", "Invalid value: field is immutable"


def _namespace_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    if wrong := pod_security.wrong_level(doc["metadata"].get("labels") or {}):
        yield f"metadata.labels[{pod_security.LABEL}]", wrong


def _binding_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    if old is not None and old.get("roleRef") != doc.get("roleRef"):
        yield "roleRef", "Invalid value: cannot change roleRef"


def _limits(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    """What would be stored and never enforced is not taken: a sandbox that pretends teaches what is wrong."""
    spec = doc.get("spec") or {}
    for name in ("hard", "limits"):
        if spec.get(name):
            yield f"spec.{name}", f"Forbidden: the sandbox enforces none of a {doc['kind']}'s limits"


NO_CONTROLLER = "the sandbox has no controller for {}s, so nothing would ever run; use a Deployment or a Job here, or a real cluster"


def _never_run(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    """What would be stored and stand still is not taken, but for a CronJob that is to stand still."""
    yield from _workload(doc, old) if doc["kind"] != "CronJob" else ()
    if doc["kind"] != "CronJob" or not (doc.get("spec") or {}).get("suspend"):
        yield "spec", f"Forbidden: {NO_CONTROLLER.format(doc['kind'])}"


def _autoscaler(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    for number, metric in enumerate((doc.get("spec") or {}).get("metrics") or ()):
        if metric.get("type") in ("ContainerResource", "External", "Object", "Pods"):
            why = f"the sandbox has no {metric['type']} metrics, only cpu and memory of whole pods (type Resource)"
            yield f"spec.metrics[{number}].type", f"Forbidden: {why}"


def _definition(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        yield "spec.conversion.strategy", "Forbidden: the sandbox calls no conversion webhooks"
    for number, version in enumerate(spec.get("versions") or ()):
        if _has_rules(version.get("schema")):
            yield f"spec.versions[{number}].schema", "Forbidden: the sandbox evaluates no CEL rules (x-kubernetes-validations)"


def _has_rules(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return bool(schema.get("x-kubernetes-validations")) or any(_has_rules(inner) for inner in schema.values())
    return isinstance(schema, list) and any(_has_rules(inner) for inner in schema)


_CHECKERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any] | None], Iterator[Cause]]] = {
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "StatefulSet": _never_run,
    "DaemonSet": _never_run,
    "CronJob": _never_run,
    "HorizontalPodAutoscaler": _autoscaler,
    "Namespace": _namespace_checks,
    "Pod": _pod_checks,
    "Service": _service_checks,
    "Event": _event_checks,
    "ResourceQuota": _limits,
    "LimitRange": _limits,
    "CustomResourceDefinition": _definition,
    "ConfigMap": _config_checks,
    "Secret": _config_checks,
    "RoleBinding": _binding_checks,
    "ClusterRoleBinding": _binding_checks,
}
