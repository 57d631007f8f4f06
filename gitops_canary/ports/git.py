"""The cluster repository: trees, edits and commits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Tree(Protocol):
    """The files of one commit, read lazily; paths are relative POSIX, symlinks and submodules are not listed."""

    @property
    def revision(self) -> str: ...
    def paths(self, prefix: str = "") -> Sequence[str]: ...
    def read(self, path: str) -> bytes | None: ...
    def blob_id(self, path: str) -> str | None:
        """The content's id: equal ids mean equal bytes, so callers cache parses by it."""
        ...


@dataclass(frozen=True)
class Change:
    """What an edit wants committed: whole new contents (None deletes) and the whole message, trailers included."""

    files: Mapping[str, bytes | None] = field(hash=False)
    message: str


Edit = Callable[[Tree], Change | None]
"""Pure: run again on the newer tree when a push was refused (rules B2, G3); None or no changed byte = no commit."""


@dataclass(frozen=True)
class Commit:
    revision: str
    parents: tuple[str, ...]
    author: str
    email: str
    at: datetime
    message: str


class Repository(Protocol):
    """The cluster repository; `change` is the only writer (design §3.3)."""

    url: str
    branch: str

    def head(self) -> str | None:
        """The last known head of the branch, without asking the remote; None before the first fetch or while there is no branch."""
        ...

    def fetch(self) -> str:
        """Ask the remote and return the branch's head; UserError when branch or access is missing (with what to do)."""
        ...

    def tree(self, revision: str) -> Tree: ...

    def change(self, edit: Edit) -> str | None:
        """Commit `edit` on the last known head and push it with the lease on that head, bounded retries; the new revision, or None when
        the edit wanted nothing."""
        ...

    def changes(self, edits: Sequence[Edit]) -> Sequence[str | None]:
        """Several commits in order, one push (rule G10)."""
        ...

    def contains(self, revision: str) -> bool:
        """Whether the last known head descends from (or is) that commit: False = the branch was rewritten (rule O2)."""
        ...

    def commits(self, since: str | None, until: str, limit: int = 200) -> Sequence[Commit]:
        """Newest first, first-parent and merged ones alike, not including `since`."""
        ...

    def mark(self, tag: str, revision: str) -> None:
        """Move a tag of ours on the remote to that revision (`--sync-state=git`, as Flux did)."""
        ...

    def check_access(self) -> None:
        """Raises UserError unless the deploy key may read and write, without leaving anything behind."""
        ...
