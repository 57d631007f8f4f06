"""Text to YAML nodes with exact character marks, from libyaml's flat stream of events; what the nodes mean is `loading.py`'s.

Composing is done here and not by a library: PyYAML recurses in C and dies of a megabyte of brackets, and it refuses an anchor that is set
twice, which Go accepts; ruamel's libyaml is so old that it refuses `[--url=http://x]`.
"""

from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_DEPTH = 64
MAX_DOCUMENTS = 10_000
STANDARD = "tag:yaml.org,2002:"


class Unreadable(Exception):
    """Text that is no YAML we accept: the sentence and its 1-based line."""

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line


def compose(text: str) -> list[Node]:
    """The root node of each document. A node's `tag` is the one that is written ("!!str", "!mine"), "" for none."""
    making = _Composer()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            making.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"it is not YAML: {error.problem or error.context}", _line_in(text, mark.line) if mark else 1) from error
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"it is not YAML: {str(error).splitlines()[0]}", 1) from error
    return making.roots


def _line_in(text: str, line: int) -> int:
    """1-based; what is missing at the end is reported at the last line."""
    return min(line + 1, max(len(text.splitlines()), 1))


@dataclass
class _Composer:
    """The nodes of the documents so far; `stack` holds the collections that are open, with their items."""

    roots: list[Node] = field(default_factory=list)
    stack: list[tuple[Node, list[Node]]] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        if isinstance(event, ScalarEvent):
            self._add(ScalarNode(_tag(event), event.value, event.start_mark, event.end_mark, event.style), event.anchor)
        elif isinstance(event, CollectionStartEvent):
            kind = MappingNode if isinstance(event, MappingStartEvent) else SequenceNode
            node = kind(_tag(event), [], event.start_mark, event.end_mark, event.flow_style)
            self._add(node, event.anchor)
            self._open(node, event)
        elif isinstance(event, CollectionEndEvent):
            self._close(event)
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self.anchors = {}
            if len(self.roots) >= MAX_DOCUMENTS:
                raise Unreadable(f"it has more than {MAX_DOCUMENTS} documents", event.start_mark.line + 1)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = node
        if self.stack:
            self.stack[-1][1].append(node)
        else:
            self.roots.append(node)

    def _open(self, node: Node, event: Event) -> None:
        self.stack.append((node, []))
        if len(self.stack) > MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels", event.start_mark.line + 1)

    def _close(self, event: Event) -> None:
        node, items = self.stack.pop()
        node.end_mark = event.end_mark
        node.value = list(zip(items[::2], items[1::2], strict=True)) if isinstance(node, MappingNode) else items

    def _alias(self, event: AliasEvent) -> None:
        if event.anchor not in self.anchors:
            raise Unreadable(f"it has the undefined alias *{event.anchor}", event.start_mark.line + 1)
        self._add(self.anchors[event.anchor], None)


def _tag(event: Event) -> str:
    written = str(event.tag or "")
    return f"!!{written.removeprefix(STANDARD)}" if written.startswith(STANDARD) else written
