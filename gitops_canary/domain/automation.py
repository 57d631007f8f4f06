"""Which images of a manifest automation may bump, by whose filter: Flux v1's annotations; no tags are compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import is_helmrelease
from gitops_canary.domain.helmrelease_images import image_slots
from gitops_canary.domain.images import ImageRef, parse_image
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.tags import TagPolicy, parse_policy

PREFIXES = ("fluxcd.io/", "flux.weave.works/")
FILTERS = ("filter.fluxcd.io/", "fluxcd.io/tag.", "flux.weave.works/tag.")
WORKLOADS = frozenset({"Deployment", "DaemonSet", "StatefulSet", "CronJob"})
Path = tuple[str | int, ...]


class AutomationError(UserError):
    """An annotation of automation that cannot be used: the object is left alone and everything else goes on."""


@dataclass(frozen=True)
class ImageKey:
    """One image location of one object in one file (the rules' *key*). `path` leads from the document's root to the scalar; `joined` = the
    scalar is `name:tag`; `written` is its text, None when it is no text (an unquoted number)."""

    resource: Resource = field(hash=False)
    container: str
    image: ImageRef
    path: Path
    joined: bool
    written: str | None

    @property
    def owner(self) -> str:
        """The object, as the quarantine names it."""
        ref = self.resource.ref
        return f"{ref.kind}/{ref.namespace}/{ref.name}"

    @property
    def id(self) -> str:
        return f"{self.resource.file}#{self.owner}:{self.container}"

    def text_for(self, tag: str, digest: str = "") -> str:
        """The scalar's new text, the user's spelling kept."""
        suffix = f"@{digest}" if digest else ""
        if not self.joined:
            return f"{tag}{suffix}"
        name = parse_image(self.written or "").name
        return f"{name}:{tag}{suffix}"


@dataclass(frozen=True)
class Policies:
    """What the annotations of one object say; `filters` only for the containers that have one."""

    automated: bool = False
    locked: bool = False
    ignored: bool = False
    filters: Mapping[str, TagPolicy] = field(default_factory=dict, hash=False)

    @property
    def active(self) -> bool:
        return self.automated and not self.locked and not self.ignored


def policies_of(resource: Resource) -> Policies:
    """AutomationError names object, place and the filter that cannot be used."""
    annotations = (resource.doc.get("metadata") or {}).get("annotations") or {}
    place = f"{resource.ref} ({resource.place})"
    try:
        filters = {name: parse_policy(str(text), place) for name, text in _filters(annotations)}
    except UserError as error:
        raise AutomationError(str(error)) from error
    return Policies(_is(annotations, "automated"), _is(annotations, "locked"), _is(annotations, "ignore"), filters)


def _filters(annotations: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Older spellings first, so that the newest one wins."""
    for prefix in reversed(FILTERS):
        for key, text in annotations.items():
            if key.startswith(prefix):
                yield key.removeprefix(prefix), text


def _is(annotations: Mapping[str, Any], name: str) -> bool:
    """Only the exact text `true` switches a policy on."""
    return any(annotations.get(prefix + name) == "true" for prefix in PREFIXES)


def policy_for(policies: Policies, container: str, place: str) -> TagPolicy:
    """Without a filter Flux takes the newest image of all by date."""
    return policies.filters.get(container) or parse_policy("glob:*", place)


def image_keys(resource: Resource) -> tuple[ImageKey, ...]:
    """All image locations of a HelmRelease, or of a workload's containers and initContainers; unreadable images are left out."""
    if is_helmrelease(resource.doc):
        return tuple(
            ImageKey(resource, slot.container, slot.image, (*resource.within, "spec", "values", *slot.path), slot.joined, slot.written)
            for slot in image_slots(resource.doc)
        )
    return tuple(_containers(resource)) if resource.ref.kind in WORKLOADS else ()


def _containers(resource: Resource) -> Iterator[ImageKey]:
    at: Path = ("spec", "template", "spec")
    if resource.ref.kind == "CronJob":
        at = ("spec", "jobTemplate", *at)
    pod: Any = resource.doc
    for step in at:
        pod = pod.get(step) if isinstance(pod, Mapping) else None
    for listed in ("initContainers", "containers"):
        items = pod.get(listed) if isinstance(pod, Mapping) else None
        for number, item in enumerate(items if isinstance(items, list) else ()):
            key = _container(resource, (*resource.within, *at, listed, number, "image"), item)
            if key is not None:
                yield key


def _container(resource: Resource, path: Path, item: Any) -> ImageKey | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("image"), str) or not isinstance(item.get("name"), str):
        return None
    try:
        return ImageKey(resource, item["name"], parse_image(item["image"]), path, True, item["image"])
    except UserError:
        return None
