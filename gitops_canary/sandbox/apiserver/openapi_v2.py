"""OpenAPI v2: the schemas of all kinds in one document, as JSON and as the protobuf that kubectl asks for; it has no paths."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson

from gitops_canary.sandbox.apiserver.described import REF, described
from gitops_canary.sandbox.apiserver.kinds import BUILT_IN, Kind

Doc = dict[str, Any]
ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
ANSWERED = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The same in letters that a content type may have."""
GVK = "x-kubernetes-group-version-kind"
METADATA = "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
NEWER = ("default", "nullable", "oneOf", "anyOf", "allOf", "not", "x-kubernetes-validations")


def document(version: str, kinds: Iterable[Kind]) -> Doc:
    """Of `kinds` the custom ones are taken: the built-in ones are always the same."""
    info = {"title": "gitops-canary sandbox", "version": version}
    return {"swagger": "2.0", "info": info, "paths": {}, "definitions": {**_built_in(), **_custom(kinds)}}


@cache
def _built_in() -> Doc:
    definitions: Doc = {}
    for kind in BUILT_IN:
        found = described(kind.api_version, kind.kind)
        if found is not None:
            definitions |= {name: _older(schema) for name, schema in found[1].items()}
            definitions[found[0]][GVK] = [mark_of(kind)]
    return definitions


def _custom(kinds: Iterable[Kind]) -> Doc:
    return {name_of(kind): {**_plain(whole(kind)), GVK: [mark_of(kind)]} for kind in kinds if kind.custom}


def name_of(kind: Kind) -> str:
    """`dev.example.v1.Widget` of a custom kind, as a real server calls it."""
    return f"{'.'.join(reversed(kind.group.split('.')))}.{kind.version}.{kind.kind}"


def whole(kind: Kind) -> Doc:
    """A custom kind's schema with what every object has."""
    text, schema = {"type": "string"}, dict(kind.schema or {})
    own = {"apiVersion": text, "kind": text, "metadata": {"$ref": METADATA}}
    return {**schema, "type": "object", "properties": {**(schema.get("properties") or {}), **own}}


def _plain(schema: Mapping[str, Any]) -> Doc:
    """What version 2 can say of a structural schema: no defaults and choices, and nothing of what may be null or of any shape."""
    for any_shape in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"):
        if schema.get(any_shape):
            return {any_shape: True}
    if schema.get("nullable"):
        return {}
    made = {key: value for key, value in schema.items() if key not in NEWER}
    if "properties" in made:
        made["properties"] = {name: _plain(inner) for name, inner in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = _plain(made[key])
    return made


def mark_of(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def encoded(version: str, kinds: Iterable[Kind]) -> bytes:
    """The same document as a `openapi.v2.Document`."""
    info = _texts((1, "gitops-canary sandbox"), (2, version))
    return _text(1, "2.0") + _part(2, info) + _part(8, b"") + _part(9, _encoded_built_in() + _named(_custom(kinds)))


@cache
def _encoded_built_in() -> bytes:
    return _named(_built_in())


def _older(schema: Any) -> Any:
    """A version 3 schema in version 2's words."""
    if isinstance(schema, list):
        return [_older(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(schema.get("allOf"), list):  # a type may have a field of that name
        return {"$ref": schema["allOf"][0]["$ref"].replace(REF, "#/definitions/"), **{k: v for k, v in schema.items() if k != "allOf"}}
    return {key: _older(value) for key, value in schema.items()}


# ------------------------------------------------------------ protobuf: field numbers are those of openapiv2.proto


def _named(schemas: Mapping[str, Doc]) -> bytes:
    return b"".join(_part(1, _text(1, name) + _part(2, _schema(schema))) for name, schema in schemas.items())


def _schema(schema: Doc) -> bytes:
    made = _texts((1, schema.get("$ref", "")), (2, schema.get("format", "")), (4, schema.get("description", "")))
    made += _texts(*((19, name) for name in schema.get("required") or ()))
    if isinstance(schema.get("additionalProperties"), Mapping):
        made += _part(21, _part(1, _schema(schema["additionalProperties"])))
    if "type" in schema:
        made += _part(22, _text(1, schema["type"]))
    if "items" in schema:
        made += _part(23, _part(1, _schema(schema["items"])))
    if "properties" in schema:
        made += _part(25, _named(schema["properties"]))
    if GVK in schema:
        made += _part(31, _text(1, GVK) + _part(2, _text(2, orjson.dumps(schema[GVK]).decode())))
    return made


def _texts(*fields: tuple[int, str]) -> bytes:
    return b"".join(_text(number, text) for number, text in fields if text)


def _text(number: int, text: str) -> bytes:
    return _part(number, text.encode())


def _part(number: int, content: bytes) -> bytes:
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(content))) + content


def _varint(value: int) -> Iterable[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
