"""Which tags to bump: one decision per image location, from the tree it will be committed onto (rules B1-B5); no registry, no Git."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gitops_canary.domain.automation import AutomationError, ImageKey, image_keys, policies_of, policy_for
from gitops_canary.domain.images import parse_image
from gitops_canary.domain.quarantine import Quarantined, concerning
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.tags import SAFE_TAG, Order, TagPolicy, candidates, is_newer, newest


@dataclass(frozen=True)
class Automated:
    """A key that automation may bump, with its policy."""

    key: ImageKey
    policy: TagPolicy


@dataclass(frozen=True)
class Offer:
    """What a registry has for one repository; `created` only for the tags somebody orders by date, `digests` for the chosen ones."""

    tags: tuple[str, ...]
    created: Mapping[str, datetime | None] = field(default_factory=dict, hash=False)
    digests: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Around:
    """What else counts: quarantine, the image that serves behind a key (by key id), and why a key is held (by key id)."""

    quarantine: tuple[Quarantined, ...] = ()
    serving: Mapping[str, str] = field(default_factory=dict, hash=False)
    held: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Bump:
    """One scalar to replace: `text` is its new value."""

    key: ImageKey
    tag: str
    digest: str
    text: str

    @property
    def image(self) -> str:
        """As Flux's commit subjects name it."""
        return f"{self.key.image.name}:{self.tag}"


@dataclass(frozen=True)
class Left:
    """A key that was not bumped although its newest tag differs, and why."""

    key: ImageKey
    sentence: str


def automated(resources: Sequence[Resource]) -> tuple[tuple[Automated, ...], tuple[str, ...]]:
    """The keys automation may touch, and the sentences about annotations that cannot be used."""
    found: list[Automated] = []
    problems: list[str] = []
    for resource in resources:
        try:
            policies = policies_of(resource)
            if policies.active:
                found += [Automated(key, policy_for(policies, key.container, str(resource.ref))) for key in image_keys(resource)]
        except AutomationError as error:
            problems.append(str(error))
    return tuple(found), tuple(problems)


def candidate(one: Automated, offer: Offer) -> str | None:
    """The newest allowed tag, and only that (B1): there is no walking down through older ones."""
    tag = newest(offer.tags, one.policy, offer.created)
    return tag if tag is not None and SAFE_TAG.fullmatch(tag) else None


def needs_dates(one: Automated) -> bool:
    return one.policy.order is Order.CREATED


def decide(one: Automated, offer: Offer, around: Around) -> Bump | Left | None:
    """None when the file already says the newest tag, or there is none."""
    key, tag = one.key, candidate(one, offer)
    if tag is None:
        return _undated(one, offer)
    digest = offer.digests.get(tag, "")
    barred = concerning(around.quarantine, key)
    forbidden = next((entry for entry in barred if entry.holds(tag, digest)), None)
    pinned = digest if digest and any(entry.tag == tag for entry in barred) else ""
    if key.image.tag == tag and not (pinned and key.image.digest != pinned):
        return None
    if forbidden is not None:
        why = forbidden.reason or "its canary failed"
        return Left(key, f"{key.image.name}:{tag} is not bumped in {key.resource.place}: it is quarantined ({why})")
    refusal = _refusal(one, tag, bool(pinned), offer, around, barred)
    if refusal:
        return Left(key, f"{key.image.name}:{tag} is not bumped in {key.resource.place}: {refusal}")
    return Bump(key, tag, digest, key.text_for(tag, pinned))


def _undated(one: Automated, offer: Offer) -> Left | None:
    """By date, a tag that does not say when it was built could be the newest: no guess."""
    blank = [tag for tag in candidates(offer.tags, one.policy) if offer.created.get(tag) is None] if needs_dates(one) else []
    if not blank:
        return None
    key = one.key
    why = f"{key.image.name}:{blank[0]} does not say when it was built, and filter {one.policy.text!r} goes by date"
    return Left(key, f"{key.image.name} is not bumped in {key.resource.place}: {why}")


def _refusal(one: Automated, tag: str, repushed: bool, offer: Offer, around: Around, barred: tuple[Quarantined, ...]) -> str:
    key = one.key
    if key.written is None:
        return "its tag there is no text: put it into quotes"
    if not key.image.tag and not key.image.digest:
        return "it has no tag there"  # as in Flux v1: nobody chose one yet
    if key.image.digest and not key.image.tag:
        return "it is pinned by digest there"
    olds = {"the file's tag": key.image.tag, "what serves": _tag_of(around.serving.get(key.id, ""))}
    for name, old in olds.items():
        if old and not (repushed and old == tag) and old != tag and not is_newer(tag, old, one.policy, offer.created):
            return f"it is not newer than {name} {old}"
    older = next((e.tag for e in barred if e.tag != tag and not is_newer(tag, e.tag, one.policy, offer.created)), "")
    if older:
        return f"it is not newer than the quarantined tag {older}"
    return around.held.get(key.id, "")


def _tag_of(image: str) -> str:
    return parse_image(image).tag if image else ""


def plan_bumps(resources: Sequence[Resource], offers: Mapping[str, Offer], around: Around) -> tuple[tuple[Bump, ...], tuple[Left, ...]]:
    """All bumps of one scan: they become one commit (B2). `offers` by canonical image; a repository without an offer is left alone."""
    bumps: list[Bump] = []
    left: list[Left] = []
    for one in automated(resources)[0]:
        offer = offers.get(one.key.image.canonical)
        made = decide(one, offer, around) if offer is not None else None
        if isinstance(made, Bump):
            bumps.append(made)
        elif made is not None:
            left.append(made)
    return tuple(bumps), tuple(left)
