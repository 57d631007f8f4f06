"""Where the images of a HelmRelease stand in its values: the chart's usual forms and those that annotations map; read and rewritten."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef, parse_image

CHART_IMAGE = "chart-image"
"""Flux's name of the container that a top-level `image` in the values stands for."""
Path = tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """Where an image stands below spec.values: `image` as a whole, and the path of the scalar that holds its tag.

    `joined` = that scalar is `name:tag` (or `name`), not the tag alone; `written` is its present text, None when it is no text."""

    container: str
    image: ImageRef
    path: Path
    joined: bool
    written: str | None


def image_slots(doc: Mapping[str, Any]) -> tuple[Slot, ...]:
    """Flux v1's six forms at the top level and one below, then mapped ones, which win; chart-image first, then by name."""
    spec = doc.get("spec")
    values = spec.get("values") if isinstance(spec, Mapping) else None
    if not isinstance(values, Mapping):
        return ()
    found = {slot.container: slot for slot in _automatic(values)}
    found.update({slot.container: slot for slot in _mapped(doc, values)})
    return tuple(sorted(found.values(), key=lambda slot: (slot.container != CHART_IMAGE, slot.container)))


def _automatic(values: Mapping[str, Any]) -> Iterator[Slot]:
    yield from _forms(CHART_IMAGE, values, ())
    for key, below in values.items():
        if isinstance(below, Mapping) and key != "image":
            yield from _forms(str(key), below, (str(key),))
        elif isinstance(below, Mapping) and "image" in below:
            yield from _forms("image", below, ("image",))


def _forms(container: str, values: Mapping[str, Any], at: Path) -> Iterator[Slot]:
    image = values.get("image")
    if isinstance(image, str):
        yield from _slot(container, values, at, values.get("registry"), "image", image, "tag")
    elif isinstance(image, Mapping) and isinstance(image.get("repository"), str):
        yield from _slot(container, image, (*at, "image"), image.get("registry"), "repository", image["repository"], "tag")


def _slot(container: str, values: Mapping[str, Any], at: Path, registry: Any, name_key: str, name: str, tag_key: str) -> Iterator[Slot]:
    prefix = f"{registry}/" if isinstance(registry, str) and registry else ""
    separate = tag_key in values
    tag = values.get(tag_key)
    try:
        image = parse_image(prefix + name)
    except UserError:
        return
    if separate:
        written = tag if isinstance(tag, str) else None
        yield Slot(container, _with_written(image, written), (*at, tag_key), False, written)
    else:
        yield Slot(container, image, (*at, name_key), True, name)


def _with_written(image: ImageRef, written: str | None) -> ImageRef:
    """A tag scalar may carry a digest too: `3.1.1@sha256:…`."""
    tag, _, digest = (written or "").partition("@")
    return image.with_tag(tag, digest)


def _mapped(doc: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Slot]:
    """`repository.fluxcd.io/<alias>: dot.path`, with `registry.…` and `tag.…`; the repository is compulsory."""
    annotations = (doc.get("metadata") or {}).get("annotations") or {}
    for key, place in sorted(annotations.items()):
        alias = key.removeprefix("repository.fluxcd.io/")
        if alias == key or not isinstance(place, str):
            continue
        path = tuple(place.split("."))
        name = _at(values, path)
        if not isinstance(name, str):
            continue
        registry = _at(values, _place(annotations, f"registry.fluxcd.io/{alias}"))
        tag_path = _place(annotations, f"tag.fluxcd.io/{alias}")
        prefix = f"{registry}/" if isinstance(registry, str) and registry else ""
        try:
            image = parse_image(prefix + name)
        except UserError:
            continue
        if tag_path:
            tag = _at(values, tag_path)
            written = tag if isinstance(tag, str) else None
            yield Slot(alias, _with_written(image, written), tag_path, False, written)
        else:
            yield Slot(alias, image, path, True, name)


def _place(annotations: Mapping[str, Any], key: str) -> Path:
    value = annotations.get(key)
    return tuple(value.split(".")) if isinstance(value, str) and value else ()


def _at(values: Any, path: Path) -> Any:
    if not path:
        return None
    for step in path:
        if not isinstance(values, Mapping):
            return None
        values = values.get(step)
    return values


def rewritten(slot: Slot, tag: str, digest: str = "") -> str:
    """The new text of the slot's scalar: everything but tag and digest keeps the user's spelling."""
    suffix = f"@{digest}" if digest else ""
    if not slot.joined:
        return f"{tag}{suffix}"
    assert slot.written is not None
    own = parse_image(slot.written)
    return f"{own.name}:{tag}{suffix}"
