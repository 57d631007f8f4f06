"""How many replicas one metric of a HorizontalPodAutoscaler asks for, as the real controller reckons; knows no API and no history."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Doc = dict[str, Any]
TOLERANCE = 0.1
INITIALISING_SECONDS = 5.0
"""After its start a pod's CPU counts only when it was measured for a window since it became ready."""
UNREADY_SECONDS = 1.0
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class NoProposal(Exception):
    """Why nothing can be said, in the real controller's words."""


@dataclass(frozen=True)
class Figure:
    """Thousandths of a core or of a byte that a pod used on average in the `window` seconds before `at` (seconds since 1970)."""

    value: int
    at: float
    window: float


@dataclass(frozen=True)
class Proposal:
    replicas: int
    metric: str
    status: Doc


@dataclass(frozen=True)
class Tolerances:
    down: float = TOLERANCE
    up: float = TOLERANCE

    def hold(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


Ratio = Callable[[Mapping[str, int]], float]
"""Of what is used to what is wanted."""


def figures(listed: Mapping[str, Any], resource: str) -> dict[str, Figure]:
    """By pod, from a PodMetricsList; pods of which a container was not measured are left out."""
    found = {}
    for item in listed.get("items") or ():
        usages = [one["usage"].get(resource) for one in item.get("containers") or ()]
        if usages and all(usage is not None for usage in usages):
            found[item["metadata"]["name"]] = Figure(sum(map(milli, usages)), _seconds(item["timestamp"]), _lasting(item["window"]))
    return found


def proposed(
    resource: Mapping[str, Any], replicas: int, pods: Sequence[Doc], measured: Mapping[str, Figure], now: float, tolerances: Tolerances
) -> Proposal:
    """`resource` is a Resource metric's own part; `pods` are those that the target's selector finds."""
    name, target = str(resource["name"]), resource["target"]
    if not pods:
        raise NoProposal("no pods returned by selector while calculating replica count")
    groups = _Groups(pods, measured, name, now)
    if not groups.counted:
        raise NoProposal("did not receive metrics for targeted pods (pods might be unready)")
    if target.get("averageValue") is not None:
        wanted = milli(target["averageValue"])
        mean = _mean(groups.counted)
        found = _replicas(groups, replicas, tolerances, lambda used: _mean(used) / wanted, lambda pod: wanted)
        return Proposal(found, f"{name} resource", _status(name, {"averageValue": quantity(mean, name)}))
    requests = {pod["metadata"]["name"]: _request(pod, name) for pod in pods}
    percent, wanted = _utilisation(groups.counted, requests), int(target["averageUtilization"])
    found = _replicas(
        groups,
        replicas,
        tolerances,
        lambda used: _utilisation(used, requests) / wanted,
        lambda pod: requests[pod] * max(100, wanted) // 100,
    )
    current = {"averageUtilization": percent, "averageValue": quantity(_mean(groups.counted), name)}
    return Proposal(found, f"{name} resource utilization (percentage of request)", _status(name, current))


class _Groups:
    """Which pods count, which are not ready yet, and which were not measured."""

    def __init__(self, pods: Iterable[Doc], measured: Mapping[str, Figure], resource: str, now: float) -> None:
        self.counted: dict[str, int] = {}
        self.unready: list[str] = []
        self.missing: list[str] = []
        for pod in pods:
            name, phase = pod["metadata"]["name"], (pod.get("status") or {}).get("phase")
            if pod["metadata"].get("deletionTimestamp") or phase == "Failed":
                continue
            if phase == "Pending":
                self.unready.append(name)
            elif name not in measured:
                self.missing.append(name)
            elif resource == "cpu" and _initialising(pod, measured[name], now):
                self.unready.append(name)
            else:
                self.counted[name] = measured[name].value


def _initialising(pod: Doc, figure: Figure, now: float) -> bool:
    status = pod.get("status") or {}
    ready = next((one for one in status.get("conditions") or () if one["type"] == "Ready"), None)
    if ready is None or not status.get("startTime"):
        return True
    started, changed = _seconds(status["startTime"]), _seconds(ready["lastTransitionTime"])
    if started + INITIALISING_SECONDS > now:
        return ready["status"] == "False" or figure.at < changed + figure.window
    return ready["status"] == "False" and started + UNREADY_SECONDS > changed


def _replicas(groups: _Groups, now: int, tolerances: Tolerances, ratio: Ratio, missing: Callable[[str], int]) -> int:
    """Pods that were not measured, or are not ready, count so that they dampen the change and never turn it round."""
    first = ratio(groups.counted)
    grows_unready = bool(groups.unready) and first > 1.0
    if not grows_unready and not groups.missing:
        return now if tolerances.hold(first) else ceil(first * len(groups.counted))
    used = dict(groups.counted)
    if first != 1.0:
        used |= {pod: missing(pod) if first < 1.0 else 0 for pod in groups.missing}
    if grows_unready:
        used |= dict.fromkeys(groups.unready, 0)
    second = ratio(used)
    if tolerances.hold(second) or (first < 1.0 < second) or (second < 1.0 < first):
        return now
    found = ceil(second * len(used))
    turned = (second < 1.0 and found > now) or (second > 1.0 and found < now)
    return now if turned else found


def _mean(used: Mapping[str, int]) -> int:
    return sum(used.values()) // len(used)


def _utilisation(used: Mapping[str, int], requests: Mapping[str, int]) -> int:
    asked = sum(requests[pod] for pod in used if pod in requests)
    if not asked:
        raise NoProposal("no metrics returned matched known pods")
    return sum(value for pod, value in used.items() if pod in requests) * 100 // asked


def _request(pod: Mapping[str, Any], resource: str) -> int:
    total = 0
    for container in pod["spec"]["containers"]:
        asked = ((container.get("resources") or {}).get("requests") or {}).get(resource)
        if asked is None:
            name = pod["metadata"]["name"]
            raise NoProposal(f"missing request for {resource} in container {container['name']} of Pod {name}")
        total += milli(asked)
    return total


def _status(name: str, current: Doc) -> Doc:
    return {"type": "Resource", "resource": {"name": name, "current": current}}


def milli(text: Any) -> int:
    """Thousandths of a quantity, rounded up."""
    found: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
    return ceil(found * 1000)


def quantity(thousandths: int, resource: str) -> str:
    """As a server writes it: memory in powers of 1024, the rest in powers of 1000."""
    if thousandths % 1000:
        return f"{thousandths}m"
    value, step, units = thousandths // 1000, *((1024, ("Ki", "Mi", "Gi", "Ti")) if resource == "memory" else (1000, ("k", "M", "G", "T")))
    unit = ""
    for larger in units:
        if not value or value % step:
            break
        value, unit = value // step, larger
    return f"{value}{unit}"


def _lasting(text: str) -> float:
    """Seconds of a Go duration, `1m30.5s` or `500ms`."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|h|m|s)", text))


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC).timestamp()
