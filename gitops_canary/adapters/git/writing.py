"""From an edit's wish to objects in the mirror: blobs, the trees above them and the commit. No ref is touched."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from gitdb import IStream, LooseObjectDB  # type: ignore[import-untyped]

from gitops_canary.adapters.git.mirror import Mirror
from gitops_canary.adapters.git.names import check_path
from gitops_canary.adapters.git.objects import FOLDER_MODE, Entry
from gitops_canary.adapters.git.trees import GitTree
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.ports import Change

_MANY = 100  # from here on one fast-import is quicker than loose objects
Node = dict[str, "Node | bytes | None"]


@dataclass(frozen=True)
class Identity:
    """Author and committer of our commits."""

    name: str
    email: str

    def line(self, at: datetime) -> str:
        offset = at.strftime("%z") or "+0000"
        return f"{_clean(self.name)} <{_clean(self.email)}> {int(at.timestamp())} {offset[:5]}"


class Writer:
    """Writes objects of one mirror."""

    def __init__(self, mirror: Mirror, identity: Identity) -> None:
        self._mirror, self._identity = mirror, identity

    def commit(self, tree: GitTree, change: Change, at: datetime) -> str | None:
        """The new commit, child of the tree's; None when no byte differs. UserError for a path or message that cannot be committed."""
        files = {path: content for path, content in change.files.items() if _differs(tree, path, content)}
        if not files:
            return None
        if not change.message.strip():
            raise UserError("cannot commit without a message")
        try:
            store = _Store(self._mirror)
            store.many([content for content in files.values() if content is not None])
            root = self._folder(store, tree.root(), _nested(files), "") or store.put(b"tree", b"")
            return store.put(b"commit", self._text(root, tree.revision, change.message, at))
        except OSError as error:
            raise Unavailable(f"cannot write to the mirror of {self._mirror.shown_url}: {error.strerror}") from error

    def _text(self, root: str, parent: str, message: str, at: datetime) -> bytes:
        who = self._identity.line(at)
        body = message.replace("\0", "").strip("\n")
        return f"tree {root}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{body}\n".encode("utf-8", "backslashreplace")

    def _folder(self, store: "_Store", tree_id: str | None, node: Node, above: str) -> str | None:
        """The id of the folder with these edits in it; None when nothing is left in it."""
        entries = dict(self._mirror.objects.tree(tree_id)) if tree_id else {}
        for name, wanted in node.items():
            old = entries.pop(name, None)
            made = self._entry(store, old, name, wanted, above + name)
            if made:
                entries[name] = made
        if not entries:
            return None
        return store.put(b"tree", _tree_bytes(entries.values()))

    def _entry(self, store: "_Store", old: Entry | None, name: str, wanted: "Node | bytes | None", path: str) -> Entry | None:
        if old and not (old.is_folder if isinstance(wanted, dict) else old.is_file):
            kind = "a folder" if old.is_folder else "a file" if old.is_file else "a symbolic link or submodule"
            raise UserError(f"cannot write {path}: in the repository it is {kind}")
        raw = old.name if old else name.encode()
        if isinstance(wanted, dict):
            below = self._folder(store, old.id if old else None, wanted, path + "/")
            return Entry(FOLDER_MODE, raw, below) if below else None
        if wanted is None:
            return None
        return Entry(old.mode if old else "100644", raw, store.put(b"blob", wanted))


class _Store:
    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._db = LooseObjectDB(str(mirror.git_dir / "objects"))
        self._written: set[str] = set()

    def put(self, kind: bytes, content: bytes) -> str:
        known = object_id(kind, content)
        if known not in self._written:
            # Without sha: gitdb would take uncompressed data for a compressed object otherwise.
            self._db.store(IStream(kind, len(content), BytesIO(content)))
            self._written.add(known)
        return known

    def many(self, contents: list[bytes]) -> None:
        if len(contents) < _MANY:
            return
        given = b"".join(b"blob\ndata %d\n%s\n" % (len(content), content) for content in contents)
        done = self._mirror.local(["fast-import", "--quiet"], given)
        if not done.ok:
            raise self._mirror.error("write objects for", done)
        self._written.update(object_id(b"blob", content) for content in contents)


def object_id(kind: bytes, content: bytes) -> str:
    return hashlib.sha1(b"%s %d\0" % (kind, len(content)) + content, usedforsecurity=False).hexdigest()


def _differs(tree: GitTree, path: str, content: bytes | None) -> bool:
    check_path(path)
    old = tree.entry(path)
    if content is None:
        return old is not None
    return old is None or not old.is_file or old.id != object_id(b"blob", content)


def _nested(files: Mapping[str, bytes | None]) -> Node:
    top: Node = {}
    for path, content in files.items():
        *folders, name = path.split("/")
        node = top
        for folder in folders:
            below = node.setdefault(folder, {})
            if not isinstance(below, dict):
                raise UserError(f"cannot write {path}: the same change makes {folder} a file")
            node = below
        if isinstance(node.get(name), dict):
            raise UserError(f"cannot write {path}: the same change makes it a folder")
        node[name] = content
    return top


def _tree_bytes(entries: Iterable[Entry]) -> bytes:
    # Git sorts folders as if their names ended in a slash.
    ordered = sorted(entries, key=lambda entry: entry.name + (b"/" if entry.is_folder else b""))
    return b"".join(entry.mode.encode() + b" " + entry.name + b"\0" + bytes.fromhex(entry.id) for entry in ordered)


def _clean(text: str) -> str:
    return "".join(char for char in text if char.isprintable() and char not in "<>").strip() or "gitops-canary"
