"""Images, tag filters and annotations of automation that cannot be used as they are written; nothing here asks a registry."""

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_canary.domain.automation import FILTERS, PREFIXES, WORKLOADS, Path, image_keys
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import KIND, is_helmrelease
from gitops_canary.domain.helmrelease_images import image_slots
from gitops_canary.domain.images import DIGEST, TAG, parse_image
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.tags import parse_policy
from gitops_canary.domain.validation.findings import Finding, Quote, at
from gitops_canary.domain.validation.spelling import meant

SWITCHES = ("automated", "locked", "ignore")
AUTOMATED_KINDS = WORKLOADS | {KIND}
ANNOTATIONS = ("metadata", "annotations")


def image_findings(resource: Resource) -> Iterator[Finding]:
    """Of a HelmRelease or a workload; nothing for other kinds."""
    if resource.ref.kind not in AUTOMATED_KINDS:
        return
    yield from _annotations(resource)
    if is_helmrelease(resource.doc):
        yield from _tags(resource)
        yield from _values(resource)
    elif resource.ref.kind in WORKLOADS:
        yield from _containers(resource)


def _annotations(resource: Resource) -> Iterator[Finding]:
    annotations = resource.doc["metadata"].get("annotations")
    for key, text in annotations.items() if isinstance(annotations, Mapping) else ():
        path = (*ANNOTATIONS, key)
        prefix = next((one for one in FILTERS if key.startswith(one)), "")
        if prefix:
            yield from _filter(resource, path, key.removeprefix(prefix), str(text))
            continue
        name = next((key.removeprefix(one) for one in PREFIXES if key.startswith(one)), "")
        known = meant(name, SWITCHES) if name else ""
        if known:
            yield at(resource, path, "warning", "annotation", f"{resource.ref} has annotation {key}: {known} is probably meant")
        if name in SWITCHES and text not in ("true", "false", "sync_only"):
            sentence = f"{resource.ref} has annotation {key}: {text}, and only the word true switches it on"
            yield at(resource, path, "warning", "annotation", sentence)


def _filter(resource: Resource, path: Path, container: str, text: str) -> Iterator[Finding]:
    try:
        parse_policy(text, f"annotation {path[-1]} of {resource.ref}")
    except UserError as error:
        yield at(resource, path, "error", "filter", str(error))
        return
    names = sorted({key.container for key in image_keys(resource)})
    if container not in names:
        there = f"it has {', '.join(names)}" if names else "it has no image"
        sentence = f"{resource.ref} has a filter for {container}, but no image of that name: {there}"
        yield at(resource, path, "warning", "filter", sentence)


def _tags(resource: Resource) -> Iterator[Finding]:
    """`3.10` without quotes is the number 3.1: neither Flux nor we may edit it, and a chart prints something else than what is written."""
    values = resource.doc["spec"].get("values") if isinstance(resource.doc.get("spec"), Mapping) else None
    for slot in image_slots(resource.doc):
        path = ("spec", "values", *slot.path)
        value = _value(values, slot.path)
        if slot.joined or value is None or value == "":
            continue
        if not isinstance(value, str):
            kind = "a truth value" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "no text"
            mend = Quote(_full(resource, path)) if isinstance(value, bool | int | float) else None
            sentence = f"{resource.ref} has a tag for {slot.image.name} that YAML reads as {kind}, {value!r}: put it into quotes"
            yield at(resource, path, "warning", "image", sentence, mend)
        elif not _is_tag(value):
            yield at(resource, path, "error", "image", f"{resource.ref} has tag {value!r} for {slot.image.name}, which no tag can be")


def _is_tag(text: str) -> bool:
    tag, at_, digest = text.partition("@")
    return bool(TAG.fullmatch(tag)) and (not at_ or bool(DIGEST.fullmatch(digest)))


def _values(resource: Resource) -> Iterator[Finding]:
    """The same places that `image_slots` looks at; it leaves out what it cannot read."""
    values = resource.doc["spec"].get("values") if isinstance(resource.doc.get("spec"), Mapping) else None
    for at_path, mapping in _levels(values):
        image = mapping.get("image")
        name, key = (image.get("repository"), ("image", "repository")) if isinstance(image, Mapping) else (image, ("image",))
        registry = (image if isinstance(image, Mapping) else mapping).get("registry")
        if isinstance(name, str):
            prefix = f"{registry}/" if isinstance(registry, str) and registry else ""
            yield from _unreadable(resource, ("spec", "values", *at_path, *key), prefix + name)


def _levels(values: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(values, Mapping):
        yield (), values
        for key, below in values.items():
            if isinstance(below, Mapping) and key != "image":
                yield (key,), below


def _containers(resource: Resource) -> Iterator[Finding]:
    path: Path = ("spec", "jobTemplate") if resource.ref.kind == "CronJob" else ()
    path = (*path, "spec", "template", "spec")
    pod = _value(resource.doc, path)
    for listed in ("initContainers", "containers"):
        items = pod.get(listed) if isinstance(pod, Mapping) else None
        for number, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, Mapping) and isinstance(item.get("image"), str):
                yield from _unreadable(resource, (*path, listed, number, "image"), item["image"])


def _unreadable(resource: Resource, path: Path, text: str) -> Iterator[Finding]:
    if not text:
        return
    try:
        parse_image(text)
    except UserError as error:
        yield at(resource, path, "error", "image", f"{error} ({resource.ref})")


def _value(root: Any, path: Path) -> Any:
    for step in path:
        if not isinstance(root, Mapping):
            return None
        root = root.get(step)
    return root


def _full(resource: Resource, path: Path) -> Path:
    return (*resource.within, *path)
