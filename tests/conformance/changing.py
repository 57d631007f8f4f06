"""A sound object with one thing changed, as tables of wrong ones are written."""

import copy
import itertools
import re
from collections.abc import Mapping
from typing import Any

Doc = dict[str, Any]
Wrong = tuple[Mapping[str, Any], tuple[str, ...]]
GONE = object()
"""Instead of a value: the field is taken out."""


def changed(doc: Doc, changes: Mapping[str, Any]) -> Doc:
    """`spec.ports[0].port` and the like set to a value, or taken out."""
    made = copy.deepcopy(doc)
    for path, value in changes.items():
        steps: list[Any] = [int(number) if number else key for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]
        at: Any = made
        for step, following in itertools.pairwise(steps):
            if isinstance(step, str) and step not in at:
                at[step] = [] if isinstance(following, int) else {}
            at = at[step]
        if value is GONE:
            del at[steps[-1]]
        elif isinstance(at, list) and steps[-1] == len(at):
            at.append(value)
        else:
            at[steps[-1]] = value
    return made
