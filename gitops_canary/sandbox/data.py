"""The files that travel with the product, wherever it is installed: deploy/, repo-template/ and the mesh's kinds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gitops_canary.manifests.loading import decode, documents

Doc = dict[str, Any]
PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """`deploy` or `repo-template`: beside the package in a checkout, inside it when installed."""
    beside = PACKAGE.parent / name
    return beside if beside.is_dir() else PACKAGE / "_data" / name


def definitions() -> list[Doc]:
    """The CustomResourceDefinitions of ours and of the mesh."""
    files = [*sorted((folder("deploy") / "crds").glob("*.yaml")), PACKAGE / "sandbox" / "crds" / "istio.yaml"]
    return [doc for file in files for doc in _docs(file) if doc["kind"] == "CustomResourceDefinition"]


def installation() -> list[Doc]:
    """The cluster-wide installation as `kubectl apply -k deploy/overlays/cluster-wide` would make it, without the definitions."""
    return list(_kustomized(folder("deploy") / "overlays" / "cluster-wide"))


def template_files() -> dict[str, bytes]:
    """The cluster repository's template by path."""
    root = folder("repo-template")
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _kustomized(base: Path) -> Iterator[Doc]:
    for resource in _docs(base / "kustomization.yaml")[0]["resources"]:
        path = (base / resource).resolve()
        if path.name == "crds":
            continue
        yield from _kustomized(path) if path.is_dir() else _docs(path)


def _docs(path: Path) -> list[Doc]:
    return [document.value for document in documents(decode(path.read_bytes())) if document.value]
