"""The Registry port in memory: repositories with tags, digests and build times, and what was asked of them; no HTTP."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef
from tests.memory.clock import EPOCH
from tests.memory.faults import Faults


class MemoryRegistry:
    """Keyed by canonical repository. `asked` logs the requests; reads are named `registry: tags <canonical>` for faults."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.images: dict[str, dict[str, tuple[str, datetime | None]]] = {}
        self.asked: list[str] = []

    # ------------------------------------------------------------ for tests

    def push(self, name: str, *tags: str, digest: str = "", created: datetime | None = None, dated: bool = True) -> None:
        """Push tags one after the other, each a minute younger; a tag that is there moves to the new digest."""
        known = self.images.setdefault(ImageRef(name).canonical, {})
        for tag in tags:
            number = sum(len(image) for image in self.images.values())
            when = created or EPOCH + timedelta(minutes=number)
            known[tag] = (digest or digest_of(f"{name}:{tag}:{number}"), when if dated else None)

    def delete(self, name: str, tag: str) -> None:
        del self.images[ImageRef(name).canonical][tag]

    # ------------------------------------------------------------ the port

    def tags(self, image: ImageRef) -> Sequence[str]:
        return tuple(self._image(image, "tags"))

    def digest(self, image: ImageRef, tag: str) -> str:
        return self._tag(image, tag, "digest")[0]

    def created(self, image: ImageRef, tag: str) -> datetime | None:
        return self._tag(image, tag, "created")[1]

    # ------------------------------------------------------------ inside

    def _tag(self, image: ImageRef, tag: str, what: str) -> tuple[str, datetime | None]:
        known = self._image(image, f"{what} {tag}")
        if tag not in known:
            raise UserError(f"cannot read {image.name}:{tag}: the registry does not know the tag")
        return known[tag]

    def _image(self, image: ImageRef, what: str) -> dict[str, tuple[str, datetime | None]]:
        self.faults.reach(f"registry: {what} {image.canonical}")
        self.asked.append(f"{what} {image.canonical}")
        if image.canonical not in self.images:
            raise UserError(f"cannot list tags of {image.name}: the registry does not know the image")
        return self.images[image.canonical]


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
