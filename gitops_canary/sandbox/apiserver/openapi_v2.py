"""OpenAPI v2: the built-in kinds' schemas in one document, as JSON and as the protobuf that kubectl asks for; it has no paths."""

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


@cache
def document(version: str) -> Doc:
    definitions: Doc = {}
    for kind in BUILT_IN:
        found = described(kind.api_version, kind.kind)
        if found is not None:
            definitions |= {name: _older(schema) for name, schema in found[1].items()}
            definitions[found[0]][GVK] = [mark_of(kind)]
    return {"swagger": "2.0", "info": {"title": "gitops-canary sandbox", "version": version}, "paths": {}, "definitions": definitions}


def mark_of(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


@cache
def encoded(version: str) -> bytes:
    """The same document as a `openapi.v2.Document`."""
    doc = document(version)
    info = _texts((1, doc["info"]["title"]), (2, doc["info"]["version"]))
    return _text(1, doc["swagger"]) + _part(2, info) + _part(8, b"") + _part(9, _named(doc["definitions"]))


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
    if "additionalProperties" in schema:
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
