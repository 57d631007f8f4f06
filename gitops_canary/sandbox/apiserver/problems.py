"""Refusals as Kubernetes Status objects; who refuses what is the callers'."""

from collections.abc import Sequence
from typing import Any

Doc = dict[str, Any]


class Problem(Exception):
    """An answer of 400 or more: HTTP code, reason and the sentence, as a Status."""

    def __init__(self, code: int, reason: str, message: str, details: Doc | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}

    def status(self) -> Doc:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            "details": {key: value for key, value in self.details.items() if value not in ("", [])},
            "code": self.code,
        }


def bad_request(message: str) -> Problem:
    return Problem(400, "BadRequest", message)


def undecodable(kind: str, version: str, why: str) -> Problem:
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def not_found(group: str, plural: str, name: str) -> Problem:
    resource = f"{plural}.{group}" if group else plural
    return Problem(404, "NotFound", f'{resource} "{name}" not found', {"name": name, "group": group, "kind": plural})


def no_such_path(path: str) -> Problem:
    return Problem(404, "NotFound", f"the server could not find the requested resource: {path}")


def exists(group: str, plural: str, name: str) -> Problem:
    resource = f"{plural}.{group}" if group else plural
    return Problem(409, "AlreadyExists", f'{resource} "{name}" already exists', {"name": name, "group": group, "kind": plural})


def conflict(group: str, plural: str, name: str, why: str) -> Problem:
    resource = f"{plural}.{group}" if group else plural
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Problem(409, "Conflict", message, {"name": name, "group": group, "kind": plural})


def stale(group: str, plural: str, name: str) -> Problem:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(group, plural, name, why)


def invalid(group: str, kind: str, name: str, causes: Sequence[tuple[str, str]]) -> Problem:
    """`causes` are (field, sentence) pairs."""
    shown = "; ".join(f"{field}: {why}" for field, why in causes) if causes else "invalid"
    wrapped = f"[{shown.replace('; ', ', ')}]" if len(causes) > 1 else shown
    details = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": _reason(why), "message": why, "field": field} for field, why in causes],
    }
    return Problem(422, "Invalid", f'{kind}{"." + group if group else ""} "{name}" is invalid: {wrapped}', details)


_REASONS = {
    "Unsupported value": "FieldValueNotSupported",
    "Required value": "FieldValueRequired",
    "Duplicate value": "FieldValueDuplicate",
    "Forbidden": "FieldValueForbidden",
    "Not found": "FieldValueNotFound",
    "Too long": "FieldValueTooLong",
    "Too many": "FieldValueTooMany",
}


def _reason(why: str) -> str:
    return "FieldValueTypeInvalid" if " in body must be of type " in why else _REASONS.get(why.partition(":")[0], "FieldValueInvalid")


def untyped(name: str, api_version: str, kind: str, why: str) -> Problem:
    """What server-side apply says of a field that the kind has not; a real server answers 500."""
    return Problem(500, "", f"failed to create typed patch object ({name}; {api_version}, Kind={kind}): {why}")


def forbidden(user: str, verb: str, resource: str, group: str, namespace: str, name: str = "") -> Problem:
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    which = (f"{resource}.{group}" if group else resource) + (f' "{name}"' if name else "")
    message = f'{which} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}"{where}'
    return Problem(403, "Forbidden", message, {"name": name, "group": group, "kind": resource})


def gone(message: str) -> Problem:
    return Problem(410, "Expired", message)


def unsupported(message: str) -> Problem:
    return Problem(415, "UnsupportedMediaType", message)


def method_not_allowed(method: str, path: str) -> Problem:
    return Problem(405, "MethodNotAllowed", f"{method} is not supported on {path}")


def too_large(asked: int, now: int) -> Problem:
    """A version that is still to come."""
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1}
    return Problem(504, "Timeout", f"Timeout: Too large resource version: {asked}, current: {now}", details)
