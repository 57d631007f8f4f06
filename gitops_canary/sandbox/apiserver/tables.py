"""Objects as the rows that kubectl prints: the usual columns of built-in kinds, printer columns of custom ones."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gitops_canary.sandbox.apiserver.cells import BUILT_IN, UNDATED, Column, at, duration
from gitops_canary.sandbox.apiserver.kinds import Kind

Doc = Mapping[str, Any]


def table(kind: Kind, items: Sequence[Doc], listed: Mapping[str, Any], now: datetime, include: str = "Metadata") -> dict[str, Any]:
    """A meta.k8s.io/v1 Table; `include` decides what stands in each row's `object`."""
    columns = _columns(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": listed,
        "columnDefinitions": [
            {"name": name, "type": type_, "format": "name" if name == "Name" else "", "description": name, "priority": priority}
            for name, type_, priority, _ in columns
        ],
        "rows": [{"cells": [cell(item, now) for _, _, _, cell in columns], "object": _object(item, include)} for item in items],
    }


def _object(item: Doc, include: str) -> Any:
    if include == "None":
        return None
    if include == "Object":
        return item
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def _columns(kind: Kind) -> list[Column]:
    name = Column("Name", "string", 0, lambda doc, _: doc["metadata"]["name"])
    age = Column("Age", "string", 0, lambda doc, now: duration(doc["metadata"].get("creationTimestamp"), now))
    if kind.custom:
        extra = [_printer(column) for column in kind.columns]
        return [name, *extra] if extra else [name, age]
    columns, wide = BUILT_IN.get(kind.kind, ((), ()))
    if kind.kind == "Event":
        return [*columns, *wide, name._replace(priority=1)]
    return [name, *columns, *([] if kind.kind in UNDATED else [age]), *wide]


def _printer(column: Mapping[str, Any]) -> Column:
    path = _steps(str(column["jsonPath"]))
    type_ = str(column.get("type", "string"))

    def cell(doc: Doc, now: datetime) -> Any:
        value = at(doc, path)
        if type_ == "date":
            return duration(value, now)
        if value is None:
            return None
        if type_ in ("integer", "number", "boolean"):
            return value
        return value if isinstance(value, str) else _plain(value)

    return Column(str(column["name"]), type_, int(column.get("priority", 0)), cell)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(f'"{item}"' if isinstance(item, str) else _plain(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _steps(path: str) -> list[Any]:
    """The part of JSONPath that printer columns use: .a.b, [0], ['k'], [?(@.type=="X")]."""
    steps: list[Any] = []
    for found in re.finditer(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]", path):
        name, number, quoted, key, value = found.groups()
        steps.append((key, value) if key else int(number) if number else name or quoted)
    return steps
