"""Finds tags that somebody else's commit took back, and quarantines them (rule G8); a bump is never undone twice by the same person."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from gitops_canary.domain.bumps import Automated, automated
from gitops_canary.domain.commits import line, taken_back_message, trailers_of
from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.tags import is_newer
from gitops_canary.managers.reading import Reader
from gitops_canary.manifests.ledgers import ledger_text, with_quarantined
from gitops_canary.ports import Change, Commit, Edit, Repository, Tree

FAR = 300
"""Commits that are looked at at once; after a start, what is older has been seen by a process before this one."""
Found = tuple[Quarantined, str, str]
"""The entry, the namespace and name of the object it belongs to."""


class TakenBack:
    """Looks at each commit until what it found is in Git, which `recorded` is told; a trailer of the commit that brought it there keeps it
    from being done again after a restart, although a person has deleted the entry since."""

    def __init__(self, repository: Repository, reader: Reader, marker: str) -> None:
        self._repository, self._reader, self._marker = repository, reader, marker
        self._seen: str | None = None

    def edits(self, tree: Tree, resources: Sequence[Resource]) -> Iterator[Edit]:
        """At most one edit, for everything that was taken back since the last look."""
        if tree.revision == self._seen:
            return
        since = self._seen if self._seen and self._repository.contains(self._seen) else None
        commits = self._repository.commits(since, tree.revision, FAR)
        done = {value for commit in commits for key, value in trailers_of(commit.message) if key == "Taken-Back"}
        files = {auto.key.resource.file for auto in automated(resources)[0]}
        # A commit's parent is most often the next one that is looked at: its keys are read once.
        keys = lru_cache(maxsize=2)(self._keys)
        found = [one for commit in commits for one in self._in(commit, files, keys) if _trailer(one[0]) not in done]
        if found:
            yield self._edit(found)

    def recorded(self, tree: Tree) -> None:
        """What was found up to this tree is pushed, or there was nothing. Not before: a failed push must not undo the person's commit."""
        self._seen = tree.revision

    def _in(self, commit: Commit, files: set[str], keys: Callable[[str], dict[str, Automated]]) -> Iterator[Found]:
        """Tags that this commit of somebody else replaced by older ones."""
        if _ours(commit) or len(commit.parents) != 1:
            return
        old, new_tree = self._repository.tree(commit.parents[0]), self._repository.tree(commit.revision)
        if all(old.blob_id(file) == new_tree.blob_id(file) for file in files):
            return
        after, before = keys(commit.revision), keys(commit.parents[0])
        for key_id, auto in before.items():
            new = after.get(key_id)
            old_tag = auto.key.image.tag
            if new is None or not old_tag or old_tag == new.key.image.tag or auto.key.image.canonical != new.key.image.canonical:
                continue
            if is_newer(old_tag, new.key.image.tag, auto.policy) and auto.policy.allows(old_tag):
                image, ref = auto.key.image, auto.key.resource.ref
                reason = f"taken back by {commit.revision[:12]}"
                since = stamp(commit.at)
                entry = Quarantined(image.name, old_tag, image.digest, auto.key.owner, auto.key.container, reason, since)
                yield entry, ref.namespace, ref.name

    def _keys(self, revision: str) -> dict[str, Automated]:
        return {auto.key.id: auto for auto in automated(self._reader.resources(self._repository.tree(revision)))[0]}

    def _edit(self, found: list[Found]) -> Edit:
        def edit(tree: Tree) -> Change:
            files: dict[str, bytes | None] = {}
            for namespace, name in {(namespace, name) for _, namespace, name in found}:
                ledger = self._reader.ledger(tree, namespace, name)
                mine = [entry for entry, *at in found if at == [namespace, name]]
                files[ledger.path] = ledger_text(with_quarantined(ledger, mine))
            pairs = [(f"{entry.image}:{entry.tag}", entry.reason.removeprefix("taken back by ")) for entry, *_ in found]
            return Change(files, taken_back_message(pairs, self._marker))

        return edit


def _ours(commit: Commit) -> bool:
    """A commit of ours names itself: bumps by their subject, results and quarantines by their trailers."""
    keys = {key for key, _ in trailers_of(commit.message)}
    return commit.message.startswith("Auto-release ") or bool(keys & {"Canary-Run-Id", "Taken-Back"})


def _trailer(entry: Quarantined) -> str:
    return line(f"{entry.image}:{entry.tag} {entry.reason.removeprefix('taken back by ')}")
