"""Reads the protobuf bodies that Go clients post for a few kinds (Helm's records are Secrets); answers are always JSON."""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gitops_canary.sandbox.apiserver.problems import bad_request, unsupported

CONTENT = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
Doc = dict[str, Any]
Field = tuple[str, Callable[[Any], Any], str]
"""Name, reader, and "one" | "many" | "map"."""


def decode(data: bytes) -> Doc:
    """The object of a `runtime.Unknown` envelope. 415 for kinds whose fields are not known here."""
    if not data.startswith(MAGIC):
        raise bad_request("the protobuf body does not start with the Kubernetes marker")
    try:
        return _decode(data[len(MAGIC) :])
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def _decode(data: bytes) -> Doc:
    api_version, kind, raw = "", "", b""
    for number, value in _fields(data):
        if number == 1:
            meta = dict(_fields(value))
            api_version, kind = meta.get(1, b"").decode(), meta.get(2, b"").decode()
        elif number == 2:
            raw = value
    message = _MESSAGES.get(kind)
    if message is None:
        known = ", ".join(sorted(_MESSAGES))
        raise unsupported(f"protobuf bodies of {api_version} {kind} are not supported here, only of {known}: send JSON")
    return {"apiVersion": api_version, "kind": kind, **_message(message, raw)}


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("it ends in the middle of a field")
            yield number, data[at : at + length]
            at += length
        else:
            raise ValueError(f"wire type {wire} is not used by Kubernetes")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _message(fields: Mapping[int, Field], data: bytes) -> Doc:
    made: Doc = {}
    for number, value in _fields(data):
        if number not in fields:
            continue
        name, read, shape = fields[number]
        if shape == "map":
            pair = dict(_fields(value))
            made.setdefault(name, {})[pair.get(1, b"").decode()] = read(pair.get(2, b""))
        elif shape == "many":
            made.setdefault(name, []).append(read(value))
        else:
            made[name] = read(value)
    return {key: value for key, value in made.items() if value not in ("", None)}


def _text(value: Any) -> str:
    return bytes(value).decode()


def _number(value: Any) -> int:
    return int(value) - (1 << 64) if int(value) >= 1 << 63 else int(value)


def _flag(value: Any) -> bool:
    return bool(value)


def _bytes(value: Any) -> str:
    return base64.b64encode(value).decode()


def _time(value: Any) -> str | None:
    seconds = dict(_fields(value)).get(1)
    return datetime.fromtimestamp(_number(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds is not None else None


def _nested(fields: Mapping[int, Field]) -> Callable[[Any], Doc]:
    return lambda value: _message(fields, value)


_OWNER: Mapping[int, Field] = {
    1: ("kind", _text, "one"),
    3: ("name", _text, "one"),
    4: ("uid", _text, "one"),
    5: ("apiVersion", _text, "one"),
    6: ("controller", _flag, "one"),
    7: ("blockOwnerDeletion", _flag, "one"),
}
_META: Mapping[int, Field] = {
    1: ("name", _text, "one"),
    2: ("generateName", _text, "one"),
    3: ("namespace", _text, "one"),
    5: ("uid", _text, "one"),
    6: ("resourceVersion", _text, "one"),
    11: ("labels", _text, "map"),
    12: ("annotations", _text, "map"),
    13: ("ownerReferences", _nested(_OWNER), "many"),
    14: ("finalizers", _text, "many"),
}
_RESOURCE: Mapping[int, Field] = {
    1: ("namespace", _text, "one"),
    2: ("verb", _text, "one"),
    3: ("group", _text, "one"),
    4: ("version", _text, "one"),
    5: ("resource", _text, "one"),
    6: ("subresource", _text, "one"),
    7: ("name", _text, "one"),
}
_ACCESS_SPEC: Mapping[int, Field] = {
    1: ("resourceAttributes", _nested(_RESOURCE), "one"),
    2: ("nonResourceAttributes", _nested({1: ("path", _text, "one"), 2: ("verb", _text, "one")}), "one"),
}
_METADATA: Field = ("metadata", _nested(_META), "one")
_MESSAGES: Mapping[str, Mapping[int, Field]] = {
    "Secret": {
        1: _METADATA,
        2: ("data", _bytes, "map"),
        3: ("type", _text, "one"),
        4: ("stringData", _text, "map"),
        5: ("immutable", _flag, "one"),
    },
    "ConfigMap": {1: _METADATA, 2: ("data", _text, "map"), 3: ("binaryData", _bytes, "map"), 4: ("immutable", _flag, "one")},
    "Namespace": {1: _METADATA},
    "ServiceAccount": {1: _METADATA},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", _number, "one"),
        2: ("preconditions", _nested({1: ("uid", _text, "one"), 2: ("resourceVersion", _text, "one")}), "one"),
        3: ("orphanDependents", _flag, "one"),
        4: ("propagationPolicy", _text, "one"),
        5: ("dryRun", _text, "many"),
    },
    "SelfSubjectAccessReview": {1: _METADATA, 2: ("spec", _nested(_ACCESS_SPEC), "one")},
    "SelfSubjectRulesReview": {1: _METADATA, 2: ("spec", _nested({1: ("namespace", _text, "one")}), "one")},
    "Scale": {1: _METADATA, 2: ("spec", _nested({1: ("replicas", _number, "one")}), "one")},
}
