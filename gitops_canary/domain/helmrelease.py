"""HelmRelease objects of both seed groups as values: the chart, the values and the images in them; no decisions about releases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef, parse_image

GROUPS = ("flux.weave.works/v1beta1", "helm.fluxcd.io/v1")
KIND = "HelmRelease"
CHART_IMAGE = "chart-image"
"""Flux's name of the container that a top-level `image` in the values stands for."""
Path = tuple[str, ...]


@dataclass(frozen=True)
class Rollback:
    """`recreate` of pods is gone from Helm 4: `validate` says so."""

    enable: bool = False
    retry: bool = False
    max_retries: int = 5
    force: bool = False
    recreate: bool = False
    disable_hooks: bool = False
    timeout: float = 300.0
    wait: bool = False


@dataclass(frozen=True)
class Tests:
    """`cleanup` was for Helm 2; a chart's `helm.sh/hook-delete-policy` says what becomes of its test pods."""

    enable: bool = False
    ignore_failures: bool = False
    timeout: float = 300.0
    cleanup: bool = True


@dataclass(frozen=True)
class HelmReleaseSpec:
    """A HelmRelease as the Helm Operator reads it, defaults filled in; seconds."""

    name: str
    namespace: str
    release: str
    target_namespace: str
    git: str = ""
    ref: str = ""
    path: str = ""
    repository: str = ""
    chart: str = ""
    version: str = ""
    secret: str = ""
    skip_dependencies: bool = False
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    values_from: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    reset_values: bool = True
    max_history: int = 10
    timeout: float = 300.0
    wait: bool = False
    force: bool = False
    skip_crds: bool = False
    disable_openapi_validation: bool = False
    service_account: str = ""
    rollback: Rollback = Rollback()
    test: Tests = Tests()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def is_helmrelease(doc: Mapping[str, Any]) -> bool:
    return doc.get("kind") == KIND and doc.get("apiVersion") in GROUPS


def parse_helmrelease(doc: Mapping[str, Any]) -> HelmReleaseSpec:
    """UserError names the object and the field. Neither `git` nor `repository` but a `path` = a chart in the cluster repository itself."""
    meta, spec = doc.get("metadata") or {}, doc.get("spec")
    name, namespace = str(meta.get("name", "")), str(meta.get("namespace") or "default")
    read = _Reader(f"HelmRelease {namespace}/{name}", spec if isinstance(spec, Mapping) else {})
    chart = _Reader(read.what, read.mapping("chart"), "chart.")
    if not chart.data:
        raise UserError(f"cannot use {read.what}: it has no spec.chart", hint="give chart.path, chart.git or chart.repository")
    target = read.text("targetNamespace") or namespace
    default_release = f"{namespace}-{name}" if target == namespace else f"{namespace}-{target}-{name}"
    rollback, test = _rollback(read), _tests(read)
    sources = (*({"secretKeyRef": dict(one)} for one in read.items("valueFileSecrets")), *read.items("valuesFrom"))
    made = HelmReleaseSpec(
        name=name,
        namespace=namespace,
        release=read.text("releaseName") or default_release,
        target_namespace=target,
        git=chart.text("git"),
        ref=chart.text("ref"),
        path=chart.text("path"),
        repository=chart.text("repository"),
        chart=chart.text("name"),
        version=chart.text("version"),
        secret=str((chart.mapping("secretRef") or chart.mapping("chartPullSecret")).get("name", "")),
        skip_dependencies=chart.flag("skipDepUpdate"),
        values=read.mapping("values"),
        values_from=sources,
        reset_values=read.flag("resetValues", True),
        max_history=int(read.number("maxHistory", 10)),
        timeout=read.number("timeout", 300),
        wait=read.flag("wait", rollback.enable or test.enable),
        force=read.flag("forceUpgrade"),
        skip_crds=read.flag("skipCRDs"),
        disable_openapi_validation=read.flag("disableOpenAPIValidation"),
        service_account=read.text("serviceAccountName"),
        rollback=rollback,
        test=test,
    )
    _check_chart(made, read.what)
    return made


def _check_chart(spec: HelmReleaseSpec, what: str) -> None:
    if spec.repository and not (spec.chart and spec.version):
        raise UserError(f"cannot use {what}: chart.repository needs chart.name and chart.version too")
    if not spec.repository and not spec.path:
        raise UserError(f"cannot use {what}: its chart has neither a path nor a repository")
    if ".." in spec.path.split("/") or spec.path.startswith("/"):
        raise UserError(f"cannot use {what}: chart.path {spec.path!r} leaves its repository")


def _rollback(read: "_Reader") -> Rollback:
    one = _Reader(read.what, read.mapping("rollback"), "rollback.")
    return Rollback(
        one.flag("enable"),
        one.flag("retry"),
        int(one.number("maxRetries", 5)),
        one.flag("force"),
        one.flag("recreate"),
        one.flag("disableHooks"),
        one.number("timeout", 300),
        one.flag("wait"),
    )


def _tests(read: "_Reader") -> Tests:
    one = _Reader(read.what, read.mapping("test"), "test.")
    return Tests(one.flag("enable"), one.flag("ignoreFailures"), one.number("timeout", 300), one.flag("cleanup", True))


@dataclass(frozen=True)
class _Reader:
    """Typed look-ups in a mapping that say which field of which object is wrong."""

    what: str
    data: Mapping[str, Any]
    prefix: str = ""

    def text(self, key: str) -> str:
        return str(self._of(key, str, "text") or "")

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._of(key, bool, "true or false")
        return default if value is None else bool(value)

    def number(self, key: str, default: float) -> float:
        value = self.data.get(key)
        if value is None:
            return float(default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86400:
            raise self._wrong(key, "a number from 0 to 86400")
        return float(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        return self._of(key, Mapping, "a mapping") or {}

    def items(self, key: str) -> tuple[Mapping[str, Any], ...]:
        value = self._of(key, list, "a list") or []
        if not all(isinstance(item, Mapping) for item in value):
            raise self._wrong(key, "a list of mappings")
        return tuple(value)

    def _of(self, key: str, kind: Any, wanted: str) -> Any:
        value = self.data.get(key)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(key, wanted)
        return value

    def _wrong(self, key: str, wanted: str) -> UserError:
        return UserError(f"cannot use {self.what}: spec.{self.prefix}{key} must be {wanted}, not {self.data.get(key)!r}")


# ---------------------------------------------------------------- images in the values


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
