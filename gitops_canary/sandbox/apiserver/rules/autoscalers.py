"""HorizontalPodAutoscalers: limits, target, metrics and behaviour; metrics that the sandbox has not are refused by name."""

from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules.words import Cause, Doc, amount, forbidden, invalid, one_of, required, unsupported

ELSEWHERE = ("ContainerResource", "External", "Object", "Pods")
TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
LONGEST_WINDOW, LONGEST_PERIOD = 3600, 1800


def autoscaler(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    metrics = spec.get("metrics") or ()
    if least < 1:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if least == 0:
        yield forbidden("spec.metrics", "must specify at least one Object or External metric to support scaling to zero replicas")
    if not most or most < 1:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    if (most or 0) < least:
        yield invalid("spec.maxReplicas", most or 0, "must be greater than or equal to `minReplicas`")
    yield from _target(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    for number, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{number}]")
    for name in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(name)
        if rules is not None:
            yield from _rules(rules, f"spec.behavior.{name}")


def _target(target: Doc, at: str) -> Iterator[Cause]:
    for name in ("kind", "name"):
        if not target.get(name):
            yield required(f"{at}.{name}")
    if "/" not in str(target.get("apiVersion") or ""):
        yield invalid(f"{at}.apiVersion", target.get("apiVersion") or "", "apiVersion must specify API group")


def _metric(metric: Doc, at: str) -> Iterator[Cause]:
    kind = metric.get("type")
    if not kind:
        yield required(f"{at}.type", "must specify a metric source type")
    elif kind in ELSEWHERE:
        yield forbidden(f"{at}.type", f"the sandbox has no {kind} metrics, only cpu and memory of whole pods (type Resource)")
    elif kind not in TYPES:
        # A real server says it twice, once for the word and once for its source.
        yield unsupported(f"{at}.type", kind, *TYPES)
        yield unsupported(f"{at}.type", kind, *TYPES)
    elif metric.get("resource") is None:
        yield required(f"{at}.resource", "must populate information for the given metric source")
    else:
        yield from _resource(metric["resource"], f"{at}.resource")


def _resource(resource: Doc, at: str) -> Iterator[Cause]:
    target = resource.get("target") or {}
    if not resource.get("name"):
        yield required(f"{at}.name", "must specify a resource name")
    if target.get("type") not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{at}.target.type", target.get("type"), "must be either Utilization, Value, or AverageValue")
    percent, value = target.get("averageUtilization"), target.get("averageValue")
    if percent is None and value is None:
        yield required(f"{at}.target.averageUtilization", "must set either a target raw value or a target utilization")
    if percent is not None and percent < 1:
        yield invalid(f"{at}.target.averageUtilization", percent, "must be greater than 0")
    if percent is not None and value is not None:
        yield forbidden(f"{at}.target.averageValue", "may not set both a target raw value and a target utilization")
    if value is not None and amount(value) <= 0:
        yield invalid(f"{at}.target.averageValue", value, "must be positive")


def _rules(rules: Doc, at: str) -> Iterator[Cause]:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield invalid(f"{at}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    elif window is not None and window > LONGEST_WINDOW:
        yield invalid(f"{at}.stabilizationWindowSeconds", window, f"must be less than or equal to {LONGEST_WINDOW}")
    yield from one_of(rules, at, "selectPolicy", "Disabled", "Max", "Min")
    if not rules.get("policies"):
        yield required(f"{at}.policies", "must specify at least one Policy")
    for number, policy in enumerate(rules.get("policies") or ()):
        where = f"{at}.policies[{number}]"
        yield from one_of(policy, where, "type", "Percent", "Pods")
        for name in ("value", "periodSeconds"):
            if policy.get(name, 0) < 1:
                yield invalid(f"{where}.{name}", policy.get(name, 0), "must be greater than zero")
        if policy.get("periodSeconds", 0) > LONGEST_PERIOD:
            yield invalid(f"{where}.periodSeconds", policy["periodSeconds"], f"must be less than or equal to {LONGEST_PERIOD}")
