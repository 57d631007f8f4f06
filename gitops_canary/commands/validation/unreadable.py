"""Files and objects that cannot be read, on their lines; annotations that are no text get the quotes they lack."""

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_canary.domain.validation.findings import Finding, Path, Quote
from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.manifests.tree import Problem

ANNOTATIONS = ("metadata", "annotations")


def unreadable_findings(problem: Problem, data: bytes) -> Iterator[Finding]:
    """`annotation: true` without quotes is the commonest slip: each such value is named, at its own place. Anything else is said as is."""
    quotable = list(_without_quotes(problem, data)) if "is not text" in problem.sentence else []
    yield from quotable or [Finding(problem.file, max(problem.line, 1), "error", "unreadable", problem.sentence)]


def _without_quotes(problem: Problem, data: bytes) -> Iterator[Finding]:
    try:
        found = [document for document in documents(decode(data)) if document.line == problem.line]
    except Unreadable:
        return
    for document in found:
        for path, value in _values(document.value):
            shown = str(value).lower() if isinstance(value, bool) else value
            what = f"{document.value.get('kind')} {document.value['metadata'].get('name')}"
            sentence = f"annotation {path[-1]} of {what} is {shown} without quotes, which is no text: Kubernetes refuses the object"
            yield Finding(problem.file, max(problem.line, 1), "error", "unreadable", sentence, document.number, path, Quote(path))


def _values(doc: Any) -> Iterator[tuple[Path, bool | int | float]]:
    annotations = doc["metadata"].get("annotations") if isinstance(doc, Mapping) and isinstance(doc.get("metadata"), Mapping) else None
    for key, value in annotations.items() if isinstance(annotations, Mapping) else ():
        if isinstance(value, bool | int | float):
            yield (*ANNOTATIONS, str(key)), value
