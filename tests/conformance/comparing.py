"""Where the answers and watches of two servers differ after the same sequence; playing it is `playing.py`'s."""

import itertools
from typing import Any

from tests.conformance.client import Answer, Doc
from tests.conformance.playing import Played
from tests.conformance.sequences import Operation


def told_apart(sequence: list[Operation], ours: Played, real: Played) -> str:
    """The first difference with what led to it: the operations on that object up to there, or on the kind that is watched. Empty: none."""
    for number, (mine, theirs) in enumerate(zip(ours.answers, real.answers, strict=True)):
        if found := differences(shown(mine), shown(theirs)):
            _, plural, name, _ = sequence[number]
            led = [one for one in sequence[: number + 1] if one[1:3] == (plural, name) or one is sequence[number]]
            return _story(f"operation {number}, {theirs.code} {theirs.message}", led, found)
    for watch, told in real.told.items():
        here, there = _heard(ours.told[watch]), _heard(told)
        if found := differences(here, there):
            led = [one for one in sequence if one[1] == watch.partition(" ")[0] and one[0] not in ("get", "list")]
            kinds = f"ours {[one[0] for one in here]}, real {[one[0] for one in there]}"
            return _story(f"the watch of {watch}: {kinds}", led, found)
    return ""


def _heard(events: list[Doc]) -> list[tuple[str, Any, str]]:
    """Each with whether its version came after that of the one before: numbers differ between servers, their order must not."""
    versions = [0, *(int(one["object"]["metadata"]["resourceVersion"]) for one in events)]
    order = ["a later version" if after > before else "no later version" for before, after in itertools.pairwise(versions)]
    return [(one["type"], plain(one["object"]), which) for one, which in zip(events, order, strict=True)]


def _story(where: str, led: list[Operation], found: list[str]) -> str:
    return "\n".join([where, *(f"  {verb} {plural} {name} {body}" for verb, plural, name, body in led), "differs in", *found[:12]])


def shown(answer: Answer) -> Any:
    """What of an answer must be the same: all of an object, code and reason of a refusal."""
    if answer.code >= 400:
        return answer.code, answer.body.get("reason")
    return answer.code, plain(answer.body)


def differences(ours: Any, real: Any, path: str = "") -> list[str]:
    """Where the two differ, and how."""
    if isinstance(ours, dict) and isinstance(real, dict):
        keys = sorted({*ours, *real})
        return [line for key in keys for line in differences(ours.get(key, "(none)"), real.get(key, "(none)"), f"{path}.{key}")]
    if isinstance(ours, list | tuple) and isinstance(real, list | tuple) and len(ours) == len(real):
        return [line for number in range(len(ours)) for line in differences(ours[number], real[number], f"{path}[{number}]")]
    return [] if ours == real else [f"{path}: ours {ours!r}, real {real!r}"]


MOVING = ("uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "deletionTimestamp")


def _by_name(entries: list[Any]) -> list[Any]:
    """Servers order them by their second first, and a second may end between the two servers' writes."""
    return sorted(entries, key=lambda one: (one["operation"], one["manager"], one.get("subresource", "")))


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: plain(_by_name(inner) if key == "managedFields" else inner)
            for key, inner in value.items()
            if key not in MOVING and key != "."
        }
    return [plain(item) for item in value] if isinstance(value, list) else value
