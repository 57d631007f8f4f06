"""What the witness saw and the verdict on it; pure, so that a test can show that each claim is able to fail."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SIGMAS = 4.5
"""How far the counted requests may stray from the weights by chance before the witness doubts them; one run in 150,000 does."""


@dataclass(frozen=True)
class Plateau:
    """Requests that reached primary and canary pods of one app while the canary's weight stood still."""

    weight: int
    primary: float
    canary: float


@dataclass(frozen=True)
class Commit:
    """One commit of the cluster repository: subject, trailers, and the removed and added lines outside .gitops-canary/."""

    subject: str
    trailers: Mapping[str, str] = field(hash=False)
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """The story that was told: tags in the order they were pushed, and how each should have ended."""

    canary: str
    outcomes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scene:
    """The end of the story as Git, cluster and traffic show it."""

    commits: tuple[Commit, ...]
    quarantined: tuple[str, ...]
    file_tag: str
    primary_image: str
    target_replicas: int
    phase: str
    weights: tuple[int, int]
    served_versions: tuple[str, ...]
    plateaus: tuple[Plateau, ...]
    failed_requests: float


def doubts(scene: Scene, expected: Expected) -> list[str]:
    """Every claim of the story that the scene does not bear out; an empty list means that it really happened."""
    return [*_git_doubts(scene, expected), *_cluster_doubts(scene, expected), *_traffic_doubts(scene, expected)]


def _git_doubts(scene: Scene, expected: Expected) -> list[str]:
    results = [commit for commit in scene.commits if commit.trailers.get("Canary") == expected.canary]
    told = [outcome for _, outcome in expected.outcomes]
    seen = [commit.trailers.get("Canary-Outcome", "?") for commit in results]
    found = [] if seen == told else [f"Git holds the results {seen}, the story has {told}"]
    ids = [commit.trailers.get("Canary-Run-Id", "") for commit in results]
    if len(set(ids)) != len(ids) or "" in ids:
        found.append(f"the run ids of the result commits are not unique: {ids}")
    for (tag, outcome), commit in zip(expected.outcomes, results, strict=False):
        if not re.search(rf"\b{re.escape(tag)}\b", commit.subject):
            found.append(f"the result commit {commit.subject!r} does not name {tag}")
        if outcome == "rolled-back" and not (any(tag in line for line in commit.removed) and commit.added):
            found.append(f"the commit {commit.subject!r} does not put the image back")
        if outcome == "rolled-back" and tag not in scene.quarantined:
            found.append(f"{tag} failed and is not quarantined")
    bumped = [commit.subject.rpartition(":")[2] for commit in scene.commits if commit.subject.startswith("Auto-release")]
    return found + [f"there is not exactly one bump commit for {tag}" for tag, _ in expected.outcomes if bumped.count(tag) != 1]


def _cluster_doubts(scene: Scene, expected: Expected) -> list[str]:
    final = _last_promoted(expected)
    claims = {
        f"Git says tag {scene.file_tag!r} at the end, not {final}": scene.file_tag == final,
        f"the primary runs {scene.primary_image!r} at the end, not {final}": scene.primary_image.endswith(f":{final}"),
        f"the target has {scene.target_replicas} replicas at the end, not 0": scene.target_replicas == 0,
        f"the canary's phase is {scene.phase!r} at the end": scene.phase == "Succeeded",
        f"the weights are {scene.weights} at the end": scene.weights == (100, 0),
    }
    return [sentence for sentence, holds in claims.items() if not holds]


def _traffic_doubts(scene: Scene, expected: Expected) -> list[str]:
    final = _last_promoted(expected)
    served = set(scene.served_versions)
    found = [] if served == {final} else [f"users are served {sorted(served)} at the end, not {final}"]
    if not scene.failed_requests and any(outcome == "rolled-back" for _, outcome in expected.outcomes):
        found.append("no pod of the failing tag ever answered 500: it was never tried")
    return found + _weight_doubts(scene.plateaus)


def _weight_doubts(plateaus: Sequence[Plateau]) -> list[str]:
    """Pooled over all plateaus: expected and seen canary requests, in standard deviations of a binomial draw."""
    weighed = [p for p in plateaus if 0 < p.weight < 100 and p.primary + p.canary > 0]
    total = sum(p.primary + p.canary for p in weighed)
    if total < 200:
        return [f"only {total:.0f} requests were counted while traffic was split: too few to tell"]
    expected = sum((p.primary + p.canary) * p.weight / 100 for p in weighed)
    spread = math.sqrt(sum((p.primary + p.canary) * p.weight / 100 * (1 - p.weight / 100) for p in weighed))
    seen = sum(p.canary for p in weighed)
    if abs(seen - expected) > SIGMAS * spread:
        return [f"{seen:.0f} requests reached canary pods where the weights say {expected:.0f} ± {spread:.0f}"]
    return []


def _last_promoted(expected: Expected) -> str:
    return [tag for tag, outcome in expected.outcomes if outcome == "promoted"][-1]
