"""Image registries: tags and digests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gitops_canary.domain.images import ImageRef


class Registry(Protocol):
    def tags(self, image: ImageRef) -> Sequence[str]:
        """All tags or an error: half a list decides nothing. Unordered, no duplicates, without cosign's .sig/.att/.sbom."""
        ...

    def digest(self, image: ImageRef, tag: str) -> str:
        """`sha256:…` of the tag's manifest, of the index when there is one (rule B5)."""
        ...

    def created(self, image: ImageRef, tag: str) -> datetime | None:
        """When the image was built (config blob); None when it does not say. Cached by digest for ever."""
        ...
