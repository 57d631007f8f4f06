"""The Repository port in memory: real commit history with parents, leases, humans that push and rewind, lost replies; no git."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from gitops_canary.domain.errors import Conflict, Unavailable, UserError
from gitops_canary.ports import Commit, Edit, Tree
from tests.memory.clock import EPOCH
from tests.memory.faults import Faults

OURS = ("gitops-canary", "gitops-canary@localhost")
ATTEMPTS = 5


@dataclass(frozen=True)
class MemoryTree:
    """Implements ports.Tree over the files of one commit."""

    revision: str
    files: Mapping[str, bytes]

    def paths(self, prefix: str = "") -> Sequence[str]:
        folder = prefix.strip("/")
        return sorted(path for path in self.files if not folder or path == folder or path.startswith(f"{folder}/"))

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def blob_id(self, path: str) -> str | None:
        content = self.files.get(path)
        return None if content is None else hashlib.sha1(content).hexdigest()


class MemoryRepository:
    """`tip` is the remote's branch, `head()` what this side knows of it. Effects are named `git: push <subject>`, reads `git: fetch`."""

    def __init__(
        self,
        files: Mapping[str, str | bytes] | None = None,
        faults: Faults | None = None,
        now: Callable[[], datetime] = lambda: EPOCH,
    ) -> None:
        self.url, self.branch = "ssh://git@memory/cluster.git", "main"
        self.faults = faults or Faults()
        self.trees: dict[str, MemoryTree] = {}
        self.history: dict[str, Commit] = {}
        self.marks: dict[str, str] = {}
        self.pushes: list[str] = []
        self.fetches = 0
        self.writable = True
        self.before_push: list[Callable[[], object]] = []
        self._now = now
        self._head: str | None = None
        self.tip: str | None = None
        if files is not None:
            self.human_pushes(files, "Start")

    # ------------------------------------------------------------ for tests

    def human_pushes(self, files: Mapping[str, str | bytes | None], message: str = "Edit by hand", author: str = "Ada") -> str:
        """Somebody else's commit lands on the remote; this side learns of it by a fetch. None deletes a file."""
        self.tip = self._commit(self.tip, _bytes(files), message, (author, f"{author.lower()}@example.com"))
        return self.tip

    def human_replaces(self, path: str, old: str, new: str, message: str = "Edit by hand") -> str:
        text = self.text(path)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        return self.human_pushes({path: text.replace(old, new)}, message)

    def human_pushes_before_next(self, files: Mapping[str, str | bytes | None], message: str = "Edit by hand") -> None:
        """Between our read and our push: the push is refused once."""
        self.before_push.append(lambda: self.human_pushes(files, message))

    def rewind(self, revision: str) -> None:
        """A force-push by somebody else."""
        assert revision in self.history
        self.tip = revision

    def text(self, path: str) -> str:
        """A file of the remote's branch; KeyError when there is none."""
        return self._files(self.tip)[path].decode()

    def log(self) -> list[str]:
        """Subjects of the remote's branch, newest first."""
        return [commit.message.splitlines()[0] for commit in self._walk(self.tip)]

    def last(self) -> Commit:
        assert self.tip is not None
        return self.history[self.tip]

    def changed_lines(self, revision: str | None = None) -> list[str]:
        """`-old` and `+new` lines of one commit against its parent, by position, outside the results' folder."""
        commit = self.history[revision or self.tip or ""]
        before = self._files(commit.parents[0] if commit.parents else None)
        after = self._files(commit.revision)
        found: list[str] = []
        for path in sorted({*before, *after}):
            if not path.startswith(".gitops-canary/") and before.get(path) != after.get(path):
                old, new = before.get(path, b"").decode().splitlines(), after.get(path, b"").decode().splitlines()
                found += [f"-{line}" for line in old if line not in new] + [f"+{line}" for line in new if line not in old]
        return found

    def restart(self) -> None:
        """A new process knows no head before its first fetch."""
        self._head = None

    # ------------------------------------------------------------ the port

    def head(self) -> str | None:
        return self._head

    def fetch(self) -> str:
        self.faults.reach("git: fetch")
        self.fetches += 1
        if self.tip is None:
            self._head = None
            raise UserError(f"cannot fetch {self.branch} of {self.url}: there is no such branch")
        self._head = self.tip
        return self.tip

    def tree(self, revision: str) -> Tree:
        return self.trees[revision]

    def change(self, edit: Edit) -> str | None:
        return self.changes([edit])[0]

    def changes(self, edits: Sequence[Edit]) -> Sequence[str | None]:
        for _ in range(ATTEMPTS):
            head = self._head or self.fetch()
            made = self._made(head, edits)
            tip = next((commit for commit in reversed(made) if commit), None)
            if tip is None or self._push(tip, head):
                return made
            self.fetch()
        raise Conflict(f"cannot push to {self.branch} of {self.url}: others pushed first {ATTEMPTS} times in a row")

    def contains(self, revision: str) -> bool:
        return any(commit.revision == revision for commit in self._walk(self._head))

    def commits(self, since: str | None, until: str, limit: int = 200) -> Sequence[Commit]:
        known = {commit.revision for commit in self._walk(since)}
        return [commit for commit in self._walk(until) if commit.revision not in known][:limit]

    def mark(self, tag: str, revision: str) -> None:
        with self.faults.effect(f"git: mark {tag}"):
            self.marks[tag] = revision

    def check_access(self) -> None:
        self.fetch()
        if not self.writable:
            raise UserError(f"cannot write to {self.url}: the deploy key may only read", hint="give it write access")

    # ------------------------------------------------------------ inside

    def _made(self, head: str, edits: Iterable[Edit]) -> list[str | None]:
        made: list[str | None] = []
        at = head
        for edit in edits:
            change = edit(self.trees[at])
            files = {path: new for path, new in change.files.items() if self.trees[at].files.get(path) != new} if change else {}
            commit = self._commit(at, files, change.message, OURS) if change and files else None
            made.append(commit)
            at = commit or at
        return made

    def _push(self, commit: str, head: str) -> bool:
        """With the lease on `head`; False when the branch is elsewhere. A lost reply leaves nothing known, as in the real adapter."""
        self.faults.reach("git: push")
        while self.before_push:
            self.before_push.pop(0)()
        if not self.writable:
            raise UserError(f"cannot push to {self.branch} of {self.url}: the deploy key may only read", hint="give it write access")
        if self.tip != head:
            return False
        try:
            with self.faults.effect(f"git: push {self.history[commit].message.splitlines()[0]}"):
                self.tip = commit
                self.pushes.append(commit)
        except Unavailable:
            self._head = None
            raise
        self._head = commit
        return True

    def _commit(self, parent: str | None, files: Mapping[str, bytes | None], message: str, who: tuple[str, str]) -> str:
        content = {**self._files(parent), **files}
        whole = {path: data for path, data in content.items() if data is not None}
        revision = hashlib.sha1(repr((len(self.history), parent, sorted(whole.items()), message)).encode()).hexdigest()
        self.trees[revision] = MemoryTree(revision, whole)
        self.history[revision] = Commit(revision, (parent,) if parent else (), *who, self._now(), message)
        return revision

    def _files(self, revision: str | None) -> Mapping[str, bytes]:
        return self.trees[revision].files if revision else {}

    def _walk(self, revision: str | None) -> Iterable[Commit]:
        while revision:
            commit = self.history[revision]
            yield commit
            revision = commit.parents[0] if commit.parents else None


def _bytes(files: Mapping[str, str | bytes | None]) -> dict[str, bytes | None]:
    return {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}


def message_of(commit: Commit) -> tuple[str, dict[str, str]]:
    """A commit's subject and its trailers."""
    lines = commit.message.splitlines()
    trailers: dict[str, str] = {}
    for line in lines[1:]:
        with suppress(ValueError):
            key, value = line.split(": ", 1)
            if " " not in key:
                trailers[key] = value
    return lines[0], trailers
