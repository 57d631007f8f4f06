"""Which image location in the cluster repository stands behind a running container (rule G6): by identity, never by guessing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_canary.domain.automation import ImageKey, image_keys
from gitops_canary.domain.commits import image_of
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import is_helmrelease, parse_helmrelease
from gitops_canary.domain.resources import Resource

RELEASE = "meta.helm.sh/release-name"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
ANTECEDENT = "helm.fluxcd.io/antecedent"


@dataclass(frozen=True)
class Nowhere:
    """Why no location was found, as the end of a sentence; `file` when at least the file is known."""

    why: str
    file: str = ""


@dataclass(frozen=True)
class Workload:
    """The workload a canary targets: the raw object as the cluster has it, None when it is gone."""

    kind: str
    namespace: str
    name: str
    doc: Mapping[str, Any] | None = None


def find_key(workload: Workload, image: str, container: str, resources: Sequence[Resource]) -> ImageKey | Nowhere:
    """The location that holds `image` (by repository; its tag may have been edited since) for the workload's container."""
    wanted = image_of(image)
    if wanted is None:
        return Nowhere(f"the image {image!r} cannot be read")
    home = home_of(workload, resources)
    if isinstance(home, Nowhere):
        return home
    same = [key for key in image_keys(home) if key.image.canonical == wanted.canonical]
    if not is_helmrelease(home.doc) and container:
        same = [key for key in same if key.container == container]
    if len(same) > 1:
        same = [key for key in same if (key.image.tag, key.image.digest) == (wanted.tag, wanted.digest)] or same
    if len(same) == 1:
        return same[0]
    many = "no image location" if not same else f"{len(same)} image locations"
    return Nowhere(f"{home.ref} ({home.place}) has {many} with {wanted.name}", home.file)


def home_of(workload: Workload, resources: Sequence[Resource]) -> Resource | Nowhere:
    """The HelmRelease that made the workload, or the workload's own manifest."""
    identity = ("apps", workload.kind, workload.namespace, workload.name)
    own = [resource for resource in resources if resource.ref.identity == identity]
    if len(own) == 1:
        return own[0]
    annotations = ((workload.doc or {}).get("metadata") or {}).get("annotations") or {}
    antecedent, release = str(annotations.get(ANTECEDENT) or ""), str(annotations.get(RELEASE) or "")
    if not antecedent and not release:
        gone = "is gone" if workload.doc is None else "is in no file and was made by no Helm release"
        return Nowhere(f"{workload.kind} {workload.namespace}/{workload.name} {gone}")
    namespace = str(annotations.get(RELEASE_NAMESPACE) or workload.namespace)
    found = [r for r in resources if is_helmrelease(r.doc) and (_is_antecedent(r, antecedent) or _makes(r, release, namespace))]
    if len(found) == 1:
        return found[0]
    many = "no HelmRelease" if not found else "more than one HelmRelease"
    return Nowhere(f"{many} in the repository makes the release {namespace}/{release or antecedent}")


def _is_antecedent(resource: Resource, antecedent: str) -> bool:
    return antecedent == f"{resource.ref.namespace}:helmrelease/{resource.ref.name}"


def _makes(resource: Resource, release: str, namespace: str) -> bool:
    try:
        spec = parse_helmrelease(resource.doc)
    except UserError:
        return False
    return bool(release) and (spec.release, spec.target_namespace) == (release, namespace)


def placed(resources: Iterable[Resource], default_namespace: str) -> tuple[Resource, ...]:
    """HelmReleases and workloads with the namespace that sync gives those without one."""
    return tuple(_placed(resource, default_namespace) for resource in resources)


def _placed(resource: Resource, namespace: str) -> Resource:
    if resource.ref.namespace or resource.ref.kind == "Namespace":
        return resource
    meta = {**resource.doc["metadata"], "namespace": namespace}
    ref = type(resource.ref)(resource.ref.api_version, resource.ref.kind, namespace, resource.ref.name)
    doc = {**resource.doc, "metadata": meta}
    return Resource(ref, doc, resource.file, resource.document, resource.line, resource.within)
