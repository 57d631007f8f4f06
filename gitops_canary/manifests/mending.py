"""The line of a finding, and the edits that mend it: one scalar, or the indentation of some lines; never a file written anew."""

import copy
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.validation.findings import Finding, Mend, MoveOut, Path, Quote
from gitops_canary.manifests.composing import Unreadable, compose
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.manifests.splice import BOM, dotted, set_scalar


def located(findings: Iterable[Finding], data: bytes) -> list[Finding]:
    """The findings of one file with the line of the very field, and with the lines as they would stand after the mend. A mend that the
    text does not allow is taken off."""
    try:
        roots = compose(decode(data))
    except Unreadable:
        return list(findings)
    return [_with_mended(_with_line(finding, roots), data) for finding in findings]


def _with_line(finding: Finding, roots: list[Node]) -> Finding:
    if not finding.path or finding.document >= len(roots):
        return finding
    return replace(finding, line=_line(roots[finding.document], finding.path))


def _line(node: Node, path: Path) -> int:
    """1-based; of the deepest part of the path that is there (a missing field is reported at its parent)."""
    line = node.start_mark.line + 1
    for step in path:
        found = _entry(node, step)
        if found is None:
            break
        key, node = found
        line = key.start_mark.line + 1
    return int(line)


def _entry(node: Node, step: str | int) -> tuple[Node, Node] | None:
    """The node that marks the place (a mapping's key, a list's item) and the value."""
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if isinstance(key, ScalarNode) and key.value == str(step)), None)
    return None


def _with_mended(finding: Finding, data: bytes) -> Finding:
    if finding.mend is None:
        return finding
    try:
        after = mend(data, finding.document, finding.mend, place=f"{finding.file}:{finding.line}")
    except UserError:
        return replace(finding, mend=None)
    return replace(finding, mended=changed_lines(data, after))


def changed_lines(before: bytes, after: bytes) -> str:
    """The lines of `after` that differ; a mend neither adds nor removes one."""
    pairs = zip(decode(before).split("\n"), decode(after).split("\n"), strict=True)
    return "\n".join(new.rstrip("\r") for old, new in pairs if old != new)


def mend(data: bytes, document: int, edit: Mend, *, place: str) -> bytes:
    """The file with the edit done and every other byte as before. UserError when the text does not allow it."""
    if isinstance(edit, MoveOut):
        return _moved(data, document, edit, place)
    text = _written(data, document, edit.path, place) if isinstance(edit, Quote) else edit.text
    return set_scalar(data, document, edit.path, text, place=place)


def mend_all(data: bytes, findings: Iterable[Finding]) -> tuple[bytes, list[Finding]]:
    """All mends of one file, and the findings that they belong to. Scalars first: moving lines changes the paths below them."""
    wanted = sorted((one for one in findings if one.mend is not None), key=lambda one: isinstance(one.mend, MoveOut))
    done: list[Finding] = []
    for finding in wanted:
        assert finding.mend is not None
        try:
            data = mend(data, finding.document, finding.mend, place=f"{finding.file}:{finding.line}")
        except UserError:
            continue  # it stays a finding
        done.append(finding)
    return data, done


def _written(data: bytes, document: int, path: Path, place: str) -> str:
    node: Node = compose(decode(data))[document]
    for step in path:
        found = _entry(node, step)
        if found is None:
            raise UserError(f"cannot edit {place}: it has no {dotted(path)}")
        node = found[1]
    if not isinstance(node, ScalarNode):
        raise UserError(f"cannot edit {place}: {dotted(path)} is no single value")
    return str(node.value)


def _moved(data: bytes, document: int, edit: MoveOut, place: str) -> bytes:
    text = decode(data)
    try:
        lines = text.split("\n")
        for key, by in _keys(compose(text)[document], edit, place):
            _outdent(lines, key.start_mark.line, key.start_mark.column, by)
        after = "\n".join(lines)
        _prove(text, after, document, edit, place)
    except (Unreadable, IndexError, KeyError, TypeError) as error:
        raise UserError(f"cannot edit {place}: moving {' and '.join(edit.keys)} would not leave what is meant: {error}") from error
    return (BOM if data.startswith(BOM) else b"") + after.encode("utf-8")


def _keys(root: Node, edit: MoveOut, place: str) -> list[tuple[Node, int]]:
    """The key nodes to move, and by how many columns."""
    outer: Node = root
    found: tuple[Node, Node] | None = None
    for step in edit.path:
        found = _entry(outer, step)
        if found is None:
            raise UserError(f"cannot edit {place}: it has no {dotted(edit.path)}")
        outer = found[1]
    if found is None or not isinstance(outer, MappingNode) or outer.flow_style or outer.start_mark.index < found[0].end_mark.index:
        raise UserError(f"cannot edit {place}: {dotted(edit.path)} is no block of lines")
    to = found[0].start_mark.column
    return [(key, key.start_mark.column - to) for key, _ in outer.value if key.value in edit.keys]


def _outdent(lines: list[str], first: int, column: int, by: int) -> None:
    """The key's line and those below it that are indented deeper, or are items of its list."""
    for number in range(first, len(lines)):
        line = lines[number]
        indent = len(line) - len(line.lstrip(" "))
        inside = number == first or not line.strip() or indent > column or (indent == column and re.match(r" *- ", line))
        if not inside:
            break
        lines[number] = line[min(by, indent) :]


def _prove(before: str, after: str, document: int, edit: MoveOut, place: str) -> None:
    """Read both and compare: the keys stand one level higher and nothing else has changed."""
    old = {found.number: copy.deepcopy(found.value) for found in documents(before)}
    new = {found.number: found.value for found in documents(after)}
    parent: Any = old[document]
    for step in edit.path[:-1]:
        parent = parent[step]
    for key in edit.keys:
        if key in parent:
            raise UserError(f"cannot edit {place}: {key} stands there already")
        parent[key] = parent[edit.path[-1]].pop(key)
    if old != new:
        raise UserError(f"cannot edit {place}: moving {' and '.join(edit.keys)} would change more")
