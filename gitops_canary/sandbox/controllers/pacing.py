"""How fast a HorizontalPodAutoscaler may scale: recent recommendations, limits and `spec.behavior`, as the real controller has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

Doc = dict[str, Any]
WINDOW_SECONDS = 300.0
"""How long a higher recommendation is remembered before fewer replicas are taken."""
FORGOTTEN_SECONDS = 3600.0
Told = tuple[str, str]
"""A reason and its sentence."""
RECOMMENDED = ("ReadyForNewScale", "recommended size matches current size")
HIGHER = ("ScaleDownStabilized", "recent recommendations were higher than current one, applying the highest recent recommendation")
LOWER = ("ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation")
WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FAST = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
TOO_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


@dataclass(frozen=True)
class Paced:
    replicas: int
    able: Told
    limit: Told
    limited: bool


@dataclass
class Pace:
    """The history of one autoscaler: what was recommended when, and what was changed when."""

    recommended: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def begin(self, replicas: int, now: float) -> None:
        if not self.recommended:
            self.recommended.append((now, replicas))

    def scaled(self, change: int, now: float) -> None:
        self.changes = [one for one in self.changes if one[0] > now - FORGOTTEN_SECONDS] + [(now, change)]

    def paced(self, spec: Mapping[str, Any], current: int, wanted: int, now: float) -> Paced:
        behavior = spec.get("behavior")
        stable, able = self._stable(behavior, current, wanted, now)
        self.recommended = [one for one in self.recommended if one[0] > now - FORGOTTEN_SECONDS] + [(now, wanted)]
        least, most = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
        allowed, limit = self._bounded(behavior, current, stable, least, most, now) if behavior else _plainly(current, stable, least, most)
        return Paced(allowed, able, limit, allowed != stable)

    def _stable(self, behavior: Mapping[str, Any] | None, current: int, wanted: int, now: float) -> tuple[int, Told]:
        """Behind the highest recommendation of late when going down, the lowest when going up."""
        down = _seconds(behavior, "scaleDown", WINDOW_SECONDS)
        if behavior is None:
            highest = max([wanted, *(n for at, n in self.recommended if at > now - down)])
            return highest, HIGHER if highest > wanted else RECOMMENDED
        up = _seconds(behavior, "scaleUp", 0.0)
        low = min([wanted, *(n for at, n in self.recommended if at > now - up)])
        high = max([wanted, *(n for at, n in self.recommended if at > now - down)])
        stable = min(max(current, low), high)
        if stable == wanted:
            return stable, RECOMMENDED
        return stable, LOWER if wanted >= current else HIGHER

    def _bounded(
        self, behavior: Mapping[str, Any], current: int, wanted: int, least: int, most: int, now: float
    ) -> tuple[int, Told]:  # fmt: skip
        if wanted > current:
            limit = max(current, self._limit(behavior.get("scaleUp") or {}, current, now, 1))
            bound, why = (limit, TOO_FAST) if most > limit else (most, TOO_MANY)
            return (bound, why) if wanted > bound else (wanted, WITHIN)
        if wanted < current:
            limit = min(current, self._limit(behavior.get("scaleDown") or {}, current, now, -1))
            bound, why = (limit, TOO_FAST_DOWN) if least < limit else (least, TOO_FEW)
            return (bound, why) if wanted < bound else (wanted, WITHIN)
        return wanted, WITHIN

    def _limit(self, rules: Mapping[str, Any], current: int, now: float, way: int) -> int:
        """The furthest that the policies let it go: up for `way` 1, down for -1."""
        select = rules.get("selectPolicy", "Max")
        if select == "Disabled":
            return current
        found = []
        for policy in rules.get("policies") or ():
            began = current - sum(change for at, change in self.changes if at > now - float(policy["periodSeconds"]))
            if policy["type"] == "Pods":
                found.append(began + way * int(policy["value"]))
            else:
                part = began * (1 + way * int(policy["value"]) / 100)
                found.append(ceil(part) if way > 0 else int(part))
        return max(found) if (select == "Max") == (way > 0) else min(found)


def _seconds(behavior: Mapping[str, Any] | None, way: str, usual: float) -> float:
    given = ((behavior or {}).get(way) or {}).get("stabilizationWindowSeconds")
    return usual if given is None else float(given)


def _plainly(current: int, wanted: int, least: int, most: int) -> tuple[int, Told]:
    """At most twice as many at once, or four."""
    fast = max(2 * current, 4)
    bound, why = (fast, TOO_FAST) if most > fast else (most, TOO_MANY)
    if wanted < least:
        return least, TOO_FEW
    return (bound, why) if wanted > bound else (wanted, WITHIN)
