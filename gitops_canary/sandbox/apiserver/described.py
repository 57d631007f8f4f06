"""OpenAPI schemas of the built-in kinds, as version 3 has them, read off the official client's models; who serves them stands elsewhere."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from kubernetes.client import models

from gitops_canary.sandbox.apiserver.fields import MODELS, QUANTITIES
from gitops_canary.sandbox.apiserver.protobuf import message_name

Doc = dict[str, Any]
REF = "#/components/schemas/"
_PLAIN: Mapping[str, Doc] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "bytearray": {"type": "string", "format": "byte"},
}
"""What is not here may be anything: numbers or texts, or fields of any name."""


@cache
def described(api_version: str, kind: str) -> tuple[str, Mapping[str, Doc]] | None:
    """The name of the kind's schema, and it with all that it refers to; None for a kind that the client does not know."""
    model = MODELS.get(kind, f"V1{kind}")
    if not hasattr(models, model):
        return None
    found: dict[str, Doc] = {}
    waiting = [model]
    name = message_name(api_version, kind)
    while waiting:
        one = waiting.pop()
        at = name if one == model else _name(one)
        if at not in found:
            found[at] = _schema(one)
            waiting += _inner(one)
    return name, found


def _name(model: str) -> str:
    """Of a type that a kind is made of."""
    match = re.fullmatch(r"(?:[A-Z][a-z]+)?(V\d+(?:(?:alpha|beta)\d+)?)([A-Z]\w*)", model)
    version, kind = (match[1].lower(), match[2]) if match else ("v1", model)
    return message_name(version, kind)


def _schema(model: str) -> Doc:
    found = getattr(models, model)
    properties, needed = {}, []
    # A name that Python keeps for itself stands under another one.
    told = {(about.alias or name).strip("_"): about for name, about in found.model_fields.items()}
    for field, key in found.attribute_map.items():
        said = told[field.strip("_")]
        schema = _of_type(found.openapi_types[field], key)
        properties[key] = {**schema, "description": said.description} if said.description else schema
        if said.is_required():
            needed.append(key)
    about = (found.__doc__ or "").partition("Attributes:")[0]
    return {
        "type": "object",
        "description": " ".join(about.split()),
        "properties": properties,
        **({"required": needed} if needed else {}),
    }


def _of_type(type_: str, key: str) -> Doc:
    if type_.startswith("List["):
        return {"type": "array", "items": _of_type(type_[5:-1], "")}
    if type_.startswith("Dict["):
        return {"type": "object", "additionalProperties": {} if key in QUANTITIES else _of_type(type_.partition(", ")[2][:-1], "")}
    if type_ in _PLAIN:
        return dict(_PLAIN[type_])
    if type_ == "object":
        return {}
    return {"allOf": [{"$ref": f"{REF}{_name(type_)}"}]}


def _inner(model: str) -> Iterator[str]:
    """The models that a model's fields are of."""
    for type_ in getattr(models, model).openapi_types.values():
        for word in re.findall(r"\w+", type_):
            if word not in ("List", "Dict", "object") and word not in _PLAIN:
                yield word
