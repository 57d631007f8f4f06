"""The objects that a server refuses: each a sound one with one thing changed, and the causes (reason and field) that the refusal names.

Rows without causes look wrong and are taken."""

from typing import Any

from tests.conformance import wrong_networks, wrong_others, wrong_pods, wrong_workloads
from tests.conformance.changing import Wrong
from tests.conformance.objects import config_map, container, deployment, job, pod, service

Doc = dict[str, Any]


def _stamped(api_version: str, kind: str, **more: Any) -> Doc:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **more}


_CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
_ROLES = "rbac.authorization.k8s.io"
_BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
_LABELS = {"matchLabels": {"app": "web"}}

SOUND: dict[str, Doc] = {
    "deployments": deployment("web", 1),
    "pods": pod("x", container(ports=[{"containerPort": 80, "name": "http"}], env=[{"name": "A", "value": "1"}])),
    "jobs": job("x"),
    "services": service("x"),
    "configmaps": config_map("x"),
    "secrets": _stamped("v1", "Secret", data={"a": "MQ=="}),
    "namespaces": _stamped("v1", "Namespace"),
    "serviceaccounts": _stamped("v1", "ServiceAccount"),
    "horizontalpodautoscalers": _stamped(
        "autoscaling/v2", "HorizontalPodAutoscaler", spec={"scaleTargetRef": _TARGET, "minReplicas": 1, "maxReplicas": 3, "metrics": [_CPU]}
    ),
    "poddisruptionbudgets.policy/v1": _stamped("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "selector": _LABELS}),
    "leases": _stamped("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "me", "leaseDurationSeconds": 15}),
    "roles": _stamped(f"{_ROLES}/v1", "Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    "clusterroles": _stamped(f"{_ROLES}/v1", "ClusterRole", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    "rolebindings": _stamped(
        f"{_ROLES}/v1",
        "RoleBinding",
        roleRef={"apiGroup": _ROLES, "kind": "Role", "name": "x"},
        subjects=[{"kind": "ServiceAccount", "name": "x", "namespace": "default"}],
    ),
    "ingresses": _stamped(
        "networking.k8s.io/v1",
        "Ingress",
        spec={"rules": [{"http": {"paths": [{"path": "/a", "pathType": "Prefix", "backend": _BACKEND}]}}]},
    ),
    "networkpolicies": _stamped(
        "networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": _LABELS, "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}]}
    ),
    "persistentvolumeclaims": _stamped(
        "v1", "PersistentVolumeClaim", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    ),
    "storageclasses": _stamped("storage.k8s.io/v1", "StorageClass", provisioner="example.com/disk"),
    "priorityclasses": _stamped("scheduling.k8s.io/v1", "PriorityClass", value=1000),
}

WRONG: dict[str, dict[str, Wrong]] = {**wrong_workloads.WRONG, **wrong_pods.WRONG, **wrong_others.WRONG, **wrong_networks.WRONG}
