"""What is wrong with a cluster repository that can be told from its manifests alone: pure checks over read resources."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gitops_canary.domain.automation import AutomationError, policies_of
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import GROUPS, KIND, HelmReleaseSpec, is_helmrelease, parse_helmrelease
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.sync import duplicates

KNOWN_HOSTS = ("github.com", "gitlab.com", "bitbucket.org")
KNOWN_OWNERS = ("weaveworks", "fluxcd", "stefanprodan")
IMAGE_KEYS = frozenset({"registry", "repository", "tag", "digest", "pullPolicy", "pullSecrets", "name"})
DEPLOYED_KINDS = frozenset({"Deployment", "DaemonSet", "StatefulSet", "CronJob", KIND})


@dataclass(frozen=True)
class Finding:
    """One thing to mend: `error` fails the check, `warning` does not. `file`:`line` is where, `code` names the kind of finding."""

    file: str
    line: int
    level: str
    code: str
    sentence: str


def validate(resources: tuple[Resource, ...], folders: frozenset[str]) -> list[Finding]:
    """All findings in the order of files and lines. `folders` are the repository's folders that hold a chart, without trailing slash."""
    found = [
        *_duplicates(resources),
        *_twice_named(resources),
        *_namespaces(resources),
        *(finding for resource in resources for finding in _one(resource, resources, folders)),
    ]
    return sorted(found, key=lambda finding: (finding.file, finding.line, finding.code))


def _one(resource: Resource, everything: tuple[Resource, ...], folders: frozenset[str]) -> Iterator[Finding]:
    if resource.ref.kind in DEPLOYED_KINDS:
        yield from _automation(resource)
    if not is_helmrelease(resource.doc):
        return
    try:
        spec = parse_helmrelease(resource.doc)
    except UserError as error:
        yield Finding(resource.file, resource.line, "error", "release", str(error))
        return
    yield from _chart(resource, spec, folders)
    yield from _nested_under_image(resource, spec)
    yield from _backend(resource, spec, everything)
    yield from _gateway(resource, spec)


def _automation(resource: Resource) -> Iterator[Finding]:
    try:
        policies_of(resource)
    except AutomationError as error:
        yield Finding(resource.file, resource.line, "error", "filter", str(error))


def _duplicates(resources: tuple[Resource, ...]) -> Iterator[Finding]:
    for found in duplicates(resources).values():
        places = " and ".join(one.place for one in found)
        for one in found:
            yield Finding(one.file, one.line, "error", "duplicate", f"{one.ref} is defined in {places}: none of them would be applied")


def _twice_named(resources: tuple[Resource, ...]) -> Iterator[Finding]:
    """One name in both API groups would be two objects that drive one Helm release (rule H4)."""
    first: dict[tuple[str, str], Resource] = {}
    for one in (resource for resource in resources if resource.ref.kind == KIND and resource.ref.api_version in GROUPS):
        other = first.setdefault((one.ref.namespace, one.ref.name), one)
        if other.ref.group != one.ref.group:
            sentence = f"{one.ref} stands in two API groups, in {other.place} and {one.place}: neither would be released"
            yield Finding(one.file, one.line, "error", "two-groups", sentence)


def _namespaces(resources: tuple[Resource, ...]) -> Iterator[Finding]:
    """A namespace that the repository does not make must be there already: said once a namespace."""
    made = {resource.ref.name for resource in resources if resource.ref.kind == "Namespace"} | {"default", "kube-system", "kube-public"}
    said = set()
    for one in resources:
        if one.ref.namespace and one.ref.namespace not in made and one.ref.namespace not in said:
            said.add(one.ref.namespace)
            sentence = f"{one.ref} needs namespace {one.ref.namespace}, which no manifest of this repository makes"
            yield Finding(one.file, one.line, "warning", "namespace", sentence)


def _chart(resource: Resource, spec: HelmReleaseSpec, folders: frozenset[str]) -> Iterator[Finding]:
    if not spec.git and spec.path and spec.path.strip("/") not in folders:
        sentence = f"{resource.ref} wants chart {spec.path}, and this repository has no chart there"
        yield Finding(resource.file, resource.line, "error", "chart", sentence)
    owner = urlsplit(spec.git).path.strip("/").split("/")[0] if "://" in spec.git else ""
    meant = next((known for known in KNOWN_OWNERS if owner != known and _nearly(owner, known)), "")
    if meant:
        sentence = f"{resource.ref} takes its chart from {spec.git}: {owner} is probably {meant}, misspelt"
        yield Finding(resource.file, resource.line, "error", "chart-url", sentence)


def _nearly(one: str, other: str) -> bool:
    """The same letters in another order, at most one of them more or less."""
    return len(one) > 3 and abs(len(one) - len(other)) <= 1 and sorted(one) == sorted(other)


def _nested_under_image(resource: Resource, spec: HelmReleaseSpec) -> Iterator[Finding]:
    image = spec.values.get("image")
    if not isinstance(image, Mapping):
        return
    for key in sorted(key for key, value in image.items() if key not in IMAGE_KEYS and (isinstance(value, Mapping) or _is_url(value))):
        sentence = f"{resource.ref} has values.image.{key}, which no chart reads: indent it two columns less, so that it is values.{key}"
        yield Finding(resource.file, resource.line, "error", "nested", sentence)


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _backend(resource: Resource, spec: HelmReleaseSpec, everything: tuple[Resource, ...]) -> Iterator[Finding]:
    """A backend of this namespace that no release here is called by."""
    image = spec.values.get("image")
    url = spec.values.get("backend") or (image.get("backend") if isinstance(image, Mapping) else None)
    if not _is_url(url):
        return
    host = (urlsplit(str(url)).hostname or "").split(".")
    local = len(host) == 1 or host[1:2] == [spec.target_namespace]
    names = set(_service_names(everything))
    if local and host[0] not in names:
        close = next((name for name in sorted(names) if name and (host[0].startswith(name) or name.startswith(host[0]))), "")
        hint = f"; {close} is" if close else ""
        sentence = f"{resource.ref} calls {url}, but no release or Service of this repository is called {host[0]}{hint}"
        yield Finding(resource.file, resource.line, "error", "backend", sentence)


def _service_names(everything: Iterable[Resource]) -> Iterator[str]:
    for one in everything:
        if one.ref.kind == "Service":
            yield one.ref.name
        if is_helmrelease(one.doc):
            values = (one.doc.get("spec") or {}).get("values") or {}
            yield str(values.get("nameOverride") or "")
            yield str((one.doc.get("spec") or {}).get("releaseName") or one.ref.name)


def _gateway(resource: Resource, spec: HelmReleaseSpec) -> Iterator[Finding]:
    """In-mesh calls (the load test's) skip a route that is bound to a public gateway alone; the operator adds `mesh` itself."""
    image = spec.values.get("image")
    canary = spec.values.get("canary") or (image.get("canary") if isinstance(image, Mapping) else None)
    ingress = canary.get("istioIngress") if isinstance(canary, Mapping) else None
    if not isinstance(ingress, Mapping) or not ingress.get("enabled"):
        return
    gateway = ingress.get("gateway")
    if isinstance(gateway, str) and gateway and not re.search(r"\bmesh\b", gateway):
        sentence = (
            f"{resource.ref} binds its route to gateway {gateway} only: in-mesh requests, the load test's for one, would not follow the "
            "weights; the operator adds the gateway mesh"
        )
        yield Finding(resource.file, resource.line, "note", "gateway", sentence)
