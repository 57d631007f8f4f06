"""Kubernetes objects as the mesh reads them, made short for tables."""

from typing import Any

Doc = dict[str, Any]


def service(name: str, app: str, *, namespace: str = "test", port: int = 9898, target: int | str = 9898) -> Doc:
    ports = [{"name": "http", "port": port, "targetPort": target}]
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"selector": {"app": app}, "ports": ports}}


def pod(
    name: str,
    app: str,
    address: str,
    *,
    namespace: str = "test",
    ready: bool = True,
    workload: str = "",
    labels: dict[str, str] | None = None,
) -> Doc:
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": {"app": app, "pod-template-hash": "6c9f7", **(labels or {})},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{workload or app}-6c9f7", "controller": True}],
        },
        "spec": {"containers": [{"name": "app", "ports": [{"name": "http", "containerPort": 9898}]}]},
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def virtual_service(name: str, *routes: Doc, hosts: tuple[str, ...] = (), namespace: str = "test", **spec: Any) -> Doc:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"hosts": list(hosts or (name,)), "http": list(routes), **spec}}


def route(*shares: tuple[str, int], **more: Any) -> Doc:
    return {"route": [{"destination": {"host": host}, "weight": weight} for host, weight in shares], **more}


def split(canary: int, name: str = "frontend", **more: Any) -> Doc:
    return virtual_service(name, route((f"{name}-primary", 100 - canary), (f"{name}-canary", canary), **more))


def canary_services(name: str = "frontend", namespace: str = "test") -> list[Doc]:
    return [
        service(name, f"{name}-primary", namespace=namespace),
        service(f"{name}-primary", f"{name}-primary", namespace=namespace),
        service(f"{name}-canary", name, namespace=namespace),
    ]
