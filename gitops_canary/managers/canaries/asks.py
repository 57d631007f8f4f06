"""Checks as the Checks port takes them: webhook payloads, built-in queries, rendered templates."""

import re
from collections.abc import Mapping

from gitops_canary.domain.canary.model import Answered, Check
from gitops_canary.domain.canary.spec import CanarySpec, Hook, Metric
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.domain.canary.workloads import digest
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Answer, Ask, Cluster, HookAsk, QueryAsk

EXPRESSION = re.compile(r"\{\{-?\s*([A-Za-z][\w.]*)\s*-?\}\}")


class Asks:
    """Turns a check into what is asked; a template that cannot be rendered is an answer already."""

    def __init__(self, cluster: Cluster, metrics_server: str) -> None:
        self._cluster = cluster
        self._server = metrics_server

    def ask(self, spec: CanarySpec, status: CanaryStatus, check: Check) -> Ask | Answered:
        if check.hook is not None:
            return _hook(spec, status, check, check.hook)
        assert check.metric is not None
        metric, server = check.metric, spec.metrics_server or self._server
        if metric.name == "request-success-rate" and metric.builtin:
            return QueryAsk(check.key, server, check.window, "request-success-rate", spec.namespace, spec.target.name)
        if metric.builtin:
            return QueryAsk(check.key, server, check.window, "request-duration", spec.namespace, spec.target.name)
        try:
            if metric.template is None:
                address, expression = "", render(metric.query, spec, metric, check.window)
            else:
                address, expression = self._template(spec, metric, check.window)
        except UserError as error:
            return Answered("unreachable", message=str(error))
        return QueryAsk(check.key, address or server, check.window, expression=expression)

    def _template(self, spec: CanarySpec, metric: Metric, window: float) -> tuple[str, str]:
        """(address, PromQL) of a MetricTemplate; UserError says what is wrong with it."""
        assert metric.template is not None
        namespace, name = metric.template
        doc: Doc | None = self._cluster.get(Ref("flagger.app/v1beta1", "MetricTemplate", namespace, name))
        if doc is None:
            raise UserError(f"cannot ask MetricTemplate {name}.{namespace}: there is none")
        return of_template(doc, spec, metric, window)


def of_template(doc: Doc, spec: CanarySpec, metric: Metric, window: float) -> tuple[str, str]:
    """(address, PromQL) of a MetricTemplate's text for this canary; UserError for what cannot be asked."""
    what = f"MetricTemplate {doc['metadata']['name']}.{metric.template[0] if metric.template else spec.namespace}"
    provider = doc["spec"].get("provider") or {}
    if provider.get("type") != "prometheus":
        raise UserError(f"cannot ask {what}: provider type {provider.get('type')} is not supported yet")
    if provider.get("secretRef"):
        raise UserError(f"cannot ask {what}: provider.secretRef is not supported yet")
    return str(provider.get("address") or ""), render(str(doc["spec"].get("query") or ""), spec, metric, window)


def render(query: str, spec: CanarySpec, metric: Metric, window: float) -> str:
    """Flagger's functions in a query: name, namespace, target, service, interval, `variables.x`; UserError for any other."""
    known = {
        "name": spec.name,
        "namespace": spec.namespace,
        "target": spec.target.name,
        "service": spec.service.name,
        "interval": f"{max(1, round(window))}s",
        **{f"variables.{key}": value for key, value in metric.variables.items()},
    }

    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise UserError(f"cannot render the query of metric {metric.name}: it has no value for {match[1]}")
        return known[match[1]]

    rendered = EXPRESSION.sub(value, query)
    if "{{" in rendered:
        raise UserError(f"cannot render the query of metric {metric.name}: only plain functions such as {{{{ target }}}} are supported")
    return rendered


def _hook(spec: CanarySpec, status: CanaryStatus, check: Check, hook: Hook) -> HookAsk:
    payload = hook_payload(spec, status, check.phase, hook.metadata)
    return HookAsk(check.key, hook.url, payload, hook.timeout, hook.retries, hook.disable_tls)


def hook_payload(spec: CanarySpec, status: CanaryStatus, phase: str, metadata: Mapping[str, str]) -> dict[str, object]:
    """Flagger's body of every webhook."""
    checksum = digest({"configs": dict(status.configs), "template": status.applied}).removeprefix("sha256:")[:16]
    payload: dict[str, object] = {"name": spec.name, "namespace": spec.namespace, "phase": phase, "checksum": checksum}
    return {**payload, "metadata": dict(metadata)} if metadata else payload


def answered(answers: Mapping[str, Answer]) -> dict[str, Answered]:
    return {key: Answered(answer.kind, answer.value, answer.message) for key, answer in answers.items()}
