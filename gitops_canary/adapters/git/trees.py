"""`GitTree`: the files of one commit, read from the mirror when asked; symlinks, submodules and `.git` do not exist in it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from gitops_canary.adapters.git.names import clean_prefix, is_plain_name
from gitops_canary.adapters.git.objects import FOLDER_MODE, Entry, Objects
from gitops_canary.domain.errors import UserError

_MAX_DEPTH = 64
Value = TypeVar("Value")


class TreeHome(Protocol):
    """What a tree needs of its mirror."""

    objects: Objects
    max_file_bytes: int
    max_files: int
    shown_url: str

    def healed(self, read: Callable[[], Value]) -> Value:
        """Runs `read`, once more after the mirror was made again when it found objects missing."""
        ...


class GitTree:
    """Implements ports.Tree. Raises Unavailable when the mirror cannot be made again, UserError when a limit is passed."""

    def __init__(self, home: TreeHome, revision: str) -> None:
        self._home, self.revision = home, revision
        self._root: str | None = None
        self._listed: dict[str, tuple[str, ...]] = {}

    def paths(self, prefix: str = "") -> Sequence[str]:
        """Sorted; `prefix` is a folder or one file (`releases` does not match `releases-old/`). Empty when there is no such folder."""
        folder = clean_prefix(prefix)
        if folder not in self._listed:
            self._listed[folder] = self._home.healed(lambda: self._list(folder))
        return self._listed[folder]

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None when there is no regular file of that path."""
        limit, what = self._home.max_file_bytes, f"{path} of {self._home.shown_url} at {self.revision[:10]}"

        def content() -> bytes | None:
            entry = self.entry(path)
            return self._home.objects.blob(entry.id, limit, what) if entry and entry.is_file else None

        return self._home.healed(content)

    def blob_id(self, path: str) -> str | None:
        entry = self._home.healed(lambda: self.entry(path))
        return entry.id if entry and entry.is_file else None

    def folder_id(self, path: str) -> str | None:
        """The tree id of a folder ("" = the root): equal ids mean equal contents, so an unrelated commit changes nothing."""
        folder = clean_prefix(path)
        if not folder:
            return self._home.healed(self.root)
        entry = self._home.healed(lambda: self.entry(folder))
        return entry.id if entry and entry.is_folder else None

    def root(self) -> str:
        if self._root is None:
            self._root = self._home.objects.root(self.revision)
        return self._root

    def entry(self, path: str) -> Entry | None:
        """Whatever stands at that path, symlinks included; Missing when the mirror is damaged."""
        parts = path.split("/")
        if not all(is_plain_name(part) for part in parts):
            return None
        at = self.root()
        for depth, part in enumerate(parts):
            found = self._home.objects.tree(at).get(part)
            if found is None or (depth < len(parts) - 1 and not found.is_folder):
                return None
            if depth == len(parts) - 1:
                return found
            at = found.id
        return None

    def _list(self, folder: str) -> tuple[str, ...]:
        found = self.entry(folder) if folder else Entry(FOLDER_MODE, b"", self.root())
        if found is None:
            return ()
        if not found.is_folder:
            return (folder,) if found.is_file else ()
        listed: list[str] = []
        for path, _ in walk(self._home.objects, found.id, f"{folder}/" if folder else ""):
            listed.append(path)
            if len(listed) > self._home.max_files:
                raise UserError(f"cannot list {self._home.shown_url} at {self.revision[:10]}: more than {self._home.max_files:,} files")
        return tuple(sorted(listed))


def walk(objects: Objects, tree_id: str, above: str = "", depth: int = 0) -> Iterator[tuple[str, Entry]]:
    """Path and entry of every regular file below a tree; deeper than 64 folders is a UserError."""
    if depth > _MAX_DEPTH:
        raise UserError(f"cannot list {above[:120]!r}: folders are nested deeper than {_MAX_DEPTH}")
    for name, entry in objects.tree(tree_id).items():
        if not is_plain_name(name):
            continue
        if entry.is_file:
            yield above + name, entry
        elif entry.is_folder:
            yield from walk(objects, entry.id, f"{above}{name}/", depth + 1)
