"""Replaces the text of one scalar of a YAML file and nothing else, then reads the file again to prove it; what to write is the caller's."""

import codecs
import copy
import re
from collections.abc import Sequence
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gitops_canary.domain.errors import UserError
from gitops_canary.manifests.composing import Unreadable, compose
from gitops_canary.manifests.loading import decode, documents, plain, resolve

BOM = codecs.BOM_UTF8
Path = Sequence[str | int]


def set_scalar(data: bytes, document: int, path: Path, value: str, *, place: str) -> bytes:
    """The file with the scalar at `path` (from the root of that document) replaced by the text `value`; all other bytes are as before.

    UserError (with `place`) for what has no single text to replace: a missing or empty value, a block, an alias, a mapping."""
    try:
        text = decode(data)
        node = _find(compose(text)[document], path, place)
        changed = _spliced(text, node, value, place, path)
        _prove(text, changed, document, path, value, place)
    except (Unreadable, IndexError) as error:
        raise UserError(f"cannot edit {place}: {error}") from error
    return (BOM if data.startswith(BOM) else b"") + changed.encode("utf-8")


def get_text(data: bytes, document: int, path: Path) -> str | None:
    """The scalar's value as text, None when there is none."""
    try:
        value: Any = next(found for found in documents(decode(data)) if found.number == document).value
        for step in path:
            value = value[step]
    except (Unreadable, StopIteration, KeyError, IndexError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _find(node: Node, path: Path, place: str) -> ScalarNode:
    within = node
    for step in path:
        inner = _child(within, step)
        if inner is None:
            raise UserError(f"cannot edit {place}: it has no {dotted(path)}")
        if not _inside(within, inner):
            raise UserError(f"cannot edit {place}: {dotted(path)} is an alias", hint="write the value out there")
        within = inner
    if not isinstance(within, ScalarNode):
        raise UserError(f"cannot edit {place}: {dotted(path)} is no single value")
    return within


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node, SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, MappingNode):
        return next((value for key, value in node.value if isinstance(key, ScalarNode) and key.value == step), None)
    return None


def _inside(outer: Node, inner: Node) -> bool:
    """An alias is the anchored node itself, whose text lies elsewhere."""
    return bool(outer.start_mark.index <= inner.start_mark.index and inner.end_mark.index <= outer.end_mark.index)


def _spliced(text: str, node: ScalarNode, value: str, place: str, path: Path) -> str:
    if node.style in ("|", ">"):
        raise UserError(f"cannot edit {place}: {dotted(path)} is a block of text", hint="write it on one line")
    start, end = node.start_mark.index, node.end_mark.index
    start += _prefix(text[start:end])
    if start == end:
        raise UserError(f"cannot edit {place}: {dotted(path)} is empty", hint="write a first value there")
    written = text[start:end]
    quoting = written[0] if not plain(node) else ""
    numeric = plain(node) and node.tag != "!!str" and not isinstance(resolve(value), str)
    return text[:start] + _quoted(value, quoting or ('"' if numeric or _needs_quotes(value) else "")) + text[end:]


def _prefix(written: str) -> int:
    """Length of `&anchor ` and `!tag ` before the value's own text."""
    length = 0
    while written[length : length + 1] in ("&", "!"):
        rest = written[length:]
        word = rest.split(maxsplit=1)[0]
        length += len(word)
        length += len(written[length:]) - len(written[length:].lstrip())
    return length


def _quoted(value: str, quote: str) -> str:
    if quote == "'":
        return "'" + value.replace("'", "''") + "'"
    if quote == '"':
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


_OTHERS = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+")
"""Dates and base-sixty numbers: text for Kubernetes and Helm, something else for many YAML 1.1 readers."""


def _needs_quotes(value: str) -> bool:
    """Image names, tags and digests never need them but for these."""
    return (
        not value
        or bool(_OTHERS.fullmatch(value))
        or value != value.strip()
        or value[0] in "!&*-?:|>@`\"'%#{}[],"
        or ": " in value
        or " #" in value
        or value.endswith(":")
    )


def _prove(before: str, after: str, document: int, path: Path, value: str, place: str) -> None:
    """Read both and compare: exactly this path differs."""
    old = {found.number: found.value for found in documents(before)}
    new = {found.number: found.value for found in documents(after)}
    _set(old[document], path, value)
    if old != new:
        raise UserError(f"cannot edit {place}: replacing {dotted(path)} would change more (an anchor that others use?)")


def _set(root: Any, path: Path, value: str) -> None:
    for step in path[:-1]:
        root = root[step]
    root[path[-1]] = copy.copy(value)


def dotted(path: Path) -> str:
    return ".".join(str(step) for step in path)
