"""Tags that automation must not bump to again, as they stand in the result files; the files' text is `manifests/ledgers.py`'s."""

from collections.abc import Iterable
from dataclasses import dataclass

from gitops_canary.domain.automation import ImageKey
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import parse_image


@dataclass(frozen=True)
class Quarantined:
    """One tag of one image; `owner` and `container` name the key, or are "" when the run's file could not be found (any key with that
    image in the namespace then). `digest` "" = not known: the tag with every digest."""

    image: str
    tag: str
    digest: str = ""
    owner: str = ""
    container: str = ""
    reason: str = ""
    since: str = ""

    def concerns(self, key: ImageKey) -> bool:
        if self.owner:
            return (self.owner, self.container) == (key.owner, key.container)
        try:
            return parse_image(self.image).canonical == key.image.canonical
        except UserError:
            return False  # a person's entry that names no image

    def holds(self, tag: str, digest: str) -> bool:
        """Whether this entry forbids the tag with that digest; another digest under the same tag is something new (B1)."""
        return tag == self.tag and (not self.digest or not digest or digest == self.digest)


def concerning(entries: Iterable[Quarantined], key: ImageKey) -> tuple[Quarantined, ...]:
    return tuple(entry for entry in entries if entry.concerns(key))
