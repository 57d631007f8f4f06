"""Reads the protobuf bodies that Go clients post (Helm's records, `kubectl create`); answers are always JSON.

Which field has which number stands in messages.json, made by make_messages.py.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.apiserver.problems import bad_request, unsupported

CONTENT = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
MAX_DEPTH = 40
Doc = dict[str, Any]
Fields = Mapping[str, list[str]]
UNSET_AT_ZERO = frozenset(
    (
        *("hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "paused", "publishNotReadyAddresses"),
        *("minReadySeconds", "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"),
        *("hostPort", "nodePort", "healthCheckNodePort", "targetPort"),
        *("generation", "observedGeneration", "count", "currentReplicas", "desiredReplicas"),
    )
)
"""Fields that Go always sends and JSON leaves out at zero; others that are sent as zero mean it (`replicas: 0`)."""


def decode(data: bytes) -> Doc:
    """The object of a `runtime.Unknown` envelope. 415 for kinds whose fields are not known here."""
    if not data.startswith(MAGIC):
        raise bad_request("the protobuf body does not start with the Kubernetes marker")
    try:
        return _decode(data[len(MAGIC) :])
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def _decode(data: bytes) -> Doc:
    api_version, kind, raw = "", "", b""
    for number, value in _fields(data):
        if number == 1:
            meta = dict(_fields(value))
            api_version, kind = meta.get(1, b"").decode(), meta.get(2, b"").decode()
        elif number == 2:
            raw = value
    name = message_name(api_version, kind)
    if name not in _messages():
        raise unsupported(f"protobuf bodies of {api_version} {kind} are not supported here: send JSON")
    return {"apiVersion": api_version, "kind": kind, **_message(name, raw, 0)}


def message_name(api_version: str, kind: str) -> str:
    """`rbac.authorization.k8s.io/v1` is the package io.k8s.api.rbac.v1."""
    if kind in ("DeleteOptions", "ObjectMeta"):
        return f"{META}.{kind}"
    group, _, version = api_version.rpartition("/")
    return f"io.k8s.api.{group.split('.')[0] or 'core'}.{version}.{kind}"


@cache
def _messages() -> Mapping[str, Fields]:
    found: Mapping[str, Fields] = json.loads(Path(__file__).with_name("messages.json").read_text())
    return found


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
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


def _message(name: str, data: bytes, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data)
    known = _messages()[name]
    made: Doc = {}
    for number, value in _fields(data):
        if str(number) in known:
            _take(made, known[str(number)], value, depth)
    return {key: value for key, value in made.items() if not _unset(key, value)}


def _take(made: Doc, field: list[str], value: Any, depth: int) -> None:
    name, type_, shape = field
    if shape == "map":
        pair = dict(_fields(value))
        made.setdefault(name, {})[pair.get(1, b"").decode()] = _value(type_, pair.get(2, b""), depth)
    elif shape == "many":
        made.setdefault(name, []).append(_value(type_, value, depth))
    elif shape == "inline":
        made.update(_value(type_, value, depth))
    else:
        made[name] = _value(type_, value, depth)


def _value(type_: str, value: Any, depth: int) -> Any:
    read = _SCALARS.get(type_)
    return read(value) if read is not None else _message(type_, value, depth + 1)


def _unset(name: str, value: Any) -> bool:
    return value is None or value == "" or (name in UNSET_AT_ZERO and not value)


def _number(value: Any) -> int:
    return int(value) - (1 << 64) if int(value) >= 1 << 63 else int(value)


def _time(data: bytes) -> str | None:
    seconds = dict(_fields(data)).get(1)
    return stamp(datetime.fromtimestamp(_number(seconds), UTC)) if seconds is not None else None


def _micro_time(data: bytes) -> str | None:
    found = dict(_fields(data))
    if 1 not in found:
        return None
    whole = datetime.fromtimestamp(_number(found[1]), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{_number(found.get(2, 0)) // 1000:06d}Z"


def _int_or_string(data: bytes) -> int | str:
    found = dict(_fields(data))
    return bytes(found.get(3, b"")).decode() if found.get(1) else _number(found.get(2, 0))


def _json(data: bytes) -> Any:
    raw = dict(_fields(data)).get(1, b"")
    return json.loads(raw) if raw else {}


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": lambda value: bytes(value).decode(),
    "bytes": lambda value: base64.b64encode(value).decode(),
    "bool": bool,
    "int32": _number,
    "int64": _number,
    "uint32": int,
    "uint64": int,
}
_SPECIAL: Mapping[str, Callable[[bytes], Any]] = {
    f"{META}.Time": _time,
    f"{META}.MicroTime": _micro_time,
    f"{META}.FieldsV1": _json,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _json,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda data: bytes(dict(_fields(data)).get(1, b"")).decode(),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.api.authentication.v1.ExtraValue": lambda data: [bytes(value).decode() for _, value in _fields(data)],
    "io.k8s.api.authorization.v1.ExtraValue": lambda data: [bytes(value).decode() for _, value in _fields(data)],
}
