"""Image references: parse, compare, change the tag, keeping the user's spelling; no registry access."""

import re
from dataclasses import dataclass, replace

from gitops_canary.domain.errors import UserError

EVERY = "*"
"""What stands for all images where one may be named."""
DOCKER_HUB = "index.docker.io"
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]{1,5})?")
MAX_NAME = 255


@dataclass(frozen=True)
class ImageRef:
    """`name` as the user spelt it (host included), plus tag and digest ("" when absent)."""

    name: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def host(self) -> str:
        """The registry's host, "" when the user wrote none."""
        first, slash, _ = self.name.partition("/")
        return first if slash and _is_host(first) else ""

    @property
    def registry(self) -> str:
        """The registry that is asked; Docker Hub in its canonical spelling."""
        return DOCKER_HUB if self.host in ("", "docker.io", DOCKER_HUB, "registry-1.docker.io") else self.host

    @property
    def repository(self) -> str:
        """The path in the registry; Docker Hub's official images live below library/."""
        path = self.name.removeprefix(f"{self.host}/") if self.host else self.name
        return f"library/{path}" if self.registry == DOCKER_HUB and "/" not in path else path

    @property
    def canonical(self) -> str:
        """One spelling for one repository, whatever the user wrote: what scans and webhooks are keyed by."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str, digest: str = "") -> "ImageRef":
        """The same image at another tag; a digest that was pinned before goes, as it belonged to the old tag."""
        return replace(self, tag=tag, digest=digest)


def parse_image(text: str) -> ImageRef:
    """`name[:tag][@digest]`. UserError says what is wrong with the text."""
    name, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise _bad(text, "its digest is not sha256:<64 hex digits>")
    head, slash, last = name.rpartition("/")
    base, colon, tag = last.partition(":")
    if colon and not TAG.fullmatch(tag):
        raise _bad(text, "its tag is empty or has letters that a tag may not have")
    ref = ImageRef(f"{head}{slash}{base}", tag, digest)
    _check_name(text, ref)
    return ref


def _check_name(text: str, ref: ImageRef) -> None:
    if not ref.name:
        raise _bad(text, "it is empty" if not text else "it has no name")
    if len(ref.name) > MAX_NAME:
        raise _bad(text[:40] + "…", f"its name is longer than {MAX_NAME} letters")
    path = ref.name.removeprefix(f"{ref.host}/") if ref.host else ref.name
    if not all(_PART.fullmatch(part) for part in path.split("/")):
        raise _bad(text, "a name has lower-case letters, digits and single . _ - between them, parted by /")


def _is_host(text: str) -> bool:
    return bool(_HOST.fullmatch(text)) and ("." in text or ":" in text or text == "localhost")


def _bad(text: str, why: str) -> UserError:
    return UserError(f"cannot read image {text!r}: {why}")
