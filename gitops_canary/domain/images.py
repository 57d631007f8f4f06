"""Image references: parse, compare, change the tag, keeping the user's spelling; no registry access."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageRef:
    """`name` as the user spelt it (host included), plus tag and digest ("" when absent)."""

    name: str
    tag: str = ""
    digest: str = ""
