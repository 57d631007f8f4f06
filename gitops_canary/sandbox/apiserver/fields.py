"""Which fields the built-in kinds have, and of which type, read off the official client's models; who minds is the callers' business."""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from kubernetes.client import models

Doc = dict[str, Any]
GO_TYPES = {"str": "string", "int": "int32", "bool": "bool", "float": "float64"}
QUANTITIES = frozenset({"limits", "requests", "capacity", "allocatable", "hard", "default", "defaultRequest", "max", "min"})
"""Maps whose values are quantities: numbers are fine there and become text."""
QUANTITY = r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)"
MODELS = {
    "CustomResourceDefinition": "V1CustomResourceDefinition",
    "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
    "Event": "CoreV1Event",
}

NOT_OMITTED = frozenset({"policies"})
"""Lists for which none and an empty one are two things."""
POINTERS = frozenset({"holderIdentity", "storageClassName", "ingressClassName", "volumeName", "appProtocol"})


class Mistyped(Exception):
    """A value of a type that its field cannot hold: the sentence that Go's decoder has for it."""


def decoded(doc: Mapping[str, Any], kind: str) -> tuple[Doc, list[str]]:
    """The object with the fields its kind has, and the paths of those that it has not; Mistyped for a value of a wrong type.

    Kinds without a model keep everything. Nulls go, as Go leaves out what is empty.
    """
    model = MODELS.get(kind, f"V1{kind}")
    if not hasattr(models, model) or kind == "CustomResourceDefinition":
        return dict(doc), []
    unknown: list[str] = []
    made: Doc = _object(doc, model, kind, "", unknown)
    return made, sorted(unknown, key=lambda path: (-path.count("."), path))


@cache
def _fields(model: str) -> Mapping[str, str]:
    """Each field's JSON name and type."""
    found = getattr(models, model)
    return {found.attribute_map[name]: kind for name, kind in found.openapi_types.items()}


def _object(doc: Mapping[str, Any], model: str, kind: str, path: str, unknown: list[str]) -> Doc:
    fields, made = _fields(model), {}
    for key, value in doc.items():
        at = f"{path}.{key}" if path else key
        if key not in fields:
            if value is not None:
                unknown.append(at)
        elif value is not None:
            inner = _value(value, fields[key], kind, at, unknown)
            if not _left_out(inner, fields[key], key):
                made[key] = inner
    return made


def _left_out(value: Any, type_: str, key: str) -> bool:
    """Go's encoder leaves out empty maps, lists and texts, but for texts that may be absent as well."""
    return (value in ({}, []) and key not in NOT_OMITTED and type_.startswith(("List[", "Dict["))) or (
        value == "" and type_ == "str" and key not in POINTERS
    )


def _value(value: Any, type_: str, kind: str, path: str, unknown: list[str]) -> Any:
    if type_.startswith("List["):
        if not isinstance(value, list):
            raise _mistyped(value, kind, path, "[]")
        return [_value(item, type_[5:-1], kind, f"{path}[{number}]", unknown) for number, item in enumerate(value) if item is not None]
    if type_.startswith("Dict["):
        return _map(value, type_.partition(", ")[2][:-1], kind, path, unknown)
    if type_ in ("bytearray", "bytes"):
        return _base64(value, kind, path)
    if type_ in GO_TYPES:
        return _scalar(value, type_, kind, path)
    if type_ in ("object", "datetime", "date"):
        return value
    if not isinstance(value, Mapping):
        raise _mistyped(value, kind, path, type_)
    return _object(value, type_, kind, path, unknown)


def _map(value: Any, type_: str, kind: str, path: str, unknown: list[str]) -> Doc:
    if not isinstance(value, Mapping):
        raise _mistyped(value, kind, path, "map[string]string" if type_ == "str" else "map")
    if path.rpartition(".")[2] in QUANTITIES and type_ == "str":
        return {key: _quantity(item) for key, item in value.items()}
    return {key: "" if item is None and type_ == "str" else _value(item, type_, kind, path, unknown) for key, item in value.items()}


def _quantity(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if not re.fullmatch(QUANTITY, text):
        raise Mistyped(f"quantities must match the regular expression '^{QUANTITY}$'")
    return text


def _base64(value: Any, kind: str, path: str) -> str:
    try:
        base64.b64decode(str(_scalar(value, "str", kind, path)), validate=True)
    except binascii.Error as error:
        raise Mistyped("illegal base64 data at input byte 0") from error
    return str(value)


def _scalar(value: Any, type_: str, kind: str, path: str) -> Any:
    right = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
    }
    if not right[type_]:
        raise _mistyped(value, kind, path, GO_TYPES[type_])
    return value


def _mistyped(value: Any, kind: str, path: str, wanted: str) -> Mistyped:
    names = ((bool, "bool"), (int | float, "number"), (str, "string"), (list, "array"), (Mapping, "object"))
    found = next((name for one, name in names if isinstance(value, one)), "null")
    return Mistyped(f"json: cannot unmarshal {found} into Go struct field {kind}.{path} of type {wanted}")
