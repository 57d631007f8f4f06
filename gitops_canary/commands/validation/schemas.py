"""Objects against the CustomResourceDefinitions that the product installs (and the mesh's); Kubernetes' own kinds are not checked."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from gitops_canary.domain.validation.findings import Level, Path
from gitops_canary.sandbox.apiserver.schemas import causes, pruned
from gitops_canary.sandbox.data import definitions

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def schema_complaints(doc: Mapping[str, Any]) -> Iterator[tuple[Path, Level, str]]:
    """Path, level and sentence: what the API server would refuse is an error, a field it would drop a warning."""
    schema = _schemas().get((str(doc.get("apiVersion")), str(doc.get("kind"))))
    if schema is None:
        return
    for field, sentence in causes(doc, schema):
        yield path_of(field), "error", f"{field}: {sentence}"
    dropped: list[str] = []
    pruned(doc, schema, dropped=dropped)
    for field in dropped:
        yield path_of(field), "warning", f"{field} is no field of a {doc['kind']}: the API server would drop it"


def path_of(field: str) -> Path:
    """`spec.metrics[0].name` as steps."""
    return tuple(int(number) if number else name for number, name in _STEP.findall(field))


@cache
def _schemas() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    return {
        (f"{crd['spec']['group']}/{version['name']}", str(crd["spec"]["names"]["kind"])): version["schema"]["openAPIV3Schema"]
        for crd in definitions()
        for version in crd["spec"]["versions"]
    }
