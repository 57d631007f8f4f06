"""Subjects, bodies and trailers of the operator's commits (rule G10), and reading them back; committing is the repository's."""

import re
from collections.abc import Iterable, Sequence

from gitops_canary.domain.bumps import Bump
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef, parse_image
from gitops_canary.domain.results import Outcome, Result

VERBS = {
    Outcome.PROMOTED: "Promote",
    Outcome.ROLLED_BACK: "Roll back",
    Outcome.SUPERSEDED: "Supersede",
    Outcome.ABORTED: "Abort",
    Outcome.INCONCLUSIVE: "Hold",
}
LONGEST = 200
_TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")


def bump_message(bumps: Sequence[Bump], marker: str = "") -> str:
    """Flux v1's subjects; the digest that each tag had when it was chosen stands in an `Image` trailer (rule B5)."""
    images = sorted({bump.image for bump in bumps})
    subject = f"Auto-release {images[0]}" if len(images) == 1 else f"Auto-release multiple ({len(images)}) images"
    body = [] if len(images) == 1 else [f" - {image}" for image in images]
    digests = {bump.image: f"@{bump.digest}" if bump.digest else "" for bump in bumps}
    return _message(subject, body, [("Image", f"{image}{digests[image]}") for image in images], marker)


def result_message(result: Result, notes: Sequence[str], *, bump: str = "", marker: str = "") -> str:
    """The commit that records a run: `notes` are whole sentences for its body, `bump` the commit that brought the image."""
    image = image_of(result.now.image)
    trailers = [
        ("Canary", f"{result.canary}.{result.namespace}"),
        ("Canary-Run-Id", result.run_id),
        ("Canary-Outcome", result.outcome.value),
        ("Image", f"{result.now.image}{_digest(result, image)}" if image else ""),
        ("Bump-Commit", bump),
    ]
    return _message(result_subject(result), [line(note) for note in notes], trailers, marker)


def result_subject(result: Result) -> str:
    """`Promote frontend.test 3.1.1`, `Roll back frontend.test 3.1.1 to 3.1.0: <reason>`, `Abort frontend.test 3.1.1: <reason>` …"""
    subject = f"{VERBS[result.outcome]} {result.canary}.{result.namespace} {what_changed(result)}"
    if result.outcome is Outcome.ROLLED_BACK and image_changed(result):
        subject += f" to {version_of(result.was.image)}"
    if result.outcome is not Outcome.PROMOTED and result.reason:
        subject += f": {result.reason}"
    return line(subject)


def what_changed(result: Result) -> str:
    """The new tag; without an image change the first thing that changed (`ConfigMap backend`)."""
    if image_changed(result):
        return version_of(result.now.image)
    return result.changed or version_of(result.now.image) or "without an image"


def image_changed(result: Result) -> bool:
    return bool(result.now.image) and result.now.image != result.was.image


def image_of(text: str) -> ImageRef | None:
    """A running container's image; None for what cannot be read (the cluster accepted it, so it is not our error)."""
    try:
        return parse_image(text)
    except UserError:
        return None


def version_of(text: str) -> str:
    """The tag, or the beginning of the digest of an image without one."""
    image = image_of(text)
    if image is None:
        return text
    return image.tag or image.digest[:19]


def taken_back_message(entries: Iterable[tuple[str, str]], marker: str = "") -> str:
    """The commit that quarantines what somebody took back (rule G8), from (image:tag, commit) pairs; its trailer says what is done."""
    pairs = sorted(set(entries))
    subject = (
        f"Quarantine {pairs[0][0]}: taken back by {pairs[0][1][:7]}" if len(pairs) == 1 else f"Quarantine {len(pairs)} images taken back"
    )
    return _message(subject, [], [("Taken-Back", f"{image} {revision}") for image, revision in pairs], marker)


def trailers_of(message: str) -> list[tuple[str, str]]:
    """All `Key: value` lines below the subject."""
    return [(found[1], found[2]) for text in message.splitlines()[1:] if (found := _TRAILER.fullmatch(text))]


def bump_of(messages: Iterable[tuple[str, str]], image: str) -> str:
    """The newest of the (revision, message) pairs that bumped to `name:tag`; "" when none did."""
    wanted = image.partition("@")[0]
    for revision, message in messages:
        subject = message.partition("\n")[0]
        images = [value.partition("@")[0] for key, value in trailers_of(message) if key == "Image"]
        if subject.startswith("Auto-release ") and wanted in images:
            return revision
    return ""


def bumped_digest(message: str, image: str) -> str:
    """The digest that `name:tag` had when the commit with this message bumped to it; "" when it is no such bump."""
    if not message.startswith("Auto-release "):
        return ""
    found = (value.partition("@") for key, value in trailers_of(message) if key == "Image")
    return next((digest for name, _, digest in found if name == image.partition("@")[0]), "")


def line(text: str) -> str:
    """One line whatever the text holds: nothing from outside can add a line, hence no trailer, to a commit."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _digest(result: Result, image: ImageRef) -> str:
    return f"@{result.now.digest}" if result.now.digest and not image.digest else ""


def _message(subject: str, body: Sequence[str], trailers: Iterable[tuple[str, str]], marker: str) -> str:
    """Subject, body, marker and trailers as paragraphs; the trailers stay last, where git looks for them."""
    told = "\n".join(f"{key}: {line(value)}" for key, value in trailers if value)
    paragraphs = (line(subject), "\n".join(body), line(marker), told)
    return "\n\n".join(part for part in paragraphs if part) + "\n"
