"""Reads a Canary for a check: the spec, or the sentence that says why there is none, whatever shape it has."""

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_canary.domain.canary.spec import CanarySpec, canary_spec
from gitops_canary.domain.errors import UserError


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


def twice_named(doc: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Metrics and webhooks of one name: nobody could tell which of them a sentence speaks of."""
    for field in ("metrics", "webhooks"):
        seen: set[str] = set()
        for number, one in enumerate(doc["spec"]["analysis"].get(field) or ()):
            if one["name"] in seen:
                yield ("spec", "analysis", field, number, "name"), f"two {field} are called {one['name']}"
            seen.add(one["name"])
