"""What is kept of a watched object: cut before it is stored, so that a thousand large objects stay small; pure."""

from collections.abc import Callable
from typing import Any

from gitops_canary.domain.resources import Doc

Projection = Callable[[Doc], Doc]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
METADATA_ONLY = frozenset({("v1", "ConfigMap"), ("v1", "Secret"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition")})
"""Watched as PartialObjectMetadata: their data never reaches us unasked."""
FIELD_SELECTORS = {("v1", "Secret"): "type!=helm.sh/release.v1"}
"""Helm keeps each revision of each release in a Secret of up to 1 MiB; nobody here reads them through the cache."""


def trimmed(doc: Doc) -> Doc:
    """Everything but the bookkeeping: other managers' field sets and kubectl's copy of the object."""
    meta: dict[str, Any] = dict(doc.get("metadata") or {})
    meta.pop("managedFields", None)
    if LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != LAST_APPLIED}
    return {**doc, "metadata": meta}


def pod(doc: Doc) -> Doc:
    """Who owns a pod, where it runs, which images, and how it is; volumes, environment and probes are dropped."""
    spec = doc.get("spec") or {}
    containers = [{key: one[key] for key in ("name", "image", "ports") if key in one} for one in spec.get("containers") or ()]
    return {**trimmed(doc), "spec": {"containers": containers, **({"nodeName": spec["nodeName"]} if "nodeName" in spec else {})}}


PROJECTIONS: dict[tuple[str, str], Projection] = {("v1", "Pod"): pod}


def projection_of(api_version: str, kind: str) -> Projection:
    return PROJECTIONS.get((api_version, kind), trimmed)
