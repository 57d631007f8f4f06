"""Reads a Canary for a check: the spec, or the sentence that says why there is none, whatever shape it has."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_canary.domain.canary.reading import canary_spec
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.validation.findings import Path

_IN_BRACKETS = re.compile(r"[^:(]*\((\w+\.\w+)\)")


def spec_or_complaint(doc: Mapping[str, Any], namespace: str) -> CanarySpec | str:
    """`namespace` is where it goes when it names none itself."""
    meta = doc.get("metadata")
    placed = {**doc, "metadata": {"name": "", "namespace": namespace, **(meta if isinstance(meta, Mapping) else {})}}
    try:
        return canary_spec(placed)
    except UserError as error:
        return str(error)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        # Its schema was not asked, or allows what the operator does not expect: still a fault of the manifest.
        return f"cannot analyse Canary {namespace}/{placed['metadata']['name']}: one of its fields has a shape it may not have ({error})"


def complained_of(sentence: str, doc: Mapping[str, Any]) -> Path:
    """The field that a complaint names: `service.port is missing`, `threshold -1 is …`, `webhook 'load' has …`, `A/B (analysis.match)`;
    the spec when none is found."""
    said = sentence.partition(": ")[2]
    named = _IN_BRACKETS.match(said)
    word = named[1] if named else said.partition(" ")[0]
    found = [_item(word, said, doc)]
    for within in (("spec",), ("spec", "analysis"), ("spec", "service")):
        path = _down(doc, (*within, *word.split(".")))
        found.append(path if len(path) > len(within) else ())
    return max(found, key=len) or ("spec",)


def _item(word: str, said: str, doc: Mapping[str, Any]) -> Path:
    analysis = doc["spec"].get("analysis") if isinstance(doc.get("spec"), Mapping) else None
    items = analysis.get(f"{word}s") if isinstance(analysis, Mapping) else None
    for number, one in enumerate(items if isinstance(items, list) else ()):
        if isinstance(one, Mapping) and said.startswith(f"{word} {one.get('name')!r}"):
            return ("spec", "analysis", f"{word}s", number)
    return ()


def _down(doc: Mapping[str, Any], path: Path) -> Path:
    """As far down the path as the object has it; a whole miss of the last step leaves what holds it."""
    value: Any = doc
    for depth, step in enumerate(path):
        if not isinstance(value, Mapping) or step not in value:
            return path[:depth]
        value = value[step]
    return path


def twice_named(doc: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Metrics and webhooks of one name: nobody could tell which of them a sentence speaks of."""
    for field in ("metrics", "webhooks"):
        seen: set[str] = set()
        for number, one in enumerate(doc["spec"]["analysis"].get(field) or ()):
            if one["name"] in seen:
                yield ("spec", "analysis", field, number, "name"), f"two {field} are called {one['name']}"
            seen.add(one["name"])
