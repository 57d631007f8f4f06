"""Which rules of a real server hold for which built-in kind; the rules stand in `rules/`, defaults and types elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_canary.sandbox.apiserver import pod_security
from gitops_canary.sandbox.apiserver.rules import access, autoscalers, data, metadata, networks, pods, services, storage, workloads
from gitops_canary.sandbox.apiserver.rules.words import Cause, Checker


def causes(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Cause]:
    """All that a real server would refuse."""
    checker = _CHECKERS.get(doc["kind"])
    return [*metadata.checked(doc, old), *(checker(doc, old) if checker is not None else ())]


def _event_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    about = (doc.get("involvedObject") or {}).get("namespace", "")
    if about != doc["metadata"].get("namespace") and not (about == "" and doc["metadata"].get("namespace") == "default"):
        yield "involvedObject.namespace", f'Invalid value: "{about}": does not match event.namespace'


def _namespace_checks(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    if wrong := pod_security.wrong_level(doc["metadata"].get("labels") or {}):
        yield f"metadata.labels[{pod_security.LABEL}]", wrong


def _limits(doc: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[Cause]:
    """What would be stored and never enforced is not taken: a sandbox that pretends teaches what is wrong."""
    spec = doc.get("spec") or {}
    for name in ("hard", "limits"):
        if spec.get(name):
            yield f"spec.{name}", f"Forbidden: the sandbox enforces none of a {doc['kind']}'s limits"


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


_CHECKERS: Mapping[str, Checker] = {
    "Deployment": workloads.deployment,
    "ReplicaSet": workloads.replicated,
    "StatefulSet": workloads.never_run,
    "DaemonSet": workloads.never_run,
    "CronJob": workloads.never_run,
    "Job": workloads.job,
    "PodDisruptionBudget": workloads.budget,
    "HorizontalPodAutoscaler": autoscalers.autoscaler,
    "Pod": pods.pod,
    "Service": services.service,
    "ConfigMap": data.config_map,
    "Secret": data.secret,
    "Role": access.role,
    "ClusterRole": access.role,
    "RoleBinding": access.binding,
    "ClusterRoleBinding": access.binding,
    "Lease": access.lease,
    "Ingress": networks.ingress,
    "NetworkPolicy": networks.network_policy,
    "PersistentVolumeClaim": storage.claim,
    "PersistentVolume": storage.volume,
    "StorageClass": storage.storage_class,
    "PriorityClass": storage.priority_class,
    "Namespace": _namespace_checks,
    "Event": _event_checks,
    "ResourceQuota": _limits,
    "LimitRange": _limits,
    "CustomResourceDefinition": _definition,
}
