"""How lists are merged: which are maps keyed by fields, which are sets, which are replaced whole; for built-in and custom kinds."""

from collections.abc import Mapping
from typing import Any

SET = ("",)
"""Marks a list that is a set of scalars."""
Keys = tuple[str, ...]

# Server-side apply's list types of the built-in kinds, by the list's name (and its parent's, where one name means two things).
_MAPS: Mapping[str, Keys] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "finalizers": SET,
}
_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}
"""A key field that was left out counts with its default."""


class Structure:
    """`keys(path)`: how the list at that path (of field names) is merged; None = atomic. `merge_key` is strategic merge's single key."""

    def __init__(self, schema: Mapping[str, Any] | None = None, kind: str = "") -> None:
        self._schema, self._kind = schema, kind

    def keys(self, path: tuple[str, ...]) -> Keys | None:
        if self._schema is None or path[:1] == ("metadata",):
            return self._built_in(path)
        node = _schema_at(self._schema, path)
        kind = node.get("x-kubernetes-list-type", "atomic")
        if kind == "map":
            return tuple(node.get("x-kubernetes-list-map-keys") or ())
        return SET if kind == "set" else None

    def _built_in(self, path: tuple[str, ...]) -> Keys | None:
        name = path[-1] if path else ""
        if name == "ports" and self._kind == "Service":
            return ("port", "protocol")
        if name == "ports" and len(path) > 1 and path[-2] in ("containers", "initContainers"):
            return ("containerPort", "protocol")
        if name == "conditions" and path[:1] != ("status",):
            return None
        return _MAPS.get(name)

    def atomic_map(self, path: tuple[str, ...]) -> bool:
        """Maps that are replaced whole."""
        if self._schema is not None and path[:1] != ("metadata",):
            return _schema_at(self._schema, path).get("x-kubernetes-map-type") == "atomic"
        return bool(path) and path[-1] in ("selector", "labelSelector", "nodeSelector", "scaleTargetRef", "valueFrom")

    def keeps_null(self, path: tuple[str, ...]) -> bool:
        """Custom objects have them, below their metadata."""
        return self._schema is not None and path[:1] != ("metadata",)

    def undeclared(self, path: tuple[str, ...]) -> bool:
        """A field of a custom kind that its schema does not name: an entry of a map, or kept though unknown."""
        if self._schema is None or path[:1] == ("metadata",):
            return False
        parent = _schema_at(self._schema, path[:-1])
        fields = parent.get("items", parent) if parent.get("type") == "array" else parent
        return path[-1] not in (fields.get("properties") or {})

    def merge_key(self, path: tuple[str, ...]) -> str | None:
        """Strategic merge patch: the one field that tells items apart, "" for sets of scalars, None = the list is replaced."""
        keys = self._built_in(path)
        return keys[0] if keys else None


def _schema_at(schema: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for step in path:
        properties = schema.get("properties") or {}
        inner = properties.get(step)
        if inner is None:
            extra = schema.get("additionalProperties")
            inner = extra if isinstance(extra, Mapping) else {}
        schema = inner.get("items", inner) if inner.get("type") == "array" and step != path[-1] else inner
    return schema


def item_key(item: Any, keys: Keys) -> tuple[Any, ...]:
    """What tells an item from the others of its list."""
    if keys == SET or not isinstance(item, Mapping):
        return (item,) if not isinstance(item, dict | list) else (str(item),)
    return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)
