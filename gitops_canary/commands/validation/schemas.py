"""Objects against the CustomResourceDefinitions that the product installs (and the mesh's); Kubernetes' own kinds are not checked."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator

from gitops_canary.domain.validation.findings import Level, Path
from gitops_canary.sandbox.data import definitions

ALWAYS = ("apiVersion", "kind", "metadata")
SHOWN = 200
"""Letters of a complaint that are kept: it quotes the value."""


def schema_complaints(doc: Mapping[str, Any]) -> Iterator[tuple[Path, Level, str]]:
    """Path, level and sentence: what the API server would refuse is an error, a field it would drop a warning."""
    known = _schemas().get((str(doc.get("apiVersion")), str(doc.get("kind"))))
    if known is None:
        return
    schema, validator = known
    body = {key: value for key, value in doc.items() if key not in ALWAYS}
    for error in sorted(validator.iter_errors(body), key=lambda one: [str(step) for step in one.absolute_path]):
        path = tuple(error.absolute_path)
        text = f"{_told(error.instance)} is not of type {_types(error)}" if error.validator == "type" else error.message
        text = text if len(text) <= SHOWN else text[:SHOWN] + "…"
        yield path, "error", f"{dotted(path) or 'a body'}: {text}"
    for path in _dropped(body, schema, ()):
        yield path, "warning", f"{dotted(path)} is no field of a {doc['kind']}: the API server would drop it"


def _told(value: Any) -> str:
    """As the manifest has it: null and true, not Python's words."""
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


def _types(error: ValidationError) -> str:
    wanted = error.validator_value
    return " or ".join(wanted) if isinstance(wanted, list) else str(wanted)


def dotted(path: Path) -> str:
    """`spec.metrics[0].name`, as the API server writes it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _dropped(value: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Path]:
    """Fields that a structural schema does not know; below a free-form one everything is kept."""
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for number, item in enumerate(value):
            yield from _dropped(item, schema["items"], (*path, number))
    if not isinstance(value, Mapping) or schema.get("type") != "object":
        return
    fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
    free = bool(others) or bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    for key, one in value.items():
        inner = fields.get(key) or (others if isinstance(others, Mapping) else None)
        if inner is not None:
            yield from _dropped(one, inner, (*path, str(key)))
        elif not free:
            yield (*path, str(key))


@cache
def _schemas() -> Mapping[tuple[str, str], tuple[Mapping[str, Any], Validator]]:
    """By apiVersion and kind: the schema as the definition has it, and what checks by it."""
    found = {}
    for crd in definitions():
        for version in crd["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            key = (f"{crd['spec']['group']}/{version['name']}", str(crd["spec"]["names"]["kind"]))
            found[key] = (schema, Draft202012Validator(_json_schema(schema)))
    return found


def _json_schema(schema: Any) -> Any:
    """Kubernetes' dialect in JSON schema's words."""
    if isinstance(schema, list):
        return [_json_schema(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: _json_schema(one) for key, one in schema.items() if not key.startswith("x-kubernetes-") and key != "default"}
    if "properties" in schema:  # names of fields, whatever they are
        made["properties"] = {name: _json_schema(one) for name, one in schema["properties"].items()}
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
