"""A tree of files to the Kubernetes objects they define, each with its place; what is broken becomes a problem, never an exception."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from yaml.nodes import MappingNode, Node, SequenceNode

from gitops_canary.domain.resources import Ref, Resource
from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import Document, decode, documents

OURS = ".gitops-canary/"
"""The folder of result files: written by the operator, never applied."""
ENDINGS = (".yaml", ".yml")


class Files(Protocol):
    """The part of a git tree that is read here."""

    def paths(self, prefix: str = "") -> Sequence[str]: ...
    def read(self, path: str) -> bytes | None: ...
    def blob_id(self, path: str) -> str | None: ...


@dataclass(frozen=True)
class Problem:
    """A file, or a document in it, that cannot be used: the sentence names object and place and says what to do."""

    file: str
    line: int
    sentence: str

    @property
    def place(self) -> str:
        """`file:line`; the file alone where the line is 0."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Loaded:
    """Everything the files say: objects in the order of the files, and what could not be read."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass
class ParseCache:
    """Parsed files by path and content; what is not asked for in one walk is dropped at the next."""

    entries: dict[tuple[str, str], Loaded] = field(default_factory=dict)


def read_tree(tree: Files, paths: tuple[str, ...] = (), cache: ParseCache | None = None) -> Loaded:
    """All manifests below `paths` (empty = everywhere), charts and the results folder left out. Flux v1 reads `.yaml` and `.yml`, skips
    folders that hold a chart and flattens `kind: List`. A path that is not there is a problem: a slip of the pen, or a folder that was
    renamed, must not look as if everything in it had been deleted."""
    known = cache if cache is not None else ParseCache()
    fresh: dict[tuple[str, str], Loaded] = {}
    for path in manifest_paths(tree, paths):
        key = (path, tree.blob_id(path) or "")
        fresh[key] = known.entries.get(key) or read_file(path, tree.read(path) or b"")
    known.entries = fresh
    return Loaded(
        tuple(resource for loaded in fresh.values() for resource in loaded.resources),
        (*_absent(tree, paths), *(problem for loaded in fresh.values() for problem in loaded.problems)),
    )


def _absent(tree: Files, paths: tuple[str, ...]) -> Iterator[Problem]:
    everything = tree.paths() if paths else ()
    for path in filter(None, map(plain_path, paths)):
        if not any(file == path or file.startswith(f"{path}/") for file in everything):
            yield Problem(path, 0, f"cannot read {path}: the repository has no file there; correct --git-path")


def plain_path(path: str) -> str:
    """A folder as users write it (`./releases/`, `.`) as a plain relative path; "" is the root."""
    return "/".join(part for part in path.strip().split("/") if part not in ("", "."))


def manifest_paths(tree: Files, paths: tuple[str, ...] = ()) -> list[str]:
    """The files that are read as manifests, sorted."""
    everything = tree.paths()
    charts = chart_folders(everything)
    wanted = tuple(f"{path}/" for path in map(plain_path, paths)) if all(map(plain_path, paths)) else ()
    return sorted(
        path
        for path in everything
        if path.endswith(ENDINGS)
        and not path.startswith(OURS)
        and not path.startswith(charts)
        and (not wanted or path.startswith(wanted) or f"{path}/" in wanted)
    )


def chart_folders(paths: Sequence[str]) -> tuple[str, ...]:
    """Folders that hold a Chart.yaml and beside it values.yaml or templates, with a trailing slash; Helm asks for neither of the two."""
    known = set(paths)
    rendering = {path.partition("/templates/")[0] + "/" for path in paths if "/templates/" in path}
    folders = (path.removesuffix("Chart.yaml") for path in paths if path == "Chart.yaml" or path.endswith("/Chart.yaml"))
    return tuple(folder for folder in folders if folder and (f"{folder}values.yaml" in known or folder in rendering))


def read_file(path: str, data: bytes) -> Loaded:
    """The objects of one file. One unreadable document makes the file unreadable from there on; objects before it do not count either, so
    that half a file is never applied."""
    try:
        found = documents(decode(data))
    except Unreadable as error:
        return Loaded(problems=(Problem(path, error.line, f"cannot read {path}:{error.line}: {error.sentence}"),))
    resources: list[Resource] = []
    problems: list[Problem] = []
    for document in found:
        for value, within, line in _objects(document):
            made = _resource(path, document, value, within, line)
            if isinstance(made, Problem):
                problems.append(made)
            else:
                resources.append(made)
    return Loaded(tuple(resources), tuple(problems))


def _objects(document: Document) -> Iterator[tuple[Any, tuple[str | int, ...], int]]:
    value = document.value
    if isinstance(value, Mapping) and str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        nodes = _items(document.node)
        for number, (item, node) in enumerate(zip(value["items"], nodes, strict=True)):
            yield item, ("items", number), node.start_mark.line + 1
    elif value is not None:
        yield value, (), document.line


def _items(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == "items" and isinstance(value, SequenceNode):
                return list(value.value)
    return []


def _resource(path: str, document: Document, value: Any, within: tuple[str | int, ...], line: int) -> Resource | Problem:
    missing = _missing(value)
    if missing:
        return Problem(path, line, f"cannot read {path}:{line}: {missing}")
    meta = value["metadata"]
    ref = Ref(str(value["apiVersion"]), str(value["kind"]), str(meta.get("namespace") or ""), str(meta["name"]))
    return Resource(ref, value, path, document.number, line, within)


def _missing(value: Any) -> str:
    """What keeps a value from being a Kubernetes object."""
    if not isinstance(value, Mapping):
        return "it is no Kubernetes object (a mapping with apiVersion, kind and metadata.name)"
    for name in ("apiVersion", "kind"):
        if not isinstance(value.get(name), str) or not value[name]:
            return f"it has no {name}"
    meta = value.get("metadata")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str) or not meta["name"]:
        return f"its {value['kind']} has no metadata.name"
    what = f"{value['kind']} {meta['name']}"
    if not isinstance(meta.get("namespace") or "", str):
        return f"the namespace of {what} is not text"
    for name, one in (("annotation", meta.get("annotations")), ("label", meta.get("labels"))):
        if not isinstance(one or {}, Mapping):
            return f"the {name}s of {what} are no mapping of names to texts"
        wrong = [key for key, text in (one or {}).items() if not isinstance(text, str) and (name == "annotation" or text is not None)]
        if wrong:
            return f"{name} {wrong[0]} of {what} is not text: put its value into quotes"
    endless = _endless(value)
    return f"{endless.lstrip('.')} of {what} is not a finite number, and Kubernetes has no others" if endless else ""


def _endless(value: Any, path: str = "") -> str:
    """Where a `.nan` or `.inf` stands, dotted; "" for nowhere. JSON has neither: on the way to the server it would become null."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else path
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, one in pairs if (found := _endless(one, f"{path}.{key}"))), "")
