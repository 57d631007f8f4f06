"""The commit that records one ended run: what it writes and says; when it is made, and what comes after, is results.py's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from gitops_canary.domain.automation import ImageKey
from gitops_canary.domain.commits import bump_of, image_changed, image_of, result_message
from gitops_canary.domain.errors import UserError
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
from gitops_canary.domain.results import Outcome, Result
from gitops_canary.managers.reading import CANARY, Reader, edited, keys_behind
from gitops_canary.managers.result_digests import last_to_change, with_digests
from gitops_canary.manifests.ledgers import Ledger, ledger_text, with_result
from gitops_canary.ports import Change, Cluster, Commit, Edit, Repository, Tree


@dataclass(frozen=True)
class PendingResult:
    """One result and the canary it waits in; `newest` of that canary's."""

    canary: Doc
    result: Result
    newest: bool


def named(canary: Mapping[str, object]) -> str:
    """As the sentences name a canary: `frontend.test`."""
    ref = ref_of(canary)
    return f"{ref.name}.{ref.namespace}"


class ResultCommits:
    """`cluster_name` is this cluster's in files that several clusters share, `marker` the CI-skip text ("" = none)."""

    def __init__(self, repository: Repository, cluster: Cluster, reader: Reader, cluster_name: str, marker: str) -> None:
        self._repository, self._cluster, self._reader = repository, cluster, reader
        self._cluster_name, self._marker = cluster_name, marker

    def edit(self, one: PendingResult, cluster_id: str, commits: Sequence[Commit]) -> Edit:
        """Looks up, decides and writes on the tree that is committed onto; a number that the file has already makes it nothing (G2)."""

        def edit(tree: Tree) -> Change | None:
            result = one.result
            ledger = self._reader.ledger(tree, result.namespace, result.canary)
            problem = self._reader.unreadable(tree, ledger)
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
            message = result_message(result, notes, bump=brought, marker=self._marker)
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

    def _others(self, tree: Tree, one: PendingResult, key: ImageKey | Nowhere) -> Others:
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
            if ledger.cluster != self._cluster_name and (ledger.namespace, ledger.canary) == (result.namespace, result.canary)
        ]

        def those(rule: Callable[[Mapping[str, object], str], bool], canaries: Sequence[Doc] = sharing) -> tuple[str, ...]:
            return tuple(named(canary) for canary in canaries if rule(canary.get("status") or {}, result.now.image))

        return Others(
            those(image_analysed),
            those(image_promoted),
            those(image_serving, [*sharing, one.canary]),
            held_by(others, result.now.image),
            those(image_rolled_back),
        )
