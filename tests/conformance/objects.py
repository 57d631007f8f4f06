"""Objects that the conformance suite writes, small and complete."""

from typing import Any

Doc = dict[str, Any]
WIDGETS = "widgets.conformance.gitops-canary.dev/v1"


def config_map(name: str = "one", labels: Doc | None = None, **data: str) -> Doc:
    meta = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data or {"a": "1"}}


def container(name: str = "main", image: str = "registry.example/app:1.0", **more: Any) -> Doc:
    return {"name": name, "image": image, **more}


def pod(name: str = "one", *containers: Doc, **meta: Any) -> Doc:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **meta},
        "spec": {"containers": list(containers or [container()])},
    }


def template(app: str, *containers: Doc, **spec: Any) -> Doc:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": list(containers or [container()]), **spec}}


def deployment(name: str = "web", replicas: int | None = 2, *containers: Doc, **more: Any) -> Doc:
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template(name, *containers), **more}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str = "task", **spec: Any) -> Doc:
    body = {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": body}


def service(name: str = "web", **spec: Any) -> Doc:
    body = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def widget(name: str = "one", **spec: Any) -> Doc:
    version = "conformance.gitops-canary.dev/v1"
    return {"apiVersion": version, "kind": "Widget", "metadata": {"name": name}, "spec": spec or {"size": 1}}


def owned(doc: Doc, owner: Doc, **more: Any) -> Doc:
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"], **more}
    return {**doc, "metadata": {**doc["metadata"], "ownerReferences": [reference]}}


def crd() -> Doc:
    """A kind with validation, pruning, defaults, printer columns, status and scale."""
    port = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 0, "maximum": 10},
            "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
            "code": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "weight": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "limits": {"type": "object", "properties": {"cpu": {"type": "string", "default": "1"}, "memory": {"type": "string"}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "steps": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
            "ports": {"type": "array", "items": port, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "maybe": {"type": "string", "nullable": True},
        },
    }
    status = {"type": "object", "properties": {"size": {"type": "integer"}, "phase": {"type": "string"}, "selector": {"type": "string"}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector"},
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wg"], "categories": ["gadgets"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.conformance.gitops-canary.dev"},
        "spec": {"group": "conformance.gitops-canary.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }
