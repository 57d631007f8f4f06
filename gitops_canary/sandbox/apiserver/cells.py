"""The cells of the built-in kinds' rows, as kubectl prints them; which columns a request gets is the table's."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gitops_canary.sandbox.apiserver.selectors import selector_text

Doc = Mapping[str, Any]
UNDATED = frozenset({"CustomResourceDefinition", "Role", "ClusterRole"})
"""Kinds that show when they were made instead of how old they are."""


class Column(NamedTuple):
    """Priority 1 = wide only."""

    name: str
    type: str
    priority: int
    cell: Callable[[Doc, datetime], Any]


def at(doc: Any, steps: Sequence[Any]) -> Any:
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
    return lambda doc, _: at(doc, path) or 0


def _text(*path: str) -> Callable[[Doc, datetime], Any]:
    return lambda doc, _: str(at(doc, path) or "<none>")


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


def _target(doc: Doc, _: datetime) -> str:
    target = at(doc, ("spec", "scaleTargetRef")) or {}
    return f"{target.get('kind')}/{target.get('name')}"


def _size(doc: Doc, _: datetime) -> int:
    return len(doc.get("data") or {})


def _completions(doc: Doc, _: datetime) -> str:
    return f"{at(doc, ('status', 'succeeded')) or 0}/{at(doc, ('spec', 'completions')) or 1}"


def _job_status(doc: Doc, _: datetime) -> str:
    for one in at(doc, ("status", "conditions")) or ():
        if one["status"] == "True" and one["type"] in ("Complete", "Failed", "Suspended", "FailureTarget"):
            return str(one["type"])
    return "Terminating" if doc["metadata"].get("deletionTimestamp") else "Running"


def _job_duration(doc: Doc, now: datetime) -> str:
    start, end = at(doc, ("status", "startTime")), at(doc, ("status", "completionTime"))
    return duration(start, datetime.fromisoformat(end.replace("Z", "+00:00")) if end else now) if start else ""


def _template(field: str) -> Callable[[Doc, datetime], str]:
    return lambda doc, _: ",".join(one.get(field, "") for one in at(doc, ("spec", "template", "spec", "containers")) or ())


def _selector(doc: Doc, _: datetime) -> str:
    return selector_text(at(doc, ("spec", "selector"))) or "<none>"


def _targets(doc: Doc, _: datetime) -> str:
    """What is and what is wanted of each metric, in the order of the spec."""
    measured = at(doc, ("status", "currentMetrics")) or ()
    current = {one["resource"]["name"]: one["resource"].get("current") or {} for one in measured if one.get("resource")}
    shown = []
    for metric in at(doc, ("spec", "metrics")) or ():
        resource = metric.get("resource") or {}
        name, target = resource.get("name", metric.get("type")), resource.get("target") or {}
        seen, wanted = (one.get("averageValue") for one in (current.get(name, {}), target))
        if wanted is None:
            percent, goal = current.get(name, {}).get("averageUtilization"), target.get("averageUtilization")
            seen, wanted = None if percent is None else f"{percent}%", f"{goal}%" if goal else "<auto>"
        shown.append(f"{name}: {'<unknown>' if seen is None else seen}/{wanted}")
    return ", ".join(shown) or "<none>"


def _object(doc: Doc, _: datetime) -> str:
    return f"{str(at(doc, ('involvedObject', 'kind')) or '').lower()}/{at(doc, ('involvedObject', 'name')) or ''}"


def _source(doc: Doc, _: datetime) -> str:
    source = doc.get("source") or {}
    found = source.get("component") or doc.get("reportingComponent") or ""
    return f"{found}, {source['host']}" if source.get("host") else str(found)


def _seen(*names: str) -> Callable[[Doc, datetime], str]:
    return lambda doc, now: duration(next((doc[name] for name in names if doc.get(name)), None), now)


def _word(*path: str) -> Callable[[Doc, datetime], str]:
    return lambda doc, _: str(at(doc, path) or 0)


def _plain(name: str, *path: str) -> Column:
    return Column(name, "string", 0, _text(*path))


def _none(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "string", 1, lambda doc, _: "<none>") for name in names)


_WORKLOAD = (Column("Containers", "string", 1, _template("name")), Column("Images", "string", 1, _template("image")))
_SELECTED = (*_WORKLOAD, Column("Selector", "string", 1, _selector))
_CREATED = (Column("Created At", "date", 0, lambda doc, _: doc["metadata"].get("creationTimestamp")),)
_Columns = tuple[Column, ...]

BUILT_IN: Mapping[str, tuple[_Columns, _Columns]] = {
    "Namespace": ((_plain("Status", "status", "phase"),), ()),
    "Pod": (
        (Column("Ready", "string", 0, _pod_ready), Column("Status", "string", 0, _pod_status), Column("Restarts", "string", 0, _restarts)),
        (
            Column("IP", "string", 1, _text("status", "podIP")),
            Column("Node", "string", 1, _text("spec", "nodeName")),
            *_none("Nominated Node", "Readiness Gates"),
        ),
    ),
    "Deployment": (
        (
            Column("Ready", "string", 0, _ready),
            Column("Up-to-date", "string", 0, _word("status", "updatedReplicas")),
            Column("Available", "string", 0, _word("status", "availableReplicas")),
        ),
        _SELECTED,
    ),
    "StatefulSet": ((Column("Ready", "string", 0, _ready),), _WORKLOAD),
    "ReplicaSet": (
        (
            Column("Desired", "integer", 0, _number("spec", "replicas")),
            Column("Current", "integer", 0, _number("status", "replicas")),
            Column("Ready", "integer", 0, _number("status", "readyReplicas")),
        ),
        _SELECTED,
    ),
    "Job": (
        (
            Column("Status", "string", 0, _job_status),
            Column("Completions", "string", 0, _completions),
            Column("Duration", "string", 0, _job_duration),
        ),
        _SELECTED,
    ),
    "Service": (
        (
            _plain("Type", "spec", "type"),
            _plain("Cluster-IP", "spec", "clusterIP"),
            Column("External-IP", "string", 0, lambda doc, _: str(at(doc, ("spec", "externalName")) or "<none>")),
            Column("Port(s)", "string", 0, _ports),
        ),
        (Column("Selector", "string", 1, _selector),),
    ),
    "ConfigMap": ((Column("Data", "integer", 0, _size),), ()),
    "Secret": ((_plain("Type", "type"), Column("Data", "integer", 0, _size)), ()),
    "Event": (
        (
            Column("Last Seen", "string", 0, _seen("lastTimestamp", "eventTime", "firstTimestamp")),
            _plain("Type", "type"),
            _plain("Reason", "reason"),
            Column("Object", "string", 0, _object),
            Column("Subobject", "string", 1, lambda doc, _: str(at(doc, ("involvedObject", "fieldPath")) or "")),
            Column("Source", "string", 1, _source),
            Column("Message", "string", 0, lambda doc, _: str(doc.get("message") or "").strip()),
        ),
        (
            Column("First Seen", "string", 1, _seen("firstTimestamp", "eventTime")),
            Column("Count", "string", 1, lambda doc, _: str(doc.get("count") or 1)),
        ),
    ),
    "HorizontalPodAutoscaler": (
        (
            Column("Reference", "string", 0, _target),
            Column("Targets", "string", 0, _targets),
            Column("MinPods", "string", 0, _word("spec", "minReplicas")),
            Column("MaxPods", "string", 0, _word("spec", "maxReplicas")),
            Column("Replicas", "string", 0, _word("status", "currentReplicas")),
        ),
        (),
    ),
    "Node": ((Column("Status", "string", 0, lambda doc, _: "Ready"), _plain("Version", "status", "nodeInfo", "kubeletVersion")), ()),
    "Lease": ((Column("Holder", "string", 0, lambda doc, _: str(at(doc, ("spec", "holderIdentity")) or "")),), ()),
    "Role": (_CREATED, ()),
    "ClusterRole": (_CREATED, ()),
    "CustomResourceDefinition": (_CREATED, ()),
}
