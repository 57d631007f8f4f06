"""Structural schemas of custom kinds: pruning of unknown fields, defaults, validation with the field's path."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import orjson

TYPES: Mapping[str, Any] = {"object": Mapping, "array": list, "string": str, "boolean": bool}
ALWAYS = ("apiVersion", "kind", "metadata")
Cause = tuple[str, str]


def pruned(doc: Any, schema: Mapping[str, Any], *, root: bool = True, dropped: list[str] | None = None, path: str = "") -> Any:
    """A copy without the fields that the schema does not know; their paths are added to `dropped`."""
    if schema.get("x-kubernetes-preserve-unknown-fields") and "properties" not in schema:
        return doc
    if isinstance(doc, Mapping) and (schema.get("type", "object") == "object"):
        return _pruned_map(doc, schema, root, dropped, path)
    if isinstance(doc, list) and isinstance(schema.get("items"), Mapping):
        items = schema["items"]
        return [pruned(item, items, root=False, dropped=dropped, path=f"{path}[{number}]") for number, item in enumerate(doc)]
    return doc


def _pruned_map(doc: Mapping[str, Any], schema: Mapping[str, Any], root: bool, dropped: list[str] | None, path: str) -> dict[str, Any]:
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    made = {}
    for key, value in doc.items():
        at = f"{path}.{key}" if path else key
        if root and key in ALWAYS:
            made[key] = value
        elif key in properties:
            made[key] = pruned(value, properties[key], root=False, dropped=dropped, path=at)
        elif isinstance(extra, Mapping):
            made[key] = pruned(value, extra, root=False, dropped=dropped, path=at)
        elif extra is True or schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource"):
            made[key] = value
        elif dropped is not None:
            dropped.append(at)
    return made


def defaulted(doc: Any, schema: Mapping[str, Any]) -> Any:
    """A copy with the schema's defaults filled in where the parent exists."""
    if isinstance(doc, Mapping):
        made = dict(doc)
        for key, inner in (schema.get("properties") or {}).items():
            if "default" in inner and (key not in made or (made[key] is None and not inner.get("nullable"))):
                made[key] = copy.deepcopy(inner["default"])
            if key in made:
                made[key] = defaulted(made[key], inner)
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping):
            made = {key: defaulted(value, extra) if key not in (schema.get("properties") or {}) else value for key, value in made.items()}
        return made
    if isinstance(doc, list) and isinstance(schema.get("items"), Mapping):
        return [defaulted(item, schema["items"]) for item in doc]
    return doc


def causes(doc: Any, schema: Mapping[str, Any], path: str = "") -> list[Cause]:
    """Everything that is wrong, as (field, sentence); empty when valid."""
    if doc is None:
        return (
            [] if schema.get("nullable") or not schema.get("type") else [(path, f"Invalid value: null: must be of type {schema['type']}")]
        )
    if schema.get("x-kubernetes-int-or-string"):
        right = isinstance(doc, int | str) and not isinstance(doc, bool)
        told = f'Invalid value: "{_type_of(doc)}": {path} in body must be of type integer,string: "{_type_of(doc)}"'
        return [] if right else [(path, told)]
    wrong = _type_cause(doc, schema, path)
    if wrong:
        return [wrong]
    found = [*_scalar_causes(doc, schema, path), *_combined(doc, schema, path)]
    if isinstance(doc, Mapping):
        found += _map_causes(doc, schema, path)
    if isinstance(doc, list):
        found += _list_causes(doc, schema, path)
    return found


def _type_cause(doc: Any, schema: Mapping[str, Any], path: str) -> Cause | None:
    kind = schema.get("type")
    if kind is None:
        return None
    if kind == "integer":
        right = isinstance(doc, int) and not isinstance(doc, bool)
    elif kind == "number":
        right = isinstance(doc, int | float) and not isinstance(doc, bool)
    else:
        right = isinstance(doc, TYPES[kind])
    return None if right else (path, f'Invalid value: "{_type_of(doc)}": {path} in body must be of type {kind}: "{_type_of(doc)}"')


def _scalar_causes(doc: Any, schema: Mapping[str, Any], path: str) -> list[Cause]:
    found: list[Cause] = []
    if "enum" in schema and doc not in schema["enum"]:
        found.append((path, f"Unsupported value: {_shown(doc)}: supported values: {', '.join(_shown(one) for one in schema['enum'])}"))
    if isinstance(doc, str):
        if "pattern" in schema and not re.search(schema["pattern"], doc):
            found.append((path, f"Invalid value: {_shown(doc)}: {path} in body should match '{schema['pattern']}'"))
        if len(doc) < schema.get("minLength", 0):
            found.append((path, f"Invalid value: {_shown(doc)}: {path} in body should be at least {schema['minLength']} chars long"))
        if len(doc) > schema.get("maxLength", len(doc)):
            found.append((path, f"Too long: may not be more than {schema['maxLength']} bytes"))
    elif isinstance(doc, int | float) and not isinstance(doc, bool):
        if doc < schema.get("minimum", doc):
            found.append((path, f"Invalid value: {doc}: {path} in body should be greater than or equal to {schema['minimum']}"))
        if doc > schema.get("maximum", doc):
            found.append((path, f"Invalid value: {doc}: {path} in body should be less than or equal to {schema['maximum']}"))
    return found


def _map_causes(doc: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> list[Cause]:
    found = [(_join(path, key), "Required value") for key in schema.get("required") or () if key not in doc]
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, value in doc.items():
        if not path and key in ALWAYS:
            continue
        inner = properties.get(key) or (extra if isinstance(extra, Mapping) else None)
        if inner is not None and not (value is None and inner.get("nullable")):
            found += causes(value, inner, _join(path, key))
    return found


def _list_causes(doc: list[Any], schema: Mapping[str, Any], path: str) -> list[Cause]:
    found: list[Cause] = []
    if len(doc) < schema.get("minItems", 0):
        found.append((path, f"Invalid value: {len(doc)}: {path} in body should have at least {schema['minItems']} items"))
    if len(doc) > schema.get("maxItems", len(doc)):
        found.append((path, f"Too many: {len(doc)}: must have at most {schema['maxItems']} items"))
    keys, seen = schema.get("x-kubernetes-list-map-keys") or (), []
    for number, item in enumerate(doc):
        found += causes(item, schema.get("items") or {}, f"{path}[{number}]")
        told = {key: item[key] for key in keys if key in item} if keys and isinstance(item, Mapping) else item
        if schema.get("x-kubernetes-list-type") in ("map", "set") and told in seen:
            found.append((f"{path}[{number}]", f"Duplicate value: {orjson.dumps(told).decode()}"))
        seen.append(told)
    return found


def _combined(doc: Any, schema: Mapping[str, Any], path: str) -> list[Cause]:
    found: list[Cause] = []
    for part in schema.get("allOf") or ():
        found += causes(doc, part, path)
    if schema.get("anyOf") and all(causes(doc, part, path) for part in schema["anyOf"]):
        found.append((path, f"Invalid value: {path} in body must validate at least one schema (anyOf)"))
    if schema.get("oneOf"):
        fits = sum(not causes(doc, part, path) for part in schema["oneOf"])
        if fits != 1:
            wrong = f"must validate one and only one schema (oneOf). Found {fits} valid alternatives"
            found.append((path, f"Invalid value: {path or '<root>'} in body {wrong}"))
    if schema.get("not") and not causes(doc, schema["not"], path):
        found.append((path, f"Invalid value: {path} in body must not validate the schema (not)"))
    return found


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _type_of(value: Any) -> str:
    names = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (Mapping, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")
