"""What is wrong with manifests as Kubernetes objects: doubles, names, versions, namespaces, and Canaries and HelmReleases as such."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from gitops_canary.domain.canary.spec import CANARY
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import GROUPS, KIND, HelmReleaseSpec, is_helmrelease, parse_helmrelease
from gitops_canary.domain.resources import Ref, Resource
from gitops_canary.domain.sync import duplicates, ignored
from gitops_canary.domain.validation.canaries import complained_of, spec_or_complaint, twice_named
from gitops_canary.domain.validation.findings import Finding, at
from gitops_canary.domain.validation.images import image_findings
from gitops_canary.domain.validation.releases import Charts, release_findings

OURS = {KIND: GROUPS, "Canary": CANARY[:1], "MetricTemplate": CANARY[:1], "AlertProvider": CANARY[:1]}
GROUPS_OF_OURS = ("flux.weave.works", "helm.fluxcd.io", "flagger.app", "helm.toolkit.fluxcd.io")
GIVEN_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
MAX_RELEASE = 53
"""Helm's own limit: it keeps ten letters of a label for itself."""


def validate(resources: tuple[Resource, ...], charts: Charts, misshapen: Collection[str] = ()) -> list[Finding]:
    """All findings that the manifests alone give. `misshapen` = places of objects that their schema refuses: their meaning is not asked."""
    return [
        *_duplicates(resources),
        *_twice_named(resources),
        *_namespaces(resources),
        *(finding for resource in resources for finding in _one(resource, resources, charts, misshapen)),
    ]


def _one(resource: Resource, everything: tuple[Resource, ...], charts: Charts, misshapen: Collection[str]) -> Iterator[Finding]:
    yield from _name(resource)
    yield from _version(resource)
    yield from image_findings(resource)
    if (resource.ref.api_version, resource.ref.kind) == CANARY and resource.place not in misshapen:
        canary = spec_or_complaint(resource.doc, resource.ref.namespace)
        if isinstance(canary, str):
            yield at(resource, complained_of(canary, resource.doc), "error", "canary", canary)
        else:
            for path, sentence in twice_named(resource.doc):
                yield at(resource, path, "warning", "canary", f"{resource.ref}: {sentence}")
    if is_helmrelease(resource.doc):
        spec = _release(resource)
        if isinstance(spec, HelmReleaseSpec):
            if resource.place not in misshapen:
                yield from _release_name(resource, spec)
            yield from release_findings(resource, spec, everything, charts)
        elif resource.place not in misshapen:
            yield spec


def _release(resource: Resource) -> HelmReleaseSpec | Finding:
    try:
        return parse_helmrelease(resource.doc)
    except UserError as error:
        return at(resource, ("spec", "chart") if "chart" in str(error) else ("spec",), "error", "release", str(error))


def releases_of(resources: Iterable[Resource]) -> Iterator[tuple[Resource, HelmReleaseSpec]]:
    """The HelmReleases that can be read."""
    for resource in resources:
        spec = _release(resource) if is_helmrelease(resource.doc) else None
        if isinstance(spec, HelmReleaseSpec):
            yield resource, spec


def _duplicates(resources: tuple[Resource, ...]) -> Iterator[Finding]:
    for found in duplicates(resources).values():
        places = " and ".join(one.place for one in found)
        for one in found:
            yield at(one, (), "error", "duplicate", f"{one.ref} is defined in {places}: none of them would be applied")


def _twice_named(resources: tuple[Resource, ...]) -> Iterator[Finding]:
    """One name in both API groups would be two objects that drive one Helm release (rule H4); so would two that name one release."""
    first: dict[tuple[str, str], Resource] = {}
    releases: dict[tuple[str, str], Resource] = {}
    for one, spec in releases_of(resources):
        other = first.setdefault((one.ref.namespace, one.ref.name), one)
        if other.ref.group != one.ref.group:
            sentence = f"{one.ref} stands in two API groups, in {other.place} and {one.place}: neither would be released"
            yield at(one, ("apiVersion",), "error", "two-groups", sentence)
            continue
        other = releases.setdefault((spec.target_namespace, spec.release), one)
        if other.ref.identity != one.ref.identity:
            sentence = f"{one.ref} and {other.ref} ({other.place}) both drive Helm release {spec.release} in {spec.target_namespace}"
            yield at(one, ("spec", "releaseName"), "error", "duplicate", sentence)


def _namespaces(resources: tuple[Resource, ...]) -> Iterator[Finding]:
    """A repository that makes namespaces should make all it uses, said once a namespace; one that makes none leaves them to others."""
    made = {one.ref.name for one in resources if one.ref.kind == "Namespace" and ignored(one.doc) != "true"}
    said: set[str] = set()
    for one, namespace, path in _uses(resources):
        if made and namespace not in made | GIVEN_NAMESPACES | said:
            said.add(namespace)
            yield at(
                one, path, "warning", "namespace", f"{one.ref} needs namespace {namespace}, which no manifest of this repository makes"
            )


def _uses(resources: Iterable[Resource]) -> Iterator[tuple[Resource, str, tuple[str, ...]]]:
    for one in resources:
        if one.ref.namespace:
            yield one, one.ref.namespace, ("metadata", "namespace")
        target = one.doc["spec"].get("targetNamespace") if is_helmrelease(one.doc) and isinstance(one.doc.get("spec"), Mapping) else None
        if isinstance(target, str) and target:
            yield one, target, ("spec", "targetNamespace")


def _name(resource: Resource) -> Iterator[Finding]:
    for key, text, wrong in (
        ("name", resource.ref.name, _bad_name(resource.ref)),
        ("namespace", resource.ref.namespace, _bad_label(resource.ref.namespace) if resource.ref.namespace else ""),
    ):
        if wrong:
            shown = text if len(text) <= 60 else text[:60] + "…"
            yield at(
                resource, ("metadata", key), "error", "name", f"{resource.ref.kind} has {key} {shown!r}, which Kubernetes refuses: {wrong}"
            )


def _bad_name(ref: Ref) -> str:
    if ref.group == "rbac.authorization.k8s.io":
        return "it holds / or %" if re.search(r"[/%]", ref.name) or ref.name in (".", "..") else ""
    if ref.kind in ("Namespace", "Service"):
        return _bad_label(ref.name)
    if len(ref.name) > 253:
        return "it is longer than 253 letters"
    return "" if _SUBDOMAIN.fullmatch(ref.name) else "a name has lower-case letters, digits, - and . only"


def _bad_label(name: str) -> str:
    if len(name) > 63:
        return "it is longer than 63 letters"
    return "" if _LABEL.fullmatch(name) else "it may have lower-case letters, digits and - only"


def _release_name(resource: Resource, spec: HelmReleaseSpec) -> Iterator[Finding]:
    if len(spec.release) > MAX_RELEASE or not _SUBDOMAIN.fullmatch(spec.release):
        written = bool(resource.doc["spec"].get("releaseName"))
        sentence = (
            f"{resource.ref} makes Helm release {spec.release[:60]!r}, which Helm refuses: at most {MAX_RELEASE} lower-case letters, "
            "digits, - and ."
        )
        yield at(resource, ("spec", "releaseName") if written else ("metadata", "name"), "error", "name", sentence)


def _version(resource: Resource) -> Iterator[Finding]:
    served: Any = OURS.get(resource.ref.kind)
    if served and resource.ref.api_version not in served and resource.ref.group in (*GROUPS_OF_OURS, ""):
        sentence = f"{resource.ref} has apiVersion {resource.ref.api_version}, which nothing here reads: write {' or '.join(served)}"
        yield at(resource, ("apiVersion",), "error", "api-version", sentence)
