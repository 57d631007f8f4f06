"""Charts' addresses as the adapters read them: what they would refuse at the first fetch is said before it; nothing is contacted."""

from collections.abc import Callable, Iterable, Iterator

from gitops_canary.adapters.git.names import check_ref, is_revision
from gitops_canary.adapters.git.urls import parse_url
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.validation.findings import Finding, at

SCHEMES = ("https://", "http://", "oci://")


def address_findings(releases: Iterable[tuple[Resource, HelmReleaseSpec]]) -> Iterator[Finding]:
    for resource, spec in releases:
        if spec.git:
            yield from _asked(resource, "git", parse_url, spec.git)
        if spec.git and spec.ref and not is_revision(spec.ref):
            yield from _asked(resource, "ref", lambda text: check_ref(text, "ref"), spec.ref)
        if spec.repository and not spec.repository.startswith(SCHEMES):
            yield _finding(resource, "repository", f"its chart repository is none: write {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")


def _asked(resource: Resource, field: str, reads: Callable[[str], object], text: str) -> Iterator[Finding]:
    try:
        reads(text)
    except UserError as error:
        yield _finding(resource, field, str(error))


def _finding(resource: Resource, field: str, why: str) -> Finding:
    return at(resource, ("spec", "chart", field), "error", "chart", f"{resource.ref}: {why}")
