"""Records ended runs in the cluster repository: one commit each, exactly once by number, then takes them off the canary's status."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from typing import Any

from gitops_canary.domain.automation import ImageKey
from gitops_canary.domain.commits import bump_of, image_changed, image_of, line, result_message, result_subject
from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.links import commit_link
from gitops_canary.domain.lookups import Nowhere, Workload, find_key, home_of
from gitops_canary.domain.put_back import (
    GIVEN_UP,
    Others,
    PutBack,
    decide_put_back,
    held_by,
    image_analysed,
    image_promoted,
    image_rolled_back,
    image_serving,
    quarantined,
)
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.domain.results import Outcome, Result, result_from
from gitops_canary.managers.base import Backoff, earliest
from gitops_canary.managers.reading import CANARY, Reader, edited, keys_behind
from gitops_canary.managers.result_digests import last_to_change, with_digests
from gitops_canary.managers.result_notices import ResultNotices
from gitops_canary.manifests.ledgers import RETRIED, Ledger, ledger_text, with_result
from gitops_canary.manifests.tree import Loaded, Problem
from gitops_canary.ports import Change, Cluster, Commit, Edit, Log, Moment, Notifier, Repository, Tree, Turn, Wake

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


@dataclass(frozen=True)
class _Pending:
    """One result and the canary it waits in; `newest` of that canary's."""

    canary: Doc
    result: Result
    newest: bool


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
        return None if self._unreadable(tree, ledger) else ledger.number

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

    def _record(self, now: Moment, pending: Sequence[_Pending], soon: float | None) -> Turn:
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
        edits = [self._edit(one, cluster_id, commits) for one in readable]
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

    def _sorted_out(self, tree: Tree, pending: Sequence[_Pending]) -> tuple[list[_Pending], list[str]]:
        """Those whose file can be read, and why the others wait: one broken file delays no other canary."""
        problems = {problem.file: problem.sentence for problem in self._reader.ledgers(tree)[1]}
        paths = [self._reader.ledger(tree, one.result.namespace, one.result.canary).path for one in pending]
        readable = [one for one, path in zip(pending, paths, strict=True) if path not in problems]
        return readable, [problems[path] for path in paths if path in problems]

    def _pending(self) -> list[_Pending]:
        """In the order in which they ended, whatever the canary; each canary's in the order of their numbers, whatever its clock said."""
        found: list[tuple[str, _Pending]] = []
        for canary in self._cluster.list(*CANARY):
            raw = (canary.get("status") or {}).get("pendingResults") or ()
            results = sorted(self._readable(canary, raw), key=lambda result: result.number)
            ends = accumulate((result.ended for result in results), max)
            found += [(end, _Pending(canary, result, result is results[-1])) for end, result in zip(ends, results, strict=True)]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def _readable(self, canary: Doc, raw: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
        for one in raw:
            try:
                yield result_from(one)
            except (KeyError, TypeError, ValueError, AttributeError):
                self._log.error(f"cannot record a result of {_named(canary)}: it is none of ours: {line(str(one))}", manager=self.name)

    # ------------------------------------------------------------ the commit

    def _edit(self, one: _Pending, cluster_id: str, commits: Sequence[Commit]) -> Edit:
        """Looks up, decides and writes on the tree that is committed onto; a number that the file has already makes it nothing (G2)."""

        def edit(tree: Tree) -> Change | None:
            result = one.result
            ledger = self._reader.ledger(tree, result.namespace, result.canary)
            problem = self._unreadable(tree, ledger)
            if problem is not None:
                raise UserError(problem.sentence)
            if result.number <= ledger.number:
                return None
            key = self._key(tree, result)
            file = key.file if isinstance(key, Nowhere) else key.resource.file
            # Looked up at most once, and only where somebody asks: it reads a tree for each commit.
            last = cache(partial(last_to_change, self._repository, file, commits))
            result = with_digests(result, ledger, last() if image_changed(result) else None)
            back = decide_put_back(result, key, newest=one.newest, others=self._others(tree, one, key))
            files, back = self._files(tree, key, back)
            kept = with_result(
                Ledger(**{**vars(ledger), "cluster_id": cluster_id}),
                result,
                edited=bool(files),
                says=back.says,
                file=file,
                differs=back.differs or result.differs,
                barred=quarantined(result, key),
            )
            brought, notes = self._brought(result, file, back, commits, last)
            message = result_message(result, notes, bump=brought, marker=self._rules.marker)
            return Change({**files, kept.path: ledger_text(kept)}, message)

        return edit

    def _files(self, tree: Tree, key: ImageKey | Nowhere, back: PutBack) -> tuple[dict[str, bytes | None], PutBack]:
        if back.text is None or isinstance(key, Nowhere):
            return {}, back
        try:
            return edited(tree, {}, key, back.text), back
        except UserError as error:
            return {}, PutBack(says=f"The image was not put back: {error}", differs=True)

    def _brought(
        self, result: Result, file: str, back: PutBack, commits: Sequence[Commit], last: Callable[[], Commit | None]
    ) -> tuple[str, list[str]]:
        """The bump's commit, and the sentences of the body; without a bump the commit that changed the file last is named (rule G7)."""
        notes = [back.says] if back.says else []
        if image_changed(result):
            bump = bump_of([(commit.revision, commit.message) for commit in commits], result.now.image)
            if bump or not back.differs:
                return bump, notes
        culprit = last() if file and result.outcome is not Outcome.PROMOTED else None
        if culprit is not None:
            notes.append(f"{file} was changed last by {culprit.revision[:12]} ({culprit.author}): {culprit.message.splitlines()[0]}")
        return "", notes

    # ------------------------------------------------------------ looking up

    def _key(self, tree: Tree, result: Result) -> ImageKey | Nowhere:
        workload = self._workload(result)
        resources = self._reader.resources(tree)
        if image_of(result.now.image) is None:
            home = home_of(workload, resources)
            return home if isinstance(home, Nowhere) else Nowhere(f"{home.ref} has no image of the run", home.file)
        return find_key(workload, result.now.image, result.container, resources)

    def _workload(self, result: Result) -> Workload:
        api_version, kind, name = (
            result.target.rsplit("/", 2) if result.target.count("/") >= 2 else ("apps/v1", "Deployment", result.canary)
        )
        return Workload(kind, result.namespace, name, self._cluster.get(Ref(api_version, kind, result.namespace, name)))

    def _others(self, tree: Tree, one: _Pending, key: ImageKey | Nowhere) -> Others:
        """Canaries of this cluster on the same key (rule G6), and clusters that share the repository (rule G9)."""
        result = one.result
        if isinstance(key, Nowhere) or result.outcome not in (Outcome.ROLLED_BACK, *GIVEN_UP):
            return Others()
        resources = self._reader.resources(tree)
        sharing = [
            canary
            for canary in self._cluster.list(*CANARY)
            if ref_of(canary) != ref_of(one.canary) and key.id in keys_behind(canary, self._cluster, resources)
        ]
        others = [
            (ledger.cluster, ledger.outcome, ledger.image)
            for ledger in self._reader.ledgers(tree)[0]
            if ledger.cluster != self._rules.cluster_name and (ledger.namespace, ledger.canary) == (result.namespace, result.canary)
        ]

        def those(rule: Callable[[Mapping[str, object], str], bool], canaries: Sequence[Doc] = sharing) -> tuple[str, ...]:
            return tuple(_named(canary) for canary in canaries if rule(canary.get("status") or {}, result.now.image))

        return Others(
            those(image_analysed),
            those(image_promoted),
            those(image_serving, [*sharing, one.canary]),
            held_by(others, result.now.image),
            those(image_rolled_back),
        )

    def _tree(self) -> Tree | None:
        head = self._repository.head()
        return self._repository.tree(head) if head is not None else None

    def _unreadable(self, tree: Tree, ledger: Ledger) -> Problem | None:
        return next((problem for problem in self._reader.ledgers(tree)[1] if problem.file == ledger.path), None)

    # ------------------------------------------------------------ afterwards

    def _finish(self, pending: Sequence[_Pending], made: Sequence[str | None]) -> bool:
        """Take the recorded ones off the statuses; True when one has to be looked at again."""
        again = False
        for one, revision in zip(pending, made, strict=True):
            if revision:
                self._log.info(result_subject(one.result), canary=_named(one.canary), run=one.result.run_id, revision=revision)
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


def _named(canary: Mapping[str, Any]) -> str:
    return f"{canary['metadata']['name']}.{canary['metadata']['namespace']}"
