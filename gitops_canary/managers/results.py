"""Records ended runs in the cluster repository: one commit each, exactly once by number, then takes them off the canary's status."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from gitops_canary.domain.commits import line, result_subject
from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.links import commit_link
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.domain.results import Result, result_from
from gitops_canary.managers.base import Backoff, earliest
from gitops_canary.managers.reading import CANARY, Reader, keys_behind
from gitops_canary.managers.result_commits import PendingResult, ResultCommits, named
from gitops_canary.managers.result_notices import ResultNotices
from gitops_canary.manifests.ledgers import RETRIED
from gitops_canary.manifests.tree import Loaded
from gitops_canary.ports import Cluster, Log, Moment, Notifier, Repository, Tree, Turn, Wake

FAR = 100
"""Commits that are searched for the one that brought an image."""


@dataclass(frozen=True)
class ResultRules:
    """Settings; seconds. `adopt` takes over files of another cluster id, `marker` is the CI-skip text ("" = none)."""

    cluster_name: str = "default"
    default_namespace: str = "default"
    adopt: bool = False
    marker: str = ""
    retry: float = 5.0
    most: float = 60.0


class ResultsManager:
    name = "results"

    def __init__(
        self, repository: Repository, cluster: Cluster, load: Callable[[Tree], Loaded], notifier: Notifier, rules: ResultRules, log: Log
    ) -> None:
        self._repository = repository
        self._cluster = cluster
        self._reader = Reader(load, rules.cluster_name, rules.default_namespace)
        self._rules = rules
        self._log = log
        self._backoff = Backoff(first=rules.retry, most=rules.most)
        self._commits = ResultCommits(repository, cluster, self._reader, rules.cluster_name, rules.marker)
        self.notices = ResultNotices(notifier)

    # ------------------------------------------------------------ what the canaries manager asks

    def recorded_number(self, key: str) -> int | None:
        """The highest run number that Git knows of the canary `namespace/name`; None before the branch was read (rule G2), or while its
        file cannot be read."""
        tree = self._tree()
        if tree is None:
            return None
        namespace, _, name = key.partition("/")
        ledger = self._reader.ledger(tree, namespace, name)
        return None if self._reader.unreadable(tree, ledger) else ledger.number

    def retried(self, key: str, number: int) -> bool:
        """Whether a person let the release of `namespace/name` go on after that run's promotion failed (rule R11)."""
        tree = self._tree()
        namespace, _, name = key.partition("/")
        ledger = self._reader.ledger(tree, namespace, name) if tree is not None else None
        return ledger is not None and ledger.number == number and bool(ledger.run.get(RETRIED))

    def file_image(self, key: str, container: str) -> str | None:
        """The image that Git holds for the container of the canary `namespace/name`; None = nobody knows (rule R8)."""
        tree = self._tree()
        namespace, _, name = key.partition("/")
        canary = self._cluster.get(Ref(*CANARY, namespace, name))
        if tree is None or canary is None:
            return None
        behind = keys_behind(canary, self._cluster, self._reader.resources(tree))
        return next((str(found.image) for found, of in behind.values() if of == container), None)

    # ------------------------------------------------------------ one turn

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """Records everything that waits, oldest first, in one push; what cannot be recorded stays in the status and is tried again."""
        soon = self.notices.flush(now.mono)
        pending = self._pending()
        if not pending:
            self._backoff.worked("")
            return Turn("every result is recorded", not_before=soon)
        if not self._backoff.ready("", now.mono):
            return Turn(f"{len(pending)} results wait for Git", not_before=earliest((soon, self._backoff.until(""))))
        try:
            return self._record(now, pending, soon)
        except GitopsCanaryError as error:
            wait = (error.retry_after or 0.0) if isinstance(error, Unavailable) else 0.0
            until = self._backoff.failed("", now.mono, at_least=wait)
            self._log.warning(f"{len(pending)} results wait for Git: {error}", manager=self.name)
            return Turn(f"{len(pending)} results wait for Git: {error}", not_before=earliest((soon, until)))

    def _record(self, now: Moment, pending: Sequence[PendingResult], soon: float | None) -> Turn:
        tree = self._tree()
        if tree is None:
            return Turn("waiting for the first fetch", not_before=earliest((soon, now.mono + self._rules.retry)))
        cluster_id = self._cluster.cluster_id()
        foreign = "" if self._rules.adopt else self._reader.foreign(tree, cluster_id)
        if foreign:
            raise UserError(foreign)
        readable, sentences = self._sorted_out(tree, pending)
        if not readable:
            raise UserError(sentences[0])
        commits = self._repository.commits(None, tree.revision, FAR)
        edits = [self._commits.edit(one, cluster_id, commits) for one in readable]
        made = self._repository.changes(edits)
        self._backoff.worked("")
        conflicts = self._finish(readable, made)
        wakes = [Wake("sync")] if any(made) else []
        if conflicts:
            return Turn("a canary changed while its result was recorded", tuple(wakes), now.mono + 1.0)
        if sentences:
            self._log.warning(sentences[0], manager=self.name)
            return Turn(sentences[0], tuple(wakes), earliest((soon, self._backoff.failed("", now.mono))))
        return Turn(f"{len(readable)} results recorded", tuple(wakes), soon)

    def _sorted_out(self, tree: Tree, pending: Sequence[PendingResult]) -> tuple[list[PendingResult], list[str]]:
        """Those whose file can be read, and why the others wait: one broken file delays no other canary."""
        problems = {problem.file: problem.sentence for problem in self._reader.ledgers(tree)[1]}
        paths = [self._reader.ledger(tree, one.result.namespace, one.result.canary).path for one in pending]
        readable = [one for one, path in zip(pending, paths, strict=True) if path not in problems]
        return readable, [problems[path] for path in paths if path in problems]

    def _pending(self) -> list[PendingResult]:
        """In the order in which they ended, whatever the canary; each canary's in the order of their numbers, whatever its clock said."""
        found: list[tuple[str, PendingResult]] = []
        for canary in self._cluster.list(*CANARY):
            raw = (canary.get("status") or {}).get("pendingResults") or ()
            results = sorted(self._readable(canary, raw), key=lambda result: result.number)
            ends = accumulate((result.ended for result in results), max)
            found += [(end, PendingResult(canary, result, result is results[-1])) for end, result in zip(ends, results, strict=True)]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def _readable(self, canary: Doc, raw: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        for one in raw:
            try:
                yield result_from(one)
            except (KeyError, TypeError, ValueError, AttributeError):
                self._log.error(f"cannot record a result of {named(canary)}: it is none of ours: {line(str(one))}", manager=self.name)

    def _tree(self) -> Tree | None:
        head = self._repository.head()
        return self._repository.tree(head) if head is not None else None

    # ------------------------------------------------------------ afterwards

    def _finish(self, pending: Sequence[PendingResult], made: Sequence[str | None]) -> bool:
        """Take the recorded ones off the statuses; True when one has to be looked at again."""
        again = False
        for one, revision in zip(pending, made, strict=True):
            if revision:
                self._log.info(result_subject(one.result), canary=named(one.canary), run=one.result.run_id, revision=revision)
            self.notices.committed(one.result.run_id, commit_link(self._repository.url, revision) if revision else "")
        for canary in {id(one.canary): one.canary for one in pending}.values():
            again |= not self._taken_off(canary)
        return again

    def _taken_off(self, canary: Doc) -> bool:
        """All that were pending when the canary was read are in Git now; a result that came since makes this a conflict."""
        ref, tree = ref_of(canary), self._tree()
        ledger = self._reader.ledger(tree, ref.namespace, ref.name) if tree is not None else None
        patch: dict[str, Any] = {"pendingResults": []}
        if ledger is not None and ledger.run.get("differs"):
            patch["differs"] = str(ledger.run.get("says") or True)
        try:
            self._cluster.patch(ref, {"status": patch}, subresource="status", resource_version=canary["metadata"]["resourceVersion"])
        except Conflict:
            return False
        return True
