"""Pod templates: their hash, the configs they use, whether their rollout has finished, and the primary's made of the target's."""

import copy
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gitops_canary.domain.canary.model import Readiness
from gitops_canary.domain.canary.status import HASH

REVISION = "gitops-canary/revision"
"""Annotation of the primary and its pods: the revision that was copied; a changed config alone rolls the pods through it."""
FOREIGN_ID = "flagger-id"
TEMPLATE_HASH = "pod-template-hash"
SUFFIX = "-primary"
Rename = Callable[[str, str], str]
"""(kind, name) -> name."""


def digest(value: Any) -> str:
    """Of canonical JSON: independent of any client's version, unlike Flagger's."""
    text = json.dumps(_without_nulls(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return HASH + hashlib.sha256(text.encode()).hexdigest()


def template_hash(template: Mapping[str, Any]) -> str:
    """Labels, annotations and pod spec; a ReplicaSet's own label does not count, so its template hashes like its Deployment's."""
    return digest(without_hash_label(template))


def without_hash_label(template: Mapping[str, Any]) -> dict[str, Any]:
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != TEMPLATE_HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def config_hash(doc: Mapping[str, Any]) -> str:
    """Of a ConfigMap's or Secret's `data` and `binaryData` (Flagger forgets the second)."""
    return digest({"data": doc.get("data") or {}, "binaryData": doc.get("binaryData") or {}})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- readiness


def readiness(doc: Mapping[str, Any], threshold: int = 100) -> Readiness:
    """A Deployment's rollout, judged in Flagger's order; `threshold` percent of the updated pods must be available, rounded up (Flagger
    rounds down: half of one pod is none there)."""
    spec, status, name = doc.get("spec") or {}, doc.get("status") or {}, doc["metadata"]["name"]
    if doc["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return Readiness(False, "observed deployment generation less than desired generation", early=True)
    for one in status.get("conditions") or ():
        if one.get("type") == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded":
            return Readiness(False, f'deployment "{name}" exceeded its progress deadline', final=True)
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    waits = partial(Readiness, False, deserted=not available)
    if not wanted:
        return waits("it has no pods", early=True)
    if updated < wanted:
        return waits(f"{updated} out of {wanted} new replicas have been updated", early=True, far=1_000 + updated)
    if total > updated:
        return waits(f"{total - updated} old replicas are pending termination", far=max(2_000, 2_999 - total + updated))
    if available < math.ceil(updated * threshold / 100):
        shown = "" if threshold == 100 else f" (readyThreshold {threshold}%)"
        return waits(f"{available} of {updated}{shown} updated replicas are available", far=3_000 + available)
    return Readiness(True)


def images(template: Mapping[str, Any]) -> dict[str, str]:
    """Image by container, init containers last."""
    spec = template.get("spec") or {}
    return {one["name"]: str(one.get("image") or "") for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))}


# ---------------------------------------------------------------- configs


@dataclass(frozen=True, order=True)
class ConfigRef:
    kind: str
    name: str
    optional: bool = False

    @property
    def key(self) -> str:
        """As in `trackedConfigs`: `configmap/backend`."""
        return f"{self.kind.lower()}/{self.name}"


def config_refs(template: Mapping[str, Any]) -> tuple[ConfigRef, ...]:
    """The ConfigMaps and Secrets of volumes, projections, env and envFrom, each once; required anywhere = required."""
    found: dict[tuple[str, str], bool] = {}
    for kind, field, place in _places(template.get("spec") or {}):
        key = (kind, str(place[field]))
        found[key] = found.get(key, True) and bool(place.get("optional"))
    return tuple(ConfigRef(kind, name, optional) for (kind, name), optional in sorted(found.items()))


def renamed(template: Mapping[str, Any], rename: Rename) -> dict[str, Any]:
    """A copy in which every config is called by its new name."""
    made: dict[str, Any] = copy.deepcopy(dict(template))
    for kind, field, place in _places(made.get("spec") or {}):
        place[field] = rename(kind, str(place[field]))
    return made


def _places(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(kind, field that holds the name, mapping that has it) for everything that names a config."""
    for volume in spec.get("volumes") or ():
        yield from _named(volume.get("configMap"), "ConfigMap", "name")
        yield from _named(volume.get("secret"), "Secret", "secretName")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source.get("configMap"), "ConfigMap", "name")
            yield from _named(source.get("secret"), "Secret", "name")
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for variable in container.get("env") or ():
            origin = variable.get("valueFrom") or {}
            yield from _named(origin.get("configMapKeyRef"), "ConfigMap", "name")
            yield from _named(origin.get("secretKeyRef"), "Secret", "name")
        for source in container.get("envFrom") or ():
            yield from _named(source.get("configMapRef"), "ConfigMap", "name")
            yield from _named(source.get("secretRef"), "Secret", "name")


def _named(place: Any, kind: str, field: str) -> Iterator[tuple[str, str, Any]]:
    if place and place.get(field):
        yield kind, field, place


# ---------------------------------------------------------------- the primary's template


@dataclass(frozen=True)
class Selector:
    """The pod label that tells primary from canary, and its value at the target."""

    label: str
    value: str

    @property
    def primary(self) -> str:
        return self.value + SUFFIX


def selector_of(deployment: Mapping[str, Any], labels: tuple[str, ...]) -> Selector | None:
    """The first of `labels` that the Deployment selects its pods by; None when it uses none of them."""
    chosen = ((deployment.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return next((Selector(label, str(chosen[label])) for label in labels if label in chosen), None)


def primary_template(template: Mapping[str, Any], selector: Selector, name: str, revision: str, tracked: frozenset[str]) -> dict[str, Any]:
    """The target's pod template for the primary: its own label, copied configs, anti-affinity and spread among the primary's pods."""
    made = renamed(without_hash_label(template), lambda kind, config: config + SUFFIX if f"{kind.lower()}/{config}" in tracked else config)
    meta = made["metadata"]
    meta["labels"] = {**meta["labels"], selector.label: selector.primary}
    meta["annotations"] = {**(meta.get("annotations") or {}), REVISION: revision}
    _spread(made["spec"], selector.label, name, name + SUFFIX)
    cleaned: dict[str, Any] = _without_nulls(made)
    return cleaned


def original_template(template: Mapping[str, Any], selector: Selector, name: str) -> dict[str, Any]:
    """The primary's pod template with the renames undone, Flagger's as well as ours."""
    made = renamed(without_hash_label(template), lambda _, config: config.removesuffix(SUFFIX))
    meta = made["metadata"]
    meta["labels"] = {**meta["labels"], selector.label: selector.value}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key not in (REVISION, FOREIGN_ID)}
    meta["annotations"] = annotations or None
    _spread(made["spec"], selector.label, name + SUFFIX, name)
    return made


def _spread(spec: dict[str, Any], label: str, old: str, new: str) -> None:
    """Selectors on the workload's own name are moved to the other workload's, as Flagger does."""
    rules = [one.get("labelSelector") for one in spec.get("topologySpreadConstraints") or ()]
    anti = (spec.get("affinity") or {}).get("podAntiAffinity") or {}
    rules += [one.get("labelSelector") for one in anti.get("requiredDuringSchedulingIgnoredDuringExecution") or ()]
    preferred = anti.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    rules += [(one.get("podAffinityTerm") or {}).get("labelSelector") for one in preferred]
    for rule in filter(None, rules):
        if (rule.get("matchLabels") or {}).get(label) == old:
            rule["matchLabels"][label] = new
        for expression in rule.get("matchExpressions") or ():
            if expression.get("key") == label and old in (expression.get("values") or ()):
                expression["values"] = [new if value == old else value for value in expression["values"]]
