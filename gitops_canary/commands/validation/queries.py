"""Queries of Canaries as the operator would put them: inline ones, and those of MetricTemplates that this repository has; none is asked."""

from collections.abc import Iterable, Iterator, Mapping

from gitops_canary.domain.canary.spec import CANARY, CanarySpec, Metric
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.validation.canaries import spec_or_complaint
from gitops_canary.domain.validation.findings import Finding, at
from gitops_canary.managers.canaries.asks import of_template, render

Templates = Mapping[tuple[str, str], Resource]


def query_findings(resources: Iterable[Resource], misshapen: set[str]) -> Iterator[Finding]:
    """`misshapen` = places of objects that their schema refuses."""
    right = [one for one in resources if one.place not in misshapen and one.ref.api_version == CANARY[0]]
    templates = {(one.ref.namespace, one.ref.name): one for one in right if one.ref.kind == "MetricTemplate"}
    for resource in right:
        spec = spec_or_complaint(resource.doc, resource.ref.namespace) if resource.ref.kind == CANARY[1] else ""
        for number, metric in enumerate(spec.metrics if isinstance(spec, CanarySpec) else ()):
            assert isinstance(spec, CanarySpec)
            complaint = _complaint(spec, metric, templates)
            if complaint:
                field = "templateRef" if metric.template else "query"
                path = ("spec", "analysis", "metrics", number, field)
                yield at(resource, path, "error", "canary", f"{resource.ref}: {complaint}")


def _complaint(spec: CanarySpec, metric: Metric, templates: Templates) -> str:
    try:
        if metric.query:
            render(metric.query, spec, metric, metric.window)
        elif metric.template and metric.template in templates:
            of_template(dict(templates[metric.template].doc), spec, metric, metric.window)
    except UserError as error:
        return str(error)
    return ""
