"""The charts of a repository and what they render for each release; Helm runs in the adapter's child process."""

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitops_canary.adapters.folder import Folder
from gitops_canary.adapters.helm.charts import missing_dependencies
from gitops_canary.adapters.helm.rendering import Renderer
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases_values import merge_values
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.validation.findings import Finding, at
from gitops_canary.domain.validation.releases import Charts
from gitops_canary.domain.validation.rendered import Rendered
from gitops_canary.managers.release_values import values_from_yaml
from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import decode, documents

UNUSED = "release-name"
FAR = re.compile(r'"\$ref"\s*:\s*"(https?:[^"]*)"')
SHOWN = 200
"""Letters of an address that are shown."""


@dataclass
class Rendering:
    """What came of all charts: objects, findings, how many were rendered, how many releases have their chart elsewhere."""

    objects: list[Rendered] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rendered: int = 0
    elsewhere: int = 0


def read_charts(folder: Folder) -> tuple[Charts, list[Finding]]:
    """Every folder that holds a Chart.yaml, with its values."""
    found: dict[str, Mapping[str, Any]] = {}
    wrong: list[Finding] = []
    for path in folder.paths():
        if posixpath.basename(path) == "Chart.yaml" and "/" in path:
            home = posixpath.dirname(path)
            values = f"{home}/values.yaml"
            found[home] = {}
            try:
                read = [one.value for one in documents(decode(folder.read(values) or b""))] if folder.has(values) else []
                found[home] = read[0] if read and isinstance(read[0], Mapping) else {}
            except Unreadable as error:
                wrong.append(Finding(values, error.line, "error", "unreadable", f"cannot read {values}:{error.line}: {error.sentence}"))
    return Charts(found), wrong


def render_all(folder: Folder, charts: Charts, releases: Sequence[tuple[Resource, HelmReleaseSpec]], helm: Renderer) -> Rendering:
    """Each release's chart with its values, and each chart that no release uses with its own."""
    made = Rendering()
    used: set[str] = set()
    for resource, spec in releases:
        path = spec.path
        if charts.of(spec) is None:
            made.elsewhere += bool(spec.git or spec.repository)
            continue
        used.add(path)
        values, complete = _values(folder, resource, spec)
        far = _far_schema(folder, path)
        if far:
            sentence = f"{resource.ref}: chart {path} is not rendered here: {far}"
            made.findings.append(at(resource, ("spec", "chart"), "warning", "render", sentence))
            continue
        outcome = _render(folder, path, (spec.release, spec.target_namespace, values), helm)
        if isinstance(outcome, str):
            level, hint = ("error", "") if complete else ("warning", " (some of its values are known only in the cluster)")
            made.findings.append(at(resource, ("spec", "chart"), level, "render", f"{resource.ref}: {outcome}{hint}"))  # type: ignore[arg-type]
            continue
        made.rendered += 1
        _collect(made, resource, spec, outcome, folder)
    for path in sorted(set(charts.values) - used):
        if not _within_another(path, charts) and not _far_schema(folder, path):
            outcome = _render(folder, path, (UNUSED, "default", {}), helm)
            made.rendered += not isinstance(outcome, str)
            if isinstance(outcome, str):
                made.findings.append(
                    Finding(f"{path}/Chart.yaml", 1, "warning", "render", f"{outcome} (with its own values; no release uses it)")
                )
    return made


def _far_schema(folder: Folder, path: str) -> str:
    """Helm fetches what a schema of values refers to, wherever that is; no network is asked here."""
    for name in folder.paths(f"{path}/"):
        if posixpath.basename(name) == "values.schema.json":
            found = FAR.search((folder.read(name) or b"").decode("utf-8", "replace"))
            if found:
                return f"its {name.removeprefix(f'{path}/')} refers to {found[1][:SHOWN]}, which Helm would fetch"
    return ""


def _within_another(path: str, charts: Charts) -> bool:
    """A dependency below another chart's `charts/` is rendered with it."""
    return any(path.startswith(f"{other}/") for other in charts.values if other != path)


def _render(folder: Folder, path: str, how: tuple[str, str, Mapping[str, Any]], helm: Renderer) -> Mapping[str, str] | str:
    """The texts, or the sentence that says why there are none."""
    chart = folder.root / path
    link = _symlink(chart)
    if link:
        return f"cannot render chart {path}: {link} is a symlink, which the operator does not follow"
    try:
        missing = [str(one["name"]) for one in missing_dependencies(chart, f"chart {path}")]
        if missing:
            return f"cannot render chart {path}: its dependencies are not in its folder charts: {', '.join(missing)}"
        return helm.render(chart.resolve(), *how)
    except UserError as error:
        return str(error)


def _symlink(chart: Path) -> str:
    for folder, folders, files in os.walk(chart):
        for name in (*folders, *files):
            if (Path(folder) / name).is_symlink():
                return name
    return ""


def _values(folder: Folder, resource: Resource, spec: HelmReleaseSpec) -> tuple[dict[str, Any], bool]:
    """The values that are known without a cluster, and whether these are all."""
    sources: list[Mapping[str, Any]] = []
    complete = True
    for source in spec.values_from:
        one = source.get("chartFileRef")
        path = posixpath.normpath(f"{spec.path}/{one.get('path')}") if isinstance(one, Mapping) else ""
        if path.startswith(f"{spec.path}/") and folder.has(path):
            try:
                sources.append(values_from_yaml(folder.read(path) or b"", path))
                continue
            except UserError:
                pass
        complete = False
    return merge_values([*sources, spec.values]), complete


def _collect(made: Rendering, resource: Resource, spec: HelmReleaseSpec, texts: Mapping[str, str], folder: Folder) -> None:
    for template, text in sorted(texts.items()):
        if not template.endswith((".yaml", ".yml")):
            continue
        source = _source(folder, f"{spec.path}/{template}")
        try:
            for doc in _objects(text):
                made.objects.append(Rendered(resource, spec, template, source, doc))
        except Unreadable as error:
            sentence = (
                f"{resource.ref}: chart {spec.path} renders {template} that cannot be read, line {error.line} of it: {error.sentence}"
            )
            made.findings.append(at(resource, ("spec", "chart"), "error", "render", sentence))


def _source(folder: Folder, path: str) -> str:
    """The template's own text; "" for one of a packed dependency."""
    return (folder.read(path) or b"").decode("utf-8", "replace") if folder.has(path) else ""


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Lists are taken apart. Unreadable for what is no object."""
    for document in documents(decode(text.encode())):
        value = document.value
        if isinstance(value, Mapping) and str(value.get("kind")).endswith("List") and isinstance(value.get("items"), list):
            found = value["items"]
        else:
            found = [] if value is None else [value]
        for one in found:
            if not _is_object(one):
                raise Unreadable("it is no Kubernetes object (a mapping with apiVersion, kind and metadata.name)", document.line)
            yield one


def _is_object(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value.get("kind") or not value.get("apiVersion"):
        return False
    meta = value.get("metadata")
    return isinstance(meta, Mapping) and bool(meta.get("name") or meta.get("generateName"))
