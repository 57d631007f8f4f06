"""Tag policies: which tags a filter allows and which of them is newest; listing tags and reading their dates is the registry's."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cmp_to_key

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.patterns import Pattern, glob_pattern, regexp_pattern
from gitops_canary.domain.semver_ranges import Range, loose_version, parse_range

SIDE_TAGS = (".sig", ".att", ".sbom")
"""Endings of what cosign keeps beside an image: never an image to run."""


class Order(StrEnum):
    VERSION = "version"
    CREATED = "created"


@dataclass(frozen=True)
class TagPolicy:
    """A filter as it stands in an annotation; `order` says what makes a tag newer."""

    text: str
    order: Order
    within: Range | None = None
    pattern: Pattern | None = None

    def allows(self, tag: str) -> bool:
        """Flux v1 drops `latest` (any case) unless the filter is exactly that."""
        if tag.endswith(SIDE_TAGS) or (tag.lower() == "latest" and self.text.removeprefix("glob:") != "latest"):
            return False
        if self.within is not None:
            version = loose_version(tag)
            return version is not None and self.within.fits(version)
        return self.pattern is not None and self.pattern.matches(tag)


def parse_policy(text: str, place: str) -> TagPolicy:
    """`semver:<range>`, `glob:<pattern>`, `regexp:`/`regex:<pattern>` or a bare glob. UserError names `place`; Flux matched everything."""
    kind, colon, rest = text.partition(":")
    try:
        if colon and kind == "semver":
            return TagPolicy(text, Order.VERSION, within=parse_range(rest))
        if colon and kind in ("regexp", "regex"):
            return TagPolicy(text, Order.CREATED, pattern=regexp_pattern(rest))
        if colon and kind != "glob":
            raise UserError(f"its kind {kind!r} is none of semver, glob, regexp, regex")
        return TagPolicy(text, Order.CREATED, pattern=glob_pattern(rest if colon else text))
    except UserError as error:
        raise UserError(f"cannot use filter {text!r} of {place}: {error}") from error


def candidates(tags: Iterable[str], policy: TagPolicy) -> list[str]:
    """The allowed tags, each once, in no order."""
    return [tag for tag in dict.fromkeys(tags) if policy.allows(tag)]


def newest(tags: Iterable[str], policy: TagPolicy, created: Mapping[str, datetime | None] | None = None) -> str | None:
    """The newest allowed tag. By date every candidate must have one, or there is no answer: a wrong guess would go to production."""
    allowed = candidates(tags, policy)
    dates = created or {}
    if policy.order is Order.CREATED and any(dates.get(tag) is None for tag in allowed):
        return None
    # Equal dates: the lowest name, as Flux decides it; reproducible builds all carry the same date.
    ranked = sorted(allowed, reverse=policy.order is Order.VERSION, key=_version_key if policy.order is Order.VERSION else str)
    if policy.order is Order.VERSION or not ranked:
        return ranked[0] if ranked else None
    latest = max(date for date in (dates[tag] for tag in ranked) if date is not None)
    return next(tag for tag in ranked if dates[tag] == latest)


def is_newer(tag: str, than: str, policy: TagPolicy, created: Mapping[str, datetime | None] | None = None) -> bool:
    """Whether `tag` is newer than `than` by the policy's order. A tag that the policy cannot order is older than any allowed one (B1)."""
    if tag == than:
        return False
    if policy.order is Order.VERSION:
        other = loose_version(than)
        mine = loose_version(tag)
        return mine is not None and (other is None or _compare(tag, than) > 0)
    dates = created or {}
    mine_at, other_at = dates.get(tag), dates.get(than)
    if mine_at is None:
        return False
    return other_at is None or mine_at > other_at


def _compare(one: str, other: str) -> int:
    """By version; equal ones by text, the longer first: 1.10.0 before 1.10, v1 before 1."""
    left, right = loose_version(one), loose_version(other)
    assert left is not None
    assert right is not None
    by_version = int(left.compare(right))
    return by_version or (len(one) > len(other)) - (len(one) < len(other)) or (one > other) - (one < other)


_version_key = cmp_to_key(_compare)
SAFE_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What a registry may hand out; anything else is not written into a file or a commit."""
