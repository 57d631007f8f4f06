"""The whole check of one folder: reads, renders, asks the pure checks, and puts each finding on its line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitops_canary.adapters.folder import Folder
from gitops_canary.adapters.helm.rendering import Renderer
from gitops_canary.commands.validation.addresses import address_findings
from gitops_canary.commands.validation.charts import Rendering, read_charts, render_all
from gitops_canary.commands.validation.queries import query_findings
from gitops_canary.commands.validation.schemas import schema_complaints
from gitops_canary.commands.validation.unreadable import unreadable_findings
from gitops_canary.domain.lookups import placed
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.validation.findings import Finding, at
from gitops_canary.domain.validation.objects import releases_of, validate
from gitops_canary.domain.validation.rendered import merged, rendered_findings
from gitops_canary.manifests.ledgers import read_ledgers
from gitops_canary.manifests.mending import located, mend_all
from gitops_canary.manifests.tree import manifest_paths, read_tree

ROUNDS = 5
"""How often a mended repository is checked for more to mend; two rounds are enough for what is known."""


@dataclass(frozen=True)
class Scope:
    """What is checked: `paths` below the root ("" = everything), and the namespace of objects that name none."""

    paths: tuple[str, ...] = ()
    namespace: str = "default"


@dataclass(frozen=True)
class Report:
    """All findings in the order of files and lines, and what was looked at. `rendered` is None when Helm was not asked."""

    findings: tuple[Finding, ...]
    files: int
    objects: int
    rendered: int | None
    elsewhere: int

    def count(self, level: str) -> int:
        return sum(one.level == level for one in self.findings)


def check(folder: Folder, scope: Scope, helm: Renderer | None) -> Report:
    loaded = read_tree(folder, scope.paths)
    resources = placed(loaded.resources, scope.namespace)
    charts, wrong_charts = read_charts(folder)
    if helm and charts.values:
        helm.find()
    misshapen = list(_schemas(resources))
    places = {f"{one.file}:{one.line}" for one in misshapen if one.level == "error"}
    plain = [
        *(finding for one in loaded.problems for finding in unreadable_findings(one, folder.read(one.file) or b"")),
        *(Finding(one.file, one.line, "error", "unreadable", one.sentence) for one in read_ledgers(folder)[1]),
        *wrong_charts,
        *misshapen,
        *validate(resources, charts, places),
        *address_findings(releases_of(resources)),
        *query_findings(resources, places),
    ]
    rendering = render_all(folder, charts, list(releases_of(resources)), helm) if helm else Rendering()
    found = merged(located_all(folder, [*plain, *rendering.findings, *_rendered(rendering, resources)]))
    return Report(
        tuple(found), len(manifest_paths(folder, scope.paths)), len(resources), rendering.rendered if helm else None, rendering.elsewhere
    )


def check_and_mend(folder: Folder, scope: Scope, helm: Renderer | None) -> tuple[Report, list[Finding]]:
    """Mends, and checks again, until nothing is left that can be mended: a file that has become readable may hold more."""
    mended: list[Finding] = []
    for _ in range(ROUNDS):
        report = check(folder, scope, helm)
        done = mend_files(folder, report.findings)
        if not done:
            break
        mended += done
    return check(folder, scope, helm) if done else report, mended


def mend_files(folder: Folder, findings: Iterable[Finding]) -> list[Finding]:
    """Edits the files that have findings with a mend; returns what was mended."""
    done: list[Finding] = []
    for file, group in _by_file(findings).items():
        before = folder.read(file) or b""
        after, mended = mend_all(before, group)
        if after != before:
            folder.write(file, after)
            done += mended
    return done


def located_all(folder: Folder, findings: Iterable[Finding]) -> list[Finding]:
    return [one for file, group in _by_file(findings).items() for one in located(group, folder.read(file) or b"")]


def _by_file(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.file, []).append(finding)
    return grouped


def _schemas(resources: Iterable[Resource]) -> Iterator[Finding]:
    for resource in resources:
        for path, level, sentence in schema_complaints(resource.doc):
            yield at(resource, path, level, "schema", f"{resource.ref} has {sentence}")


def _rendered(rendering: Rendering, resources: Iterable[Resource]) -> list[Finding]:
    found: list[Finding] = []
    misshapen: set[int] = set()
    for one in rendering.objects:
        doc = {**one.doc, "metadata": {**one.meta, "namespace": one.namespace}}
        for _, level, sentence in schema_complaints(doc):
            found.append(one.says(level, "schema", f"{one.what} (chart {one.spec.path}, {one.template}) has {sentence}"))
            misshapen |= {id(one)} if level == "error" else set()
    return [*found, *rendered_findings(rendering.objects, resources, misshapen)]
