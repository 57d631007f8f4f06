"""Objects as the rows that kubectl prints: the usual columns of built-in kinds, printer columns of custom ones."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gitops_canary.sandbox.apiserver.kinds import Kind

Doc = Mapping[str, Any]
Column = tuple[str, str, int, Callable[[Doc, datetime], Any]]
"""Name, type, priority (1 = wide only), cell."""


def table(kind: Kind, items: Sequence[Doc], listed: Mapping[str, Any], now: datetime, include: str = "Metadata") -> dict[str, Any]:
    """A meta.k8s.io/v1 Table; `include` decides what stands in each row's `object`."""
    columns = _columns(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": listed,
        "columnDefinitions": [
            {"name": name, "type": type_, "format": "name" if name == "Name" else "", "description": name, "priority": priority}
            for name, type_, priority, _ in columns
        ],
        "rows": [{"cells": [cell(item, now) for _, _, _, cell in columns], "object": _object(item, include)} for item in items],
    }


def _object(item: Doc, include: str) -> Any:
    if include == "None":
        return None
    if include == "Object":
        return item
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def _columns(kind: Kind) -> list[Column]:
    name: Column = ("Name", "string", 0, lambda doc, _: doc["metadata"]["name"])
    age: Column = ("Age", "string", 0, lambda doc, now: duration(doc["metadata"].get("creationTimestamp"), now))
    if kind.custom:
        extra = [_printer(column) for column in kind.columns]
        return [name, *extra] if extra else [name, age]
    return [name, *_BUILT_IN.get(kind.kind, ()), age, *_WIDE.get(kind.kind, ())]


def _printer(column: Mapping[str, Any]) -> Column:
    path = _steps(str(column["jsonPath"]))
    type_ = str(column.get("type", "string"))

    def cell(doc: Doc, now: datetime) -> Any:
        value = _at(doc, path)
        if type_ == "date":
            return duration(value, now)
        if value is None:
            return None if type_ in ("integer", "number", "boolean") else ""
        if type_ in ("integer", "number", "boolean"):
            return value
        return value if isinstance(value, str) else _plain(value)

    return (str(column["name"]), type_ if type_ != "date" else "string", int(column.get("priority", 0)), cell)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(f'"{item}"' if isinstance(item, str) else _plain(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _steps(path: str) -> list[Any]:
    """The part of JSONPath that printer columns use: .a.b, [0], ['k'], [?(@.type=="X")]."""
    steps: list[Any] = []
    for found in re.finditer(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]", path):
        name, number, quoted, key, value = found.groups()
        steps.append((key, value) if key else int(number) if number else name or quoted)
    return steps


def _at(doc: Any, steps: Sequence[Any]) -> Any:
    for step in steps:
        if isinstance(step, tuple):
            doc = next((item for item in doc if str(item.get(step[0])) == step[1]), None) if isinstance(doc, list) else None
        elif isinstance(step, int):
            doc = doc[step] if isinstance(doc, list) and step < len(doc) else None
        else:
            doc = doc.get(step) if isinstance(doc, Mapping) else None
    return doc


def duration(stamp: Any, now: datetime) -> str:
    """`5m10s`, `3h`, `12d` as kubectl shortens it."""
    if not stamp:
        return "<unknown>"
    seconds = int((now - datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))).total_seconds())
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"


def _ready(doc: Doc, _: datetime) -> str:
    status = doc.get("status") or {}
    return f"{status.get('readyReplicas', 0)}/{(doc.get('spec') or {}).get('replicas', 0)}"


def _number(*path: str) -> Callable[[Doc, datetime], Any]:
    return lambda doc, _: _at(doc, path) or 0


def _text(*path: str) -> Callable[[Doc, datetime], Any]:
    return lambda doc, _: str(_at(doc, path) or "<none>")


def _pod_ready(doc: Doc, _: datetime) -> str:
    found = (doc.get("status") or {}).get("containerStatuses") or []
    return f"{sum(bool(one.get('ready')) for one in found)}/{len((doc.get('spec') or {}).get('containers') or ())}"


def _pod_status(doc: Doc, _: datetime) -> str:
    if doc["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = doc.get("status") or {}
    for one in status.get("containerStatuses") or ():
        for state in ("waiting", "terminated"):
            reason = ((one.get("state") or {}).get(state) or {}).get("reason")
            if reason:
                return str(reason)
    return str(status.get("reason") or status.get("phase", "Unknown"))


def _restarts(doc: Doc, _: datetime) -> str:
    return str(sum(one.get("restartCount", 0) for one in (doc.get("status") or {}).get("containerStatuses") or ()))


def _ports(doc: Doc, _: datetime) -> str:
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in (doc.get("spec") or {}).get("ports") or ()) or "<none>"


def _images(doc: Doc, _: datetime) -> str:
    return ",".join(one.get("image", "") for one in _at(doc, ("spec", "template", "spec", "containers")) or ())


def _target(doc: Doc, _: datetime) -> str:
    target = _at(doc, ("spec", "scaleTargetRef")) or {}
    return f"{target.get('kind')}/{target.get('name')}"


def _size(doc: Doc, _: datetime) -> str:
    return str(len(doc.get("data") or {}))


def _completions(doc: Doc, _: datetime) -> str:
    return f"{_at(doc, ('status', 'succeeded')) or 0}/{_at(doc, ('spec', 'completions')) or 1}"


_BUILT_IN: Mapping[str, tuple[Column, ...]] = {
    "Namespace": (("Status", "string", 0, _text("status", "phase")),),
    "Pod": (("Ready", "string", 0, _pod_ready), ("Status", "string", 0, _pod_status), ("Restarts", "string", 0, _restarts)),
    "Deployment": (
        ("Ready", "string", 0, _ready),
        ("Up-to-date", "string", 0, lambda doc, now: str(_number("status", "updatedReplicas")(doc, now))),
        ("Available", "string", 0, lambda doc, now: str(_number("status", "availableReplicas")(doc, now))),
    ),
    "ReplicaSet": (
        ("Desired", "integer", 0, _number("spec", "replicas")),
        ("Current", "integer", 0, _number("status", "replicas")),
        ("Ready", "integer", 0, _number("status", "readyReplicas")),
    ),
    "Service": (
        ("Type", "string", 0, _text("spec", "type")),
        ("Cluster-IP", "string", 0, _text("spec", "clusterIP")),
        ("External-IP", "string", 0, lambda doc, _: "<none>"),
        ("Port(s)", "string", 0, _ports),
    ),
    "ConfigMap": (("Data", "string", 0, _size),),
    "Secret": (("Type", "string", 0, _text("type")), ("Data", "string", 0, _size)),
    "Event": (
        ("Last Seen", "string", 0, lambda doc, now: duration(doc.get("lastTimestamp") or doc["metadata"].get("creationTimestamp"), now)),
        ("Type", "string", 0, _text("type")),
        ("Reason", "string", 0, _text("reason")),
        (
            "Object",
            "string",
            0,
            lambda doc, _: f"{str(_at(doc, ('involvedObject', 'kind'))).lower()}/{_at(doc, ('involvedObject', 'name'))}",
        ),
        ("Message", "string", 0, _text("message")),
    ),
    "HorizontalPodAutoscaler": (
        ("Reference", "string", 0, _target),
        ("MinPods", "string", 0, lambda doc, now: str(_number("spec", "minReplicas")(doc, now))),
        ("MaxPods", "string", 0, lambda doc, now: str(_number("spec", "maxReplicas")(doc, now))),
        ("Replicas", "string", 0, lambda doc, now: str(_number("status", "currentReplicas")(doc, now))),
    ),
    "Job": (("Completions", "string", 0, _completions),),
    "Node": (("Status", "string", 0, lambda doc, _: "Ready"), ("Version", "string", 0, _text("status", "nodeInfo", "kubeletVersion"))),
    "Lease": (("Holder", "string", 0, _text("spec", "holderIdentity")),),
    "CustomResourceDefinition": (("Created At", "date", 0, _text("metadata", "creationTimestamp")),),
}
_WIDE: Mapping[str, tuple[Column, ...]] = {
    "Pod": (("IP", "string", 1, _text("status", "podIP")), ("Node", "string", 1, _text("spec", "nodeName"))),
    "Deployment": (("Images", "string", 1, _images),),
    "ReplicaSet": (("Images", "string", 1, _images),),
}
