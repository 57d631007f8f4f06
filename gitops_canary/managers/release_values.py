"""Collects a release's values from where its spec says: ConfigMaps, Secrets, files of the chart, URLs. What they mean is the chart's."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases_values import merge_values
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.ports import Chart, Cluster

SIZE_LIMIT = 2**20
DEFAULT_KEY = "values.yaml"


class Outside(Protocol):
    """What lies neither in the cluster nor in memory; both raise UserError with what is missing, and Unavailable."""

    def fetch(self, url: str) -> bytes: ...
    def chart_file(self, chart: Chart, path: str) -> bytes: ...


class ReleaseValues:
    """Reads a ConfigMap's or Secret's data once a change: the cache knows its version, not its data."""

    def __init__(self, cluster: Cluster, outside: Outside) -> None:
        self._cluster, self._outside = cluster, outside
        self._read: dict[Ref, tuple[str, Mapping[str, str]]] = {}

    def resolve(self, spec: HelmReleaseSpec, chart: Chart) -> dict[str, Any]:
        """Complete values, `spec.values` last. UserError names the release and the source."""
        try:
            return merge_values([*self._sources(spec, chart), spec.values])
        except ValueError as error:
            raise UserError(f"cannot use the values of HelmRelease {spec.key}: {error}") from error

    def _sources(self, spec: HelmReleaseSpec, chart: Chart) -> Iterator[Mapping[str, Any]]:
        for number, source in enumerate(spec.values_from):
            where = f"spec.valuesFrom[{number}] of HelmRelease {spec.key}"
            for kind, one in source.items():
                text = self._text(kind, one, spec, chart, where)
                if text is not None:
                    yield values_from_yaml(text, where)

    def _text(self, kind: str, one: Any, spec: HelmReleaseSpec, chart: Chart, where: str) -> bytes | None:
        """None = missing and optional."""
        if not isinstance(one, Mapping):
            raise UserError(f"cannot read {where}: {kind} must be a mapping")
        optional = one.get("optional") is True
        try:
            match kind:
                case "configMapKeyRef" | "secretKeyRef":
                    return self._from_cluster("ConfigMap" if kind == "configMapKeyRef" else "Secret", one, spec, where)
                case "chartFileRef":
                    return self._outside.chart_file(chart, str(one.get("path") or ""))
                case "externalSourceRef":
                    return self._outside.fetch(str(one.get("url") or ""))
        except UserError as error:
            if optional:
                return None
            raise UserError(f"cannot read {where}: {error}") from error
        raise UserError(f"cannot read {where}: {kind} is no source of values")

    def _from_cluster(self, kind: str, one: Mapping[str, Any], spec: HelmReleaseSpec, where: str) -> bytes:
        ref = Ref("v1", kind, str(one.get("namespace") or spec.namespace), str(one.get("name") or ""))
        key = str(one.get("key") or DEFAULT_KEY)
        data = self._data(ref)
        if data is None:
            raise UserError(f"there is no {ref}")
        if key not in data:
            raise UserError(f"{ref} has no key {key}", hint=f"its keys are {', '.join(sorted(data)) or 'none'}")
        return data[key].encode()

    def _data(self, ref: Ref) -> Mapping[str, str] | None:
        seen = self._cluster.get(ref)
        version = str(seen["metadata"].get("resourceVersion", "")) if seen else ""
        known = self._read.get(ref)
        if known is not None and version and known[0] == version:
            return known[1]
        live = self._cluster.live(ref)
        if live is None:
            return None
        data = _decoded(live)
        self._read[ref] = (str(live["metadata"].get("resourceVersion", "")), data)
        return data


def values_from_yaml(text: bytes, where: str) -> Mapping[str, Any]:
    """One YAML mapping, read by Helm's rules; nothing at all is an empty one."""
    if len(text) > SIZE_LIMIT:
        raise UserError(f"cannot read {where}: it is larger than {SIZE_LIMIT:,} bytes")
    try:
        found = [document.value for document in documents(decode(text)) if document.value is not None]
    except Unreadable as error:
        raise UserError(f"cannot read {where}: {error}") from error
    if not found:
        return {}
    if len(found) > 1 or not isinstance(found[0], Mapping):
        raise UserError(f"cannot read {where}: it is not one YAML mapping")
    return found[0]


def _decoded(live: Doc) -> Mapping[str, str]:
    """Text of each key; a Secret's is base64."""
    data = {str(key): str(value) for key, value in (live.get("data") or {}).items()}
    if live.get("kind") != "Secret":
        return data
    plain = {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}
    return plain | {str(key): str(value) for key, value in (live.get("stringData") or {}).items()}
