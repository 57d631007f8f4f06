"""A pod's volumes, their mounts, and variables that come from elsewhere."""

import re
from collections.abc import Iterator
from typing import Any

from gitops_canary.sandbox.apiserver.rules.words import Cause, Doc, duplicate, forbidden, invalid, label, required, subdomain

KINDS = ("emptyDir", "hostPath", "secret", "nfs", "persistentVolumeClaim", "downwardAPI", "configMap", "projected", "csi", "ephemeral")
SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
FIELDS = frozenset({
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs",
    "status.podIP", "status.podIPs",
})  # fmt: skip
OUTSIDE = "must not contain '..'"


def volumes(spec: Doc, at: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for number, volume in enumerate(spec.get("volumes") or ()):
        where, name = f"{at}.volumes[{number}]", str(volume.get("name") or "")
        yield from label(f"{where}.name", name)
        if name and name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name)
        kinds = [kind for kind in KINDS if volume.get(kind) is not None]
        for kind in kinds[1:]:
            yield forbidden(f"{where}.{kind}", "may not specify more than 1 volume type")
        for kind in kinds[:1]:
            yield from _source(kind, volume[kind], f"{where}.{kind}")


def _source(kind: str, source: Doc, at: str) -> Iterator[Cause]:
    if kind == "secret" and not source.get("secretName"):
        yield required(f"{at}.secretName")
    elif kind == "configMap" and not source.get("name"):
        yield required(f"{at}.name")
    elif kind == "persistentVolumeClaim" and not source.get("claimName"):
        yield required(f"{at}.claimName")
    elif kind == "hostPath" and not source.get("path"):
        yield required(f"{at}.path")
    yield from _items(source, at)
    for number, inner in enumerate(source.get("sources") or ()) if kind == "projected" else ():
        for name in ("secret", "configMap"):
            if isinstance(inner.get(name), dict):
                where = f"{at}.sources[{number}].{name}"
                if not inner[name].get("name"):
                    yield required(f"{where}.name")
                yield from _items(inner[name], where)


def _items(source: Doc, at: str) -> Iterator[Cause]:
    for number, item in enumerate(source.get("items") or ()):
        where = f"{at}.items[{number}]"
        if "key" not in item and "fieldRef" not in item and "resourceFieldRef" not in item:
            yield required(f"{where}.key")
        if not item.get("path"):
            yield required(f"{where}.path")
        elif ".." in item["path"].split("/"):
            yield invalid(f"{where}.path", item["path"], OUTSIDE)


def mounts(container: Doc, at: str, spec: Doc) -> Iterator[Cause]:
    names = {volume.get("name") for volume in spec.get("volumes") or ()}
    paths: set[str] = set()
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        where, path = f"{at}.volumeMounts[{number}]", mount.get("mountPath")
        if not mount.get("name"):
            yield required(f"{where}.name")
        elif mount["name"] not in names:
            yield f"{where}.name", f'Not found: "{mount["name"]}"'
        if not path:
            yield required(f"{where}.mountPath")
        elif path in paths:
            yield invalid(f"{where}.mountPath", path, "must be unique")
        paths.add(str(path))
        for name in ("subPath", "subPathExpr"):
            # A real server names the list here, not the item.
            if ".." in str(mount.get(name) or "").split("/"):
                yield invalid(f"{at}.volumeMounts.{name}", mount[name], OUTSIDE)


def variables(container: Doc, at: str) -> Iterator[Cause]:
    for number, one in enumerate(container.get("env") or ()):
        where, name = f"{at}.env[{number}]", str(one.get("name") or "")
        if not name:
            yield required(f"{where}.name")
        elif not re.fullmatch(r"[ -<>-~]+", name):
            why = "a valid environment variable name must consist only of printable ASCII characters other than '='"
            yield invalid(f"{where}.name", name, why)
        if one.get("valueFrom") is not None:
            yield from _value_from(one, f"{where}.valueFrom")
    for source in container.get("envFrom") or ():
        yield from _everything_from(source, f"{at}.envFrom")


def _value_from(one: Doc, at: str) -> Iterator[Cause]:
    source = one["valueFrom"]
    found = [name for name in SOURCES if source.get(name) is not None]
    if not found:
        yield invalid(at, "", f"must specify one of: `{'`, `'.join(SOURCES[:-1])}` or `{SOURCES[-1]}`")
    elif one.get("value"):
        yield invalid(at, "", "may not be specified when `value` is not empty")
    elif len(found) > 1:
        yield invalid(at, "", "may not have more than one field specified at a time")
    for name in found:
        yield from _reference(name, source[name], f"{at}.{name}")


def _reference(kind: str, ref: Doc, at: str) -> Iterator[Cause]:
    if kind == "fieldRef":
        path = str(ref.get("fieldPath") or "")
        if not path:
            yield required(f"{at}.fieldPath")
        elif path not in FIELDS and not re.fullmatch(r"metadata\.(labels|annotations)\['[^']+'\]", path):
            yield invalid(f"{at}.fieldPath", path, f"error converting fieldPath: field label not supported: {path}")
    elif kind in ("configMapKeyRef", "secretKeyRef"):
        yield from _named(ref, at)
        if not ref.get("key"):
            yield required(f"{at}.key")


def _named(ref: Doc, at: str) -> Iterator[Cause]:
    yield from subdomain(f"{at}.name", str(ref.get("name") or ""))


def _everything_from(source: Any, at: str) -> Iterator[Cause]:
    found = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
    if not found:
        yield invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(found) > 1:
        yield invalid(at, "", "may not have more than one field specified at a time")
    for name in found:
        yield from _named(source[name], f"{at}.{name}")
