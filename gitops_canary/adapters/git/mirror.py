"""`Mirror`: a bare copy of one repository, never checked out, made again whenever it is damaged. It writes nothing back."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from gitops_canary.adapters.git.commands import Result
from gitops_canary.adapters.git.exports import export_tree
from gitops_canary.adapters.git.failures import Kind, diagnose, error_for, said
from gitops_canary.adapters.git.names import check_ref, check_revision, is_revision
from gitops_canary.adapters.git.objects import Damaged, Missing, Objects
from gitops_canary.adapters.git.transport import Transport
from gitops_canary.adapters.git.trees import GitTree
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable, UserError
from gitops_canary.ports import Commit

Value = TypeVar("Value")
_TIDY_EVERY = 500
_LOG_FORMAT = "--format=%H%x00%P%x00%an%x00%ae%x00%cI%x00%B"


@dataclass(frozen=True)
class Export:
    """A folder of a commit on disk. `id` is its tree id: equal ids mean equal contents."""

    id: str
    path: Path
    revision: str


class Mirror:
    """Read access to one repository, for charts and as the base of the cluster repository. Safe to share between threads; one process a
    state folder. Network methods raise UserError or Unavailable with a sentence of their own for each cause (failures.py)."""

    def __init__(self, url: str, transport: Transport) -> None:
        self.remote = transport.url(url)
        self.transport, self.options = transport, transport.options
        self.git_dir = self.options.state / "mirrors" / (hashlib.sha256(self.remote.text.encode()).hexdigest()[:16] + ".git")
        self.objects = Objects(transport.commands, self.git_dir)
        self.max_file_bytes, self.max_files, self.shown_url = self.options.max_file_bytes, self.options.max_files, self.remote.text
        self._lock = threading.RLock()
        self._fetched: dict[str, str] = {}
        self._fetches = 0

    def fetch(self, ref: str) -> str:
        """Ask the remote for a branch, a tag (short or `refs/…`) or a full commit id, and return the commit it stands for."""
        if is_revision(ref) and self._holds(ref):
            return ref
        check_ref(ref, "ref")
        with self._lock:
            try:
                found = self._fetch_once(ref)
            except Missing:
                self._remake()
                found = self._fetch_last(ref)
            self._fetched[ref] = found
            self._count()
            return found

    def tree(self, revision: str) -> GitTree:
        return GitTree(self, check_revision(revision))

    def export(self, revision: str, path: str) -> Export:
        """The folder `path` of that commit on disk, read-only by convention. UserError when there is none or it is too large."""
        tree_id = self.tree(revision).folder_id(path)
        what = f"{path or '.'} of {self.shown_url} at {revision[:10]}"
        if tree_id is None:
            raise UserError(f"cannot export {what}: there is no such folder")
        into, limits = self.options.state / "exports", self.options
        made = self.healed(
            lambda: export_tree(
                self.objects, tree_id, into, max_file_bytes=limits.max_file_bytes, max_bytes=limits.max_export_bytes, what=what
            )
        )
        return Export(tree_id, made, revision)

    def contains(self, revision: str, tip: str) -> bool:
        """Whether `tip` is that commit or descends from it; a commit that the mirror does not hold is not contained."""
        if revision == tip:
            return is_revision(tip)
        if not (is_revision(revision) and is_revision(tip)):
            return False
        done = self.local(["merge-base", "--is-ancestor", revision, tip])
        if done.status not in (0, 1) and self._holds(revision) and self._holds(tip):
            raise Unavailable(f"cannot read the history of {self.shown_url}: {done.err.strip()[:200]}")
        return done.status == 0

    def commits(self, since: str | None, until: str, limit: int = 200) -> Sequence[Commit]:
        """Newest first, without `since` and what it reaches. A `since` that the mirror does not hold (rewritten history) limits nothing."""
        args = ["log", "-z", _LOG_FORMAT, f"--max-count={limit}", check_revision(until)]
        if since and self._holds(check_revision(since)):
            args += ["--not", since]
        done = self.local([*args, "--"])
        if not done.ok:
            raise Unavailable(f"cannot read the history of {self.shown_url}: {done.err.strip()[:200]}")
        fields = done.out.decode("utf-8", "replace").split("\0")
        return [_commit(fields[at : at + 6]) for at in range(0, len(fields) - 5, 6)]

    def close(self) -> None:
        """End the reader process. The transport is the caller's."""
        self.objects.close()

    def healed(self, read: Callable[[], Value]) -> Value:
        """Run `read`; when objects are missing since the mirror is damaged, make it again, fetch what was fetched, read once more."""
        try:
            return read()
        except Missing as error:
            with self._lock:
                if isinstance(error, Damaged) or not self._whole():
                    self._remake()
                    for ref in list(self._fetched):
                        self._fetched[ref] = self._fetch_last(ref)
            try:
                return read()
            except Missing as again:
                raise Unavailable(f"cannot read {again} of {self.shown_url}: the repository does not hold it") from error

    def local(self, args: Sequence[str], given: bytes | None = None) -> Result:
        """A git command on the mirror, without network."""
        return self.transport.commands.run(args, git_dir=self.git_dir, timeout=self.options.local_timeout, given=given)

    def remote_run(self, args: Sequence[str], timeout: float) -> Result:
        return self.transport.run(self.remote, args, git_dir=self.git_dir, timeout=timeout)

    def damage(self, done: Result) -> Damaged | None:
        """What to raise where git failed since our own mirror is not whole, so that `healed` makes it again."""
        failure = diagnose(done.err)
        doubtful = failure is None or failure.name in ("host-damaged", "host-disk-full")  # it may lack what our pack lacked
        if done.reached and ((failure and failure.kind is Kind.LOCAL) or (doubtful and not self._whole())):
            return Damaged(said(done.err))
        return None

    def error(self, doing: str, done: Result, ref: str = "") -> GitopsCanaryError:
        text = f"{done.err}\nconnection timed out" if done.timed_out else done.err
        failure = diagnose(text)
        if failure and failure.name in ("read-only", "not-allowed"):
            # OpenSSH binds what a key may do to the connection: a right given since is seen by a new one only.
            self.transport.drop(self.remote)
        return error_for(doing, self.remote, text, ref=ref, key=self.transport.public_key)

    def tidy(self) -> None:
        """Pack what has piled up. Runs by itself every few hundred fetches; unreachable objects younger than two weeks stay."""
        with self._lock:
            self.transport.commands.run(["gc", "--quiet", "--prune=2.weeks.ago"], git_dir=self.git_dir, timeout=300.0)
            self.objects.close()

    def _fetch_last(self, ref: str) -> str:
        try:
            return self._fetch_once(ref)
        except Missing as error:
            raise Unavailable(f"cannot fetch {ref} from {self.shown_url}: the new mirror lacks {error}") from error

    def _fetch_once(self, ref: str) -> str:
        """Missing = our mirror is damaged."""
        self._prepare()
        local = f"refs/gitops-canary/{hashlib.sha256(ref.encode()).hexdigest()[:16]}"
        flags = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]
        done = self.remote_run(["fetch", *flags, "--", self.remote.text, f"+{ref}:{local}"], self.options.fetch_timeout)
        if done.ok:
            found = self.objects.resolve(f"{local}^{{commit}}")
            self.objects.root(found)
            return found
        if done.timed_out:
            self.transport.drop(self.remote)
        elif damaged := self.damage(done):
            raise damaged
        failure = diagnose(done.err)
        if failure and failure.name == "branch":
            raise self._absent(ref)
        raise self.error("fetch from", done, ref)

    def _absent(self, ref: str) -> UserError:
        done = self.remote_run(["ls-remote", "--heads", "--", self.remote.text], self.options.local_timeout)
        names = [line.split("refs/heads/", 1)[1] for line in done.out.decode("utf-8", "replace").splitlines() if "refs/heads/" in line]
        there = f"its branches are {', '.join(sorted(names)[:8])}" if names else "it is empty: push a first commit to it"
        name = ref.removeprefix("refs/heads/")
        return UserError(f"cannot fetch from {self.shown_url}: there is no {'branch ' if ref != name else ''}{name}", hint=there)

    def _prepare(self) -> None:
        try:
            if not all((self.git_dir / part).exists() for part in ("HEAD", "objects", "refs", "config")):
                self._remake()
            # We are the only process here and hold the lock: whatever lock file lies around, its owner is dead.
            for lock in (*self.git_dir.glob("*.lock"), *(self.git_dir / "refs").rglob("*.lock")):
                lock.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot prepare the mirror of {self.shown_url} in {self.git_dir}: {error.strerror}") from error

    def _remake(self) -> None:
        self.objects.forget()
        shutil.rmtree(self.git_dir, ignore_errors=True)
        self.git_dir.parent.mkdir(parents=True, exist_ok=True)
        done = self.transport.commands.run(
            ["init", "--quiet", "--bare", "--template=", "--", str(self.git_dir)], git_dir=None, timeout=self.options.local_timeout
        )
        if not done.ok:
            raise Unavailable(f"cannot make the mirror of {self.shown_url} in {self.git_dir}: {done.err.strip()[:200]}")

    def _whole(self) -> bool:
        """Whether everything that the fetched refs reach is there."""
        if not (self.git_dir / "HEAD").exists():
            return False
        return self.local(["rev-list", "--objects", "--quiet", "--all"]).ok

    def _holds(self, revision: str) -> bool:
        try:
            return self.objects.resolve(f"{revision}^{{commit}}") == revision
        except Missing:
            return False

    def _count(self) -> None:
        self._fetches += 1
        if self._fetches % _TIDY_EVERY == 0:
            self.tidy()


def _commit(fields: Sequence[str]) -> Commit:
    revision, parents, author, email, at, message = fields
    return Commit(revision.strip(), tuple(parents.split()), author, email, datetime.fromisoformat(at), message.rstrip("\n"))
