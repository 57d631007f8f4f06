"""Where a run's images came from, as far as Git tells: the last commit to their file, and digests from it or an earlier run (rule B5)."""

from collections.abc import Sequence
from dataclasses import replace

from gitops_canary.domain.commits import bumped_digest, image_of
from gitops_canary.domain.results import Result, Revision
from gitops_canary.manifests.ledgers import Ledger
from gitops_canary.ports import Commit, Repository


def last_to_change(repository: Repository, file: str, commits: Sequence[Commit]) -> Commit | None:
    """The newest of the commits that changed the file, merges left out."""
    for commit in commits:
        if len(commit.parents) == 1:
            before, after = (repository.tree(revision).blob_id(file) for revision in (commit.parents[0], commit.revision))
            if before != after:
                return commit
    return None


def with_digests(result: Result, ledger: Ledger, last: Commit | None) -> Result:
    """`last` is the last commit that changed the image's file. Only while that is the bump itself is it sure whose the tag is: a person may
    have set the same tag since, and a tag may have been pushed again; without a digest the tag counts with every digest."""
    known = {str(side.get("image")): str(side.get("digest") or "") for side in (ledger.run.get("from") or {}, ledger.run.get("to") or {})}
    brought = bumped_digest(last.message, result.now.image) if last is not None else ""
    return replace(result, was=_with(result.was, known.get(result.was.image, "")), now=_with(result.now, brought))


def _with(revision: Revision, digest: str) -> Revision:
    image = image_of(revision.image)
    return revision if image is None or revision.digest or image.digest or not digest else replace(revision, digest=digest)
