"""Deployments, ReplicaSets, Jobs and disruption budgets; kinds that nothing would ever run are refused whole."""

from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules import pods
from gitops_canary.sandbox.apiserver.rules.words import (
    Cause,
    Doc,
    at_least,
    forbidden,
    invalid,
    labels,
    number_or_percent,
    one_of,
    required,
    selector,
    selects,
    unsupported,
)  # fmt: skip

NO_CONTROLLER = "the sandbox has no controller for {}s, so nothing would ever run; use a Deployment or a Job here, or a real cluster"
OWN = "batch.kubernetes.io/controller-uid"


def replicated(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    """A ReplicaSet, and what a Deployment shares with it."""
    spec = doc.get("spec") or {}
    yield from _selector(spec, doc["kind"].lower())
    if old is not None and spec.get("selector") != (old.get("spec") or {}).get("selector"):
        yield invalid("spec.selector", spec.get("selector"), "field is immutable")
    yield from at_least(spec, "spec", ("replicas", "minReadySeconds"))
    yield from _template(spec)
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "Always")
    if policy in ("OnFailure", "Never"):
        yield unsupported("spec.template.spec.restartPolicy", policy, "Always")


def deployment(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    yield from replicated(doc, old)
    spec = doc.get("spec") or {}
    yield from at_least(spec, "spec", ("revisionHistoryLimit", "progressDeadlineSeconds"))
    if 0 <= spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        yield invalid("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], "must be greater than minReadySeconds")
    strategy = spec.get("strategy") or {}
    rolling, at = strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    if strategy.get("type", "RollingUpdate") not in ("Recreate", "RollingUpdate"):
        yield unsupported("spec.strategy", {"Type": strategy["type"], "RollingUpdate": rolling}, "Recreate", "RollingUpdate")
    elif strategy.get("type") == "Recreate" and rolling:
        yield forbidden(at, "may not be specified when strategy `type` is 'Recreate'")
    elif rolling:
        yield from number_or_percent(f"{at}.maxUnavailable", rolling.get("maxUnavailable"))
        yield from number_or_percent(f"{at}.maxSurge", rolling.get("maxSurge"), whole=False)
        if all(rolling.get(name) in (0, "0%") for name in ("maxSurge", "maxUnavailable")):
            yield invalid(f"{at}.maxUnavailable", rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")


def never_run(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    """What would be stored and stand still is not taken, but for a CronJob that is to stand still."""
    if doc["kind"] != "CronJob" or not (doc.get("spec") or {}).get("suspend"):
        yield forbidden("spec", NO_CONTROLLER.format(doc["kind"]))


def job(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    yield from at_least(spec, "spec", ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"))
    yield from one_of(spec, "spec", "completionMode", "NonIndexed", "Indexed")
    template = spec.get("template") or {}
    chosen = (template.get("metadata") or {}).get("labels") or {}
    wanted = spec.get("selector") or {}
    if not spec.get("manualSelector") and OWN not in (wanted.get("matchLabels") or {}):
        yield invalid("spec.selector", wanted, "`selector` not auto-generated")
    if not selects(wanted, chosen):
        yield invalid("spec.template.metadata.labels", chosen, "`selector` does not match template `labels`")
    yield from _template(spec)
    if (template.get("spec") or {}).get("restartPolicy", "Always") == "Always":
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    if old is not None:
        yield from _unchanged_job(spec, old.get("spec") or {})


def _unchanged_job(spec: Doc, before: Doc) -> Iterator[Cause]:
    for name in ("completions", "selector", "completionMode"):
        if spec.get(name) != before.get(name):
            yield invalid(f"spec.{name}", spec.get(name), "field is immutable")
    if spec.get("template") != before.get("template") and not before.get("suspend"):
        yield invalid("spec.template", spec.get("template"), "field is immutable")


def budget(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield invalid("spec", dict(spec), "minAvailable and maxUnavailable cannot be both set")
    for name in ("minAvailable", "maxUnavailable"):
        yield from number_or_percent(f"spec.{name}", spec.get(name))
    yield from selector("spec.selector", spec.get("selector"))


def _selector(spec: Doc, kind: str) -> Iterator[Cause]:
    wanted, chosen = spec.get("selector"), ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    wrong = list(selector("spec.selector", wanted))
    yield from wrong
    if wanted is None:
        yield required("spec.selector")
    elif not (wanted.get("matchLabels") or wanted.get("matchExpressions")):
        yield invalid("spec.selector", {}, f"empty selector is invalid for {kind}")
        return
    if wrong:
        yield invalid("spec.selector", wanted, "invalid label selector")
    elif wanted is None or not selects(wanted, chosen):
        yield invalid("spec.template.metadata.labels", chosen, "`selector` does not match template `labels`")


def _template(spec: Doc) -> Iterator[Cause]:
    template = spec.get("template") or {}
    yield from labels("spec.template.labels", (template.get("metadata") or {}).get("labels"))
    yield from pods.spec(template.get("spec") or {}, "spec.template.spec")
