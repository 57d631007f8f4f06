"""What charts render that a canary owns (rule O1), and Canaries that charts render; Helm itself runs elsewhere."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gitops_canary.domain.canary.spec import CANARY, CanarySpec
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.validation.canaries import spec_or_complaint
from gitops_canary.domain.validation.findings import Finding, Level, at
from gitops_canary.domain.validation.releases import without_mesh

KINDS = ("Service", "VirtualService", "DestinationRule")
_VALUE = re.compile(r"\.Values\.([A-Za-z0-9_.]+)")
_BLOCK = re.compile(r"\{\{-?\s*(if|with|range|define|block|else|end)\b([^}]*)\}\}")
_REPLICAS = re.compile(r"^\s*replicas:(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Rendered:
    """One object that a release's chart renders: `template` below the chart's folder, and that template's own `source`."""

    release: Resource
    spec: HelmReleaseSpec
    template: str
    source: str
    doc: Mapping[str, Any] = field(hash=False)

    @property
    def kind(self) -> str:
        return str(self.doc.get("kind") or "")

    @property
    def name(self) -> str:
        return str(self.meta.get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.meta.get("namespace") or self.spec.target_namespace)

    @property
    def what(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def meta(self) -> Mapping[str, Any]:
        meta = self.doc.get("metadata")
        return meta if isinstance(meta, Mapping) else {}

    def says(self, level: Level, code: str, sentence: str) -> Finding:
        """A finding at the release's chart: the rendered object has no line of its own in the repository."""
        return at(self.release, ("spec", "chart"), level, code, sentence)


def rendered_findings(objects: Iterable[Rendered], resources: Iterable[Resource], misshapen: Collection[int] = ()) -> list[Finding]:
    """`misshapen` = ids of rendered objects that their schema refuses."""
    everything = tuple(objects)
    canaries = list(_in_git(resources))
    found: list[Finding] = []
    for one in everything:
        if (one.doc.get("apiVersion"), one.kind) == CANARY and id(one) not in misshapen:
            made = _canary(one)
            if isinstance(made, Finding):
                found.append(made)
            else:
                canaries.append(made)
                found += _gateways(one, made)
    targets, made_by_canaries = _targets(canaries), _made(canaries)
    for one in everything:
        key = (one.kind, one.namespace, one.name)
        found += [*_scaled(one, targets.get(key)), *_taken(one, made_by_canaries.get(key))]
    return [*found, *_late_namespaces(everything, tuple(resources))]


def _in_git(resources: Iterable[Resource]) -> Iterator[CanarySpec]:
    for resource in resources:
        if (resource.ref.api_version, resource.ref.kind) == CANARY:
            spec = spec_or_complaint(resource.doc, resource.ref.namespace)
            if isinstance(spec, CanarySpec):  # the manifest's own check says what is wrong with it otherwise
                yield spec


def _canary(one: Rendered) -> CanarySpec | Finding:
    spec = spec_or_complaint(one.doc, one.namespace)
    return one.says("error", "canary", f"{spec} (rendered by {_where(one)})") if isinstance(spec, str) else spec


def _where(one: Rendered) -> str:
    return f"chart {one.spec.path.strip('/')}, {one.template}"


def _gateways(one: Rendered, canary: CanarySpec) -> Iterator[Finding]:
    given = [str(gateway) for gateway in canary.service.raw.get("gateways") or ()]
    if given and "mesh" not in given:
        yield one.says("note", "gateway", without_mesh(f"{one.what} ({_where(one)})", ", ".join(given)))


Owners = Mapping[tuple[str, str, str], CanarySpec]
"""(kind, namespace, name) of an object -> the canary it belongs to."""


def _targets(canaries: Iterable[CanarySpec]) -> Owners:
    return {(one.target.kind, one.namespace, one.target.name): one for one in canaries}


def _made(canaries: Iterable[CanarySpec]) -> Owners:
    """What the canary manager makes."""
    return {(kind, one.namespace, name): one for one in canaries for kind in KINDS for name in _names(one.service.name, kind)}


def _names(service: str, kind: str) -> tuple[str, ...]:
    both = (f"{service}-primary", f"{service}-canary")
    return (service, *both) if kind == "Service" else both if kind == "DestinationRule" else (service,)


def _scaled(one: Rendered, canary: CanarySpec | None) -> Iterator[Finding]:
    spec = one.doc.get("spec")
    if canary is not None and isinstance(spec, Mapping) and "replicas" in spec:
        by = _named_by(one.source, replicas=True)
        sentence = (
            f"{_where(one)} renders spec.replicas of {one.what}{by}, which canary {canary.key} scales: Helm fights it at each upgrade; "
            "render it only without a canary"
        )
        yield one.says("warning", "owner", sentence)


def _taken(one: Rendered, canary: CanarySpec | None) -> Iterator[Finding]:
    if canary is not None:
        by = _named_by(one.source)
        sentence = f"{_where(one)} renders {one.what}{by}, which canary {canary.key} makes itself: the canary would not start"
        yield one.says("error", "owner", f"{sentence}; {_remedy(one.source)}")


def _named_by(source: str, *, replicas: bool = False) -> str:
    """` (value replicaCount)`: the values that decide about it, as far as the template shows."""
    values = _conditions(source, replicas=replicas)
    if replicas:
        found = _REPLICAS.search(source)
        values = [*(_VALUE.findall(found[1]) if found else ()), *values]
    known = list(dict.fromkeys(values))
    return f" (value{'s' if len(known) > 1 else ''} {', '.join(known)})" if known else ""


def _remedy(source: str) -> str:
    values = _conditions(source)
    return f"turn it off with {values[-1]}" if values else "wrap the template in `if not .Values.canary.enabled`"


def _conditions(source: str, *, replicas: bool = False) -> list[str]:
    """Values in the blocks that enclose the field `replicas`, or the object's `kind`."""
    place = (_REPLICAS if replicas else re.compile(r"^kind:", re.MULTILINE)).search(source)
    open_blocks: list[list[str]] = []
    for block in _BLOCK.finditer(source, 0, place.start() if place else 0):
        if block[1] == "end":
            del open_blocks[-1:]
        elif block[1] == "else":
            open_blocks[-1:] = [[*open_blocks[-1], *_VALUE.findall(block[2])]] if open_blocks else []
        else:
            open_blocks.append(_VALUE.findall(block[2]))
    return [value for values in open_blocks for value in values]


def _late_namespaces(everything: tuple[Rendered, ...], resources: tuple[Resource, ...]) -> Iterator[Finding]:
    """Releases come after the sync: a namespace that only a chart makes is missing when the sync needs it."""
    early = {one.ref.name for one in resources if one.ref.kind == "Namespace"}
    late = {one.name: one for one in everything if one.kind == "Namespace" and one.name not in early}
    for resource in resources:
        chart = late.pop(resource.ref.namespace, None)
        if chart is not None:
            sentence = (
                f"{resource.ref} needs namespace {chart.name}, which only {_where(chart)} makes, after the sync: add a Namespace manifest"
            )
            yield at(resource, ("metadata", "namespace"), "warning", "namespace", sentence)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of files and lines, each said once."""
    unique = dict.fromkeys(replace(finding) for finding in findings)
    return sorted(unique, key=lambda finding: (finding.file, finding.line, finding.code, finding.sentence))
