"""Reading git objects through one long-lived `git cat-file --batch`, started again when it dies; parsing of trees."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from git.cmd import Git

from gitops_canary.adapters.git.commands import Commands, close_pipes, end_group
from gitops_canary.domain.errors import UserError

_CACHED_ENTRIES = 150_000  # about 40 MB
_CHUNK = 1 << 20
_MAX_TREE_BYTES = 64 * 2**20
FILE_MODES = ("100644", "100755", "100664")
FOLDER_MODE = "40000"


class Missing(Exception):
    """The mirror does not hold this object (or no longer): fetch, or make the mirror again."""


class Damaged(Missing):
    """git could not read an object that is there: the mirror must be made again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tree. `name` is raw; symlinks (120000) and submodules (160000) are entries too, shown to nobody."""

    mode: str
    name: bytes
    id: str

    @property
    def is_file(self) -> bool:
        return self.mode in FILE_MODES

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER_MODE


Folder = Mapping[str, Entry]
"""A tree by shown names, in git's order. Bytes that are no UTF-8 appear as `\\xff`, so that every log and JSON writer can take a name."""


class Objects:
    """Object access of one bare repository; safe to share between threads."""

    def __init__(self, commands: Commands, git_dir: Path) -> None:
        self._commands, self._git_dir = commands, git_dir
        self._process: Git.AutoInterrupt | None = None
        self._lock = threading.Lock()
        self._trees: OrderedDict[str, Folder] = OrderedDict()
        self._cached = 0

    def resolve(self, name: str) -> str:
        """The object id a name stands for (a ref, `REV^{commit}`). Missing when there is none."""
        return self._ask(name, 0)[0]

    def tree(self, tree_id: str) -> Folder:
        """The entries of a tree object, cached: ids name contents for ever."""
        with self._lock:
            if tree_id in self._trees:
                self._trees.move_to_end(tree_id)
                return self._trees[tree_id]
        entries = parse_tree(self._content(tree_id, "tree", _MAX_TREE_BYTES))
        with self._lock:
            if tree_id not in self._trees:
                self._trees[tree_id] = entries
                self._cached += len(entries)
            while self._cached > _CACHED_ENTRIES and len(self._trees) > 1:
                self._cached -= len(self._trees.popitem(last=False)[1])
        return entries

    def root(self, revision: str) -> str:
        """The id of a commit's tree."""
        return self.resolve(f"{revision}^{{tree}}")

    def blob(self, blob_id: str, limit: int, what: str) -> bytes:
        """UserError naming `what` when it is larger than `limit` bytes (it is not kept in memory)."""
        _, kind, size, content = self._ask(blob_id, limit)
        if kind != "blob":
            raise Missing(blob_id)
        if content is None:
            raise UserError(f"cannot read {what}: it has {size:,} bytes, more than the {limit:,} allowed")
        return content

    def close(self) -> None:
        with self._lock:
            self._end()

    def forget(self) -> None:
        """After the repository was made again."""
        with self._lock:
            self._end()
            self._trees.clear()
            self._cached = 0

    def _content(self, name: str, kind: str, limit: int) -> bytes:
        _, found, size, content = self._ask(name, limit)
        if found != kind:
            raise Missing(name)
        if content is None:
            raise UserError(f"cannot read {kind} {name}: it has {size:,} bytes, more than the {limit:,} allowed")
        return content

    def _ask(self, name: str, limit: int) -> tuple[str, str, int, bytes | None]:
        """Id, kind, size and content (None when over `limit`). Asked twice when the process had died."""
        if "\n" in name:
            raise Missing(name)
        with self._lock:
            for last in (False, True):
                try:
                    return self._exchange(name, limit)
                except (OSError, EOFError) as error:
                    self._end()
                    if last:
                        raise Damaged(name) from error
        raise AssertionError("unreachable")

    def _exchange(self, name: str, limit: int) -> tuple[str, str, int, bytes | None]:
        if self._process is None:
            self._process = self._commands.start(["cat-file", "--batch"], git_dir=self._git_dir, pipe=True)
        process = self._process.proc
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(name.encode() + b"\n")
        process.stdin.flush()
        header = process.stdout.readline()
        if not header:
            raise EOFError
        words = header.split()
        if len(words) != 3 or words[-1] in (b"missing", b"ambiguous"):
            raise Missing(name)
        size = int(words[2])
        keep = size <= limit
        content = process.stdout.read(size) if keep else None
        if not keep:
            _drain(process.stdout, size)
        if process.stdout.read(1) != b"\n":
            raise EOFError
        return words[0].decode(), words[1].decode(), size, content

    def _end(self) -> None:
        if self._process is None:
            return
        process = self._process.proc
        self._process = None
        if process is None:
            return
        close_pipes(process)
        end_group(process)
        process.wait()


def _drain(stream: IO[bytes], size: int) -> None:
    while size > 0:
        got = len(stream.read(min(size, _CHUNK)))
        if not got:
            raise EOFError
        size -= got


def parse_tree(content: bytes) -> Folder:
    """`mode SP name NUL 20-byte-id`, repeated. Damaged when it is cut off."""
    entries: dict[str, Entry] = {}
    at = 0
    while at < len(content):
        space, nul = content.find(b" ", at), content.find(b"\0", at)
        if space < 0 or nul < space or nul + 21 > len(content):
            raise Damaged("a tree that is cut off")
        name = content[space + 1 : nul]
        shown = name.decode("utf-8", "backslashreplace")
        while shown in entries:  # `\\xff` may be a real name too; no entry may be lost when the folder is written again
            shown += "~"
        entries[shown] = Entry(sys.intern(content[at:space].decode("ascii", "replace")), name, content[nul + 1 : nul + 21].hex())
        at = nul + 21
    return entries
