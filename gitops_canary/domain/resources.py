"""Names of Kubernetes objects and manifests read from files; no parsing and no decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Doc = dict[str, Any]
"""A raw Kubernetes object, only at the edges; decisions take typed values."""


@dataclass(frozen=True, order=True)
class Ref:
    """One object as an API call names it; `namespace` is "" for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Group, kind, namespace, name: two versions of one group are the same object."""
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True)
class Resource:
    """One manifest of the cluster repository and where it stands: `file` relative to the root, 0-based `document`, 1-based `line`, and
    `within` = the path to it inside its document (an item of a `kind: List`)."""

    ref: Ref
    doc: Mapping[str, Any] = field(hash=False)
    file: str
    document: int
    line: int
    within: tuple[str | int, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def ref_of(doc: Mapping[str, Any]) -> Ref:
    """The reference of a raw object that has apiVersion, kind and metadata.name."""
    meta = doc.get("metadata") or {}
    return Ref(str(doc["apiVersion"]), str(doc["kind"]), str(meta.get("namespace") or ""), str(meta["name"]))
