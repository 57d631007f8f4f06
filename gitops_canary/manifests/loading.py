"""YAML text to plain values with the rules Kubernetes and Helm read it by (Go's), capped in size, depth and growth; no files here."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gitops_canary.manifests.composing import MAX_DEPTH, Unreadable, compose

MAX_BYTES = 4 * 2**20
MAX_NODES = 400_000
"""Nodes after aliases are followed: a billion laughs stops here."""

_TRUE = frozenset(["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"])
_FALSE = frozenset(["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"])
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TEXTS = frozenset(["!", "!!str", "!!binary", "!!timestamp"])
_RESOLVED = frozenset(["", "!!int", "!!float", "!!bool", "!!null"])
_COLLECTIONS = frozenset(["", "!", "!!map", "!!seq"])
_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}


@dataclass(frozen=True)
class Document:
    """One document of a file: its position among them, the 1-based line it starts at, its root node and its value."""

    number: int
    line: int
    node: Node
    value: Any


def decode(data: bytes) -> str:
    """Bytes of a manifest to text without its BOM; line ends are kept. Unreadable for anything but UTF-8 and for NUL bytes."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"the file has more than {MAX_BYTES} bytes", 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("the file is not UTF-8 text", data[: error.start].count(b"\n") + 1) from error
    if "\0" in text:
        raise Unreadable("the file holds a NUL byte", text[: text.index("\0")].count("\n") + 1)
    return text


def documents(text: str) -> list[Document]:
    """All documents that are not empty. Unreadable names the first thing that is wrong and its line."""
    return [_document(number, node) for number, node in enumerate(compose(text)) if not _empty(node)]


def _document(number: int, node: Node) -> Document:
    return Document(number, node.start_mark.line + 1, node, _Values().of(node, 0))


def _empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "" and plain(node)


class _Values:
    """Builds plain values from one document's nodes and counts what it builds."""

    def __init__(self) -> None:
        self._built = 0

    def of(self, node: Node, depth: int) -> Any:
        self._built += 1
        if self._built > MAX_NODES:
            raise Unreadable(f"it grows beyond {MAX_NODES} values when its aliases are followed", node.start_mark.line + 1)
        if depth > MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels", node.start_mark.line + 1)
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if node.tag not in _COLLECTIONS:
            raise Unreadable(f"the tag {node.tag} is not allowed", node.start_mark.line + 1)
        if isinstance(node, SequenceNode):
            return [self.of(item, depth + 1) for item in node.value]
        assert isinstance(node, MappingNode)
        return self._mapping(node, depth)

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == "<<" and plain(key):
                for source in _merge_sources(value):
                    merged = {**self.of(source, depth + 1), **merged}
                continue
            name = _key(key)
            if name in own:
                raise Unreadable(f"the key {name!r} stands twice in one mapping", key.start_mark.line + 1)
            own[name] = self.of(value, depth + 1)
        return {**merged, **own}


def _merge_sources(value: Node) -> Iterator[Node]:
    sources = value.value if isinstance(value, SequenceNode) else [value]
    for source in sources:
        if not isinstance(source, MappingNode):
            raise Unreadable("'<<' merges something that is no mapping", value.start_mark.line + 1)
        yield source


def _key(node: Node) -> str:
    """Keys are words: `on:` stays "on", whatever it would mean as a value."""
    if not isinstance(node, ScalarNode):
        raise Unreadable("a key is not a plain word", node.start_mark.line + 1)
    value = _scalar(node)
    return value if isinstance(value, str) else str(node.value)


def _scalar(node: ScalarNode) -> Any:
    tag = node.tag
    if tag not in _TEXTS and tag not in _RESOLVED:
        raise Unreadable(f"the tag {tag} is not allowed", node.start_mark.line + 1)
    if tag in _TEXTS or (not tag and not plain(node)):
        return node.value
    return resolve(node.value)


def plain(node: ScalarNode) -> bool:
    """Written without quotes and not as a block."""
    return not bool(node.style)


def resolve(text: str) -> Any:
    """A plain scalar's value as sigs.k8s.io/yaml reads it: `yes` is true, `017` is 15, `1e3` is a number, dates are text."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if _INT.fullmatch(text):
        number = _integer(text)
        if number is not None:
            return number
    if _FLOAT.fullmatch(text):
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 2**53 and "." not in text else value
    return text


def _integer(text: str) -> int | None:
    digits = text.replace("_", "")
    sign, digits = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2].lower(), 8 if len(digits) > 1 and digits[0] == "0" else 10)
    try:
        return sign * int(digits, base if base != 10 else 10)
    except ValueError:
        return None
