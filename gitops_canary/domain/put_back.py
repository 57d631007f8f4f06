"""Whether and how a result's commit puts the image back in its file (rules G4-G7, G9); one decision on the tree it is committed onto."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitops_canary.domain.automation import ImageKey
from gitops_canary.domain.commits import image_changed, image_of, what_changed
from gitops_canary.domain.lookups import Nowhere
from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.results import Outcome, Result


@dataclass(frozen=True)
class PutBack:
    """`text` replaces the key's scalar, None = the file is left alone; `says` is a whole sentence; `differs` = Git is not what serves."""

    text: str | None = None
    says: str = ""
    differs: bool = False


@dataclass(frozen=True)
class Others:
    """What else speaks against it: canaries on the same key that still analyse the image, have promoted it or serve it from their target,
    other clusters that have. `rolled_back`: canaries on the key that failed it and left the file to whoever ends last."""

    analysing: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    serving: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()


GIVEN_UP = (Outcome.ABORTED, Outcome.INCONCLUSIVE)
"""Outcomes that judge nothing: the last of a key's canaries may end so, and what the others judged then counts (rule G6)."""


def decide_put_back(result: Result, key: ImageKey | Nowhere, *, newest: bool, others: Others) -> PutBack:
    """`newest` = no later result of this canary is pending (rule G4)."""
    finishes = result.outcome in GIVEN_UP and bool(others.rolled_back) and image_changed(result)
    if result.outcome is not Outcome.ROLLED_BACK and not finishes:
        return PutBack(differs=result.differs)
    if not image_changed(result):
        return PutBack(says=f"{what_changed(result)} cannot be put back by the operator: Git differs from what serves", differs=True)
    if not result.put_back and not finishes:
        return PutBack(differs=result.differs)
    if not newest:
        return PutBack(says="The file was left alone: a later run of this canary has ended meanwhile")
    if isinstance(key, Nowhere):
        return PutBack(says=f"The image was not put back: {key.why}", differs=True)
    against = _against(result, key, others)
    return against or _back(result, key)


def _against(result: Result, key: ImageKey, others: Others) -> PutBack | None:
    failed = image_of(result.now.image)
    place = key.resource.place
    if failed is None or key.image.tag != failed.tag or (key.image.digest and failed.digest and key.image.digest != failed.digest):
        return PutBack(says=f"The file was left alone: {place} holds {key.image} by now", differs=result.differs)
    reasons = {
        "still analysed by": others.analysing,
        "promoted by": others.promoted,
        "served by the target of": others.serving,
        "promoted in cluster": others.clusters,
    }
    for why, names in reasons.items():
        if names:
            return PutBack(says=f"The file was left alone: {key.image} is {why} {', '.join(names)}, on the same {place}", differs=True)
    return None


def _back(result: Result, key: ImageKey) -> PutBack:
    was = image_of(result.was.image)
    if was is None or was.canonical != key.image.canonical or not was.tag:
        return PutBack(says=f"The image was not put back: {result.was.image or 'nothing'} ran before, which is no other tag", differs=True)
    return PutBack(text=key.text_for(was.tag, was.digest), says=f"{key.resource.place} is back at {was}")


def quarantined(result: Result, key: ImageKey | Nowhere) -> Quarantined | None:
    """The failed tag, whatever the file holds by now (rule G8); without a digest while it is not known."""
    failed = image_of(result.now.image)
    if not result.quarantine or failed is None or not failed.tag:
        return None
    owner, container = ("", "") if isinstance(key, Nowhere) else (key.owner, key.container)
    digest = failed.digest or result.now.digest
    return Quarantined(failed.name, failed.tag, digest, owner, container, result.reason, result.ended)


def image_promoted(status: Mapping[str, object], image: str) -> bool:
    """Whether a canary's last run promoted that image, from its raw status."""
    return _ended(_run_of(status, image), Outcome.PROMOTED)


def image_analysed(status: Mapping[str, object], image: str) -> bool:
    """Whether a canary's run of that image is under way."""
    return _ended(_run_of(status, image), "")


def image_rolled_back(status: Mapping[str, object], image: str) -> bool:
    """Whether a canary's last run judged that image bad."""
    return _ended(_run_of(status, image), Outcome.ROLLED_BACK)


def image_serving(status: Mapping[str, object], image: str) -> bool:
    """Whether a canary's target serves that image since its promotion failed (rule R11)."""
    return bool((_run_of(status, image) or {}).get("serves"))


def _ended(run: Mapping[str, object] | None, outcome: str) -> bool:
    return run is not None and str(run.get("outcome") or "") == outcome


def _run_of(status: Mapping[str, object], image: str) -> Mapping[str, object] | None:
    """The last run, if it was of that image."""
    run = status.get("run")
    now = run.get("now") if isinstance(run, Mapping) else None
    fits = isinstance(now, Mapping) and same_image(str(now.get("image") or ""), image)
    return run if fits and isinstance(run, Mapping) else None


def same_image(one: str, other: str) -> bool:
    """The same tag of the same repository, however they are spelt."""
    left, right = image_of(one), image_of(other)
    return left is not None and right is not None and (left.canonical, left.tag) == (right.canonical, right.tag)


def held_by(ledgers: Iterable[tuple[str, str, str]], image: str) -> tuple[str, ...]:
    """Clusters whose newest result promoted that image, out of (cluster, outcome, image)."""
    return tuple(cluster for cluster, outcome, promoted in ledgers if outcome == Outcome.PROMOTED and same_image(promoted, image))
