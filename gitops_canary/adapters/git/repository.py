"""`GitRepository`: the cluster repository and its only writer; what an edit wants is the managers'."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from gitops_canary.adapters.git.access import check_access
from gitops_canary.adapters.git.marks import move_tag
from gitops_canary.adapters.git.mirror import Mirror
from gitops_canary.adapters.git.names import check_ref
from gitops_canary.adapters.git.pushing import Outcome, push
from gitops_canary.adapters.git.transport import Transport
from gitops_canary.adapters.git.writing import Identity, Writer
from gitops_canary.domain.errors import Conflict, Unavailable, UserError
from gitops_canary.ports import Commit, Edit, Tree


class GitRepository:
    """Implements ports.Repository over a bare mirror. One writer: `change` and `fetch` take turns; reads never wait for them."""

    def __init__(
        self,
        url: str,
        branch: str,
        transport: Transport,
        *,
        gate: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: random.Random | None = None,
    ) -> None:
        """`gate` is asked before each push and raises NotLeader when none may start (rule O3)."""
        self.mirror = Mirror(url, transport)
        self.url, self.branch = self.mirror.shown_url, check_ref(branch)
        transport.trust(self.mirror.remote)
        options = transport.options
        self._writer = Writer(self.mirror, Identity(options.author_name, options.author_email))
        self._options, self._gate, self._now, self._chance = options, gate, now, chance or random.Random()
        self._head: str | None = None
        self._turn = threading.RLock()
        self._stopped = threading.Event()

    def head(self) -> str | None:
        # None until this process has asked the remote: an old mirror's head may lie behind what another replica applied.
        return self._head

    def fetch(self) -> str:
        with self._turn:
            try:
                self._head = self.mirror.fetch(f"refs/heads/{self.branch}")
            except UserError:
                self._head = None  # no branch, no access: nothing may be decided on an old head
                raise
            return self._head

    def tree(self, revision: str) -> Tree:
        return self.mirror.tree(revision)

    def change(self, edit: Edit) -> str | None:
        return self.changes([edit])[0]

    def changes(self, edits: Sequence[Edit]) -> Sequence[str | None]:
        """As the port says. Conflict when `attempts` heads in a row were outrun; Unavailable when no reply came (it may have landed: run
        the edits again later, on the tree of then)."""
        with self._turn:
            for attempt in range(self._options.attempts):
                if attempt:
                    self._pause(attempt)
                made = self.mirror.healed(partial(self._attempt, edits))
                if made is not None:
                    return made
        raise Conflict(f"cannot push to {self.branch} of {self.url}: others pushed first {self._options.attempts} times in a row")

    def contains(self, revision: str) -> bool:
        if self._head is None:  # not False: that would say the branch was rewritten
            raise Unavailable(f"cannot tell what {self.branch} of {self.url} contains: it has not been read yet")
        return self.mirror.contains(revision, self._head)

    def commits(self, since: str | None, until: str, limit: int = 200) -> Sequence[Commit]:
        return self.mirror.commits(since, until, limit)

    def mark(self, tag: str, revision: str) -> None:
        with self._turn:
            self._gate()
            self.mirror.healed(partial(move_tag, self.mirror, tag, revision))

    def check_access(self) -> None:
        with self._turn:
            check_access(self.mirror, self.branch, self.fetch())

    def close(self) -> None:
        """Ends waits between tries and the reader process."""
        self._stopped.set()
        self.mirror.close()

    def _attempt(self, edits: Sequence[Edit]) -> Sequence[str | None] | None:
        """None when the branch is elsewhere and the edits must run again; Missing when the mirror is not whole."""
        head = self._head or self.fetch()
        made = self._commits(head, edits)
        tip = next((commit for commit in reversed(made) if commit), None)
        return made if tip is None or self._deliver(tip, head) else None

    def _commits(self, head: str, edits: Sequence[Edit]) -> list[str | None]:
        """One commit an edit, each on the one before; the objects are written, nothing is pushed."""
        made: list[str | None] = []
        at = head
        for edit in edits:
            tree = self.mirror.tree(at)
            change = edit(tree)
            commit = self._writer.commit(tree, change, self._now()) if change else None
            made.append(commit)
            at = commit or at
        return made

    def _deliver(self, commit: str, head: str) -> bool:
        """True when the remote has the commit; False when the branch is elsewhere and the edit must run again. A push without reply says
        nothing yet, it may land a second later: the same commit is pushed again until the tip has moved (rule G3)."""
        give_up = time.monotonic() + self._options.patience
        for attempt in range(self._options.attempts):
            try:
                outcome = push(self.mirror, commit, self.branch, head, self._gate)
            except Unavailable:
                if attempt == 0 or time.monotonic() > give_up:
                    raise
                outcome = Outcome.LOST
            if outcome is Outcome.LANDED:
                self._head = commit
                return True
            if outcome is Outcome.REFUSED:
                # An earlier push of it may have landed and others gone on from there.
                return self.mirror.contains(commit, self.fetch())
            if time.monotonic() > give_up:
                break
            self._pause(attempt + 1)
        self._head = None  # it may land yet: look before deciding anything else
        raise Unavailable(f"cannot push to {self.branch} of {self.url}: no answer; the commit may have landed, which the next fetch shows")

    def _pause(self, attempt: int) -> None:
        if self._stopped.wait(self._chance.uniform(0.02, 0.1) * min(attempt, 10)):
            raise Unavailable(f"cannot push to {self.branch} of {self.url}: the operator is stopping")
