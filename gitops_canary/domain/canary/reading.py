"""A Canary object as a `CanarySpec`: defaults, units and refusals, each with the field it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_canary.domain.canary.durations import seconds
from gitops_canary.domain.canary.spec import EVENT, HOOK_TYPES, SEVERITIES, Alert, CanarySpec, Hook, Metric, Service
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Ref

NOTHING: Mapping[str, Any] = {}


def canary_spec(doc: Mapping[str, Any], *, interval_floor: float = 10.0, rollback: bool = True) -> CanarySpec:
    """Reads a Canary. UserError names the field and what to write; The defaults are Flagger's."""
    meta, spec = doc["metadata"], doc.get("spec") or {}
    read = _Reader(f"{meta['namespace']}/{meta['name']}")
    _refuse_unsupported(read, spec)
    namespace = str(meta["namespace"])
    target = _target(read, spec, namespace)
    analysis = spec.get("analysis") or {}
    hooks = tuple(_hook(read, one) for one in analysis.get("webhooks") or ())
    skip = bool(spec.get("skipAnalysis")) or not analysis
    return CanarySpec(
        namespace=namespace,
        name=str(meta["name"]),
        target=target,
        service=_service(read, spec.get("service") or {}, target.name),
        steps=(100,) if skip and not analysis else weights(read, analysis),
        scaler=_scaler(read, spec.get("autoscalerRef"), namespace),
        scaler_limits={k: int(v) for k, v in ((spec.get("autoscalerRef") or {}).get("primaryScalerReplicas") or {}).items()},
        interval=max(read.duration(analysis, "interval", 60.0), interval_floor),
        threshold=max(1, read.number(analysis, "threshold", 1)),
        step_back=read.number(analysis, "stepWeightPromotion", 0, most=100),
        primary_ready=read.number(analysis, "primaryReadyThreshold", 100, most=100),
        canary_ready=read.number(analysis, "canaryReadyThreshold", 100, most=100),
        metrics=tuple(_metric(read, one, namespace) for one in analysis.get("metrics") or ()),
        hooks=tuple(hook for hook in hooks if hook.type != EVENT),
        events=tuple(hook for hook in hooks if hook.type == EVENT),
        deadline=float(read.number(spec, "progressDeadlineSeconds", 600)) or 600.0,
        skip_analysis=skip,
        suspend=bool(spec.get("suspend")),
        metrics_server=str(spec.get("metricsServer") or ""),
        alerts=tuple(_alert(read, one, namespace) for one in analysis.get("alerts") or ()),
        rollback=rollback,
    )


@dataclass(frozen=True)
class _Reader:
    """Reads fields and says what is wrong with them."""

    canary: str

    def wrong(self, what: str, hint: str = "") -> UserError:
        return UserError(f"cannot analyse Canary {self.canary}: {what}", hint=hint)

    def duration(self, fields: Mapping[str, Any], name: str, default: float) -> float:
        given = fields.get(name)
        if given in (None, ""):
            return default
        try:
            return seconds(str(given))
        except ValueError as error:
            raise self.wrong(f"{name} {error}") from error

    def number(self, fields: Mapping[str, Any], name: str, default: int, most: int | None = None) -> int:
        given = fields.get(name)
        if given is None:
            return default
        if isinstance(given, bool) or not isinstance(given, int | float) or not float(given).is_integer():
            raise self.wrong(f"{name} {given!r} is not a whole number")
        if given < 0 or (most is not None and given > most):
            raise self.wrong(f"{name} {given} is below 0" if most is None else f"{name} {given} is not between 0 and {most}")
        return int(given)


def weights(read: _Reader, analysis: Mapping[str, Any]) -> tuple[int, ...]:
    """The canary weights in order. Flagger's sequences: `maxWeight` is a gate, not a cap (step 20, max 50: 20, 40, 60), 100 clamps;
    with `stepWeights` the last step is the maximum. A list that does not rise would stall there: it is refused."""
    steps = analysis.get("stepWeights")
    if steps:
        numbers = tuple(read.number({"stepWeights": one}, "stepWeights", 0, most=100) for one in steps)
        if list(numbers) != sorted(set(numbers)) or numbers[0] == 0:
            raise read.wrong(f"stepWeights {list(numbers)} do not rise", "write each weight once, in ascending order, above 0")
        return numbers
    step = read.number(analysis, "stepWeight", 0, most=100)
    if not step:
        raise read.wrong("analysis has neither stepWeight nor stepWeights", "write how far traffic moves, e.g. stepWeight: 5")
    most = read.number(analysis, "maxWeight", 100, most=100) or 100
    made = [step]
    while made[-1] < most:
        made.append(min(made[-1] + step, 100))
    return tuple(made)


def _refuse_unsupported(read: _Reader, spec: Mapping[str, Any]) -> None:
    analysis, service = spec.get("analysis") or {}, spec.get("service") or {}
    found = {
        "A/B testing (analysis.match)": analysis.get("match"),
        "blue/green (analysis.iterations)": analysis.get("iterations"),
        "traffic mirroring (analysis.mirror)": analysis.get("mirror"),
        "session affinity (analysis.sessionAffinity)": analysis.get("sessionAffinity"),
        "delegation (service.delegation)": service.get("delegation"),
        "mirroring to another backend (service.mirror)": service.get("mirror"),
        "revertOnDeletion": spec.get("revertOnDeletion"),
    }
    for name, given in found.items():
        if given:
            raise read.wrong(f"{name} is not supported yet", "use stepWeight or stepWeights" if "analysis." in name else "remove the field")
    provider = spec.get("provider") or "istio"
    if provider != "istio":
        raise read.wrong(f"provider {provider} is not supported yet", "use istio")


def _target(read: _Reader, spec: Mapping[str, Any], namespace: str) -> Ref:
    given = spec.get("targetRef") or {}
    kind, name = given.get("kind"), given.get("name")
    if not name:
        raise read.wrong("targetRef has no name")
    if kind != "Deployment":
        raise read.wrong(f"targetRef kind {kind} is not supported yet", "use a Deployment")
    return Ref("apps/v1", "Deployment", namespace, str(name))


def _scaler(read: _Reader, given: Mapping[str, Any] | None, namespace: str) -> Ref | None:
    if not given:
        return None
    if given.get("kind") != "HorizontalPodAutoscaler":
        raise read.wrong(f"autoscalerRef kind {given.get('kind')} is not supported yet", "use a HorizontalPodAutoscaler")
    # Flagger takes any version here and reads autoscaling/v2, the only one that clusters still serve.
    return Ref("autoscaling/v2", "HorizontalPodAutoscaler", namespace, str(given.get("name")))


def _service(read: _Reader, given: Mapping[str, Any], target: str) -> Service:
    port = read.number(given, "port", 0, most=65535)
    if not port:
        raise read.wrong("service.port is missing")
    target_port = given.get("targetPort") or port
    return Service(str(given.get("name") or target), port, str(given.get("portName") or "http"), target_port, given)


def _metric(read: _Reader, given: Mapping[str, Any], namespace: str) -> Metric:
    """A deprecated `threshold` is a minimum for the success rate and a maximum for everything else, as in Flagger."""
    name = str(given.get("name") or "")
    limits = given.get("thresholdRange") or NOTHING
    least, most = limits.get("min"), limits.get("max")
    if not limits and given.get("threshold") is not None:
        least, most = (given["threshold"], None) if name == "request-success-rate" else (None, given["threshold"])
    ref = given.get("templateRef")
    template = (str(ref.get("namespace") or namespace), str(ref["name"])) if ref else None
    metric = Metric(
        name,
        read.duration(given, "interval", 60.0),
        None if least is None else float(least),
        None if most is None else float(most),
        str(given.get("query") or ""),
        template,
        {str(k): str(v) for k, v in (given.get("templateVariables") or {}).items()},
    )
    if metric.builtin and name not in ("request-success-rate", "request-duration"):
        raise read.wrong(f"metric {name!r} is neither built in nor has it a query or templateRef", "see request-success-rate")
    return metric


def _alert(read: _Reader, given: Mapping[str, Any], namespace: str) -> Alert:
    ref, severity = given.get("providerRef") or {}, str(given.get("severity") or "info")
    if not ref.get("name"):
        raise read.wrong(f"alert {given.get('name')!r} names no AlertProvider", "set providerRef.name")
    if severity not in SEVERITIES:
        raise read.wrong(f"alert {given.get('name')!r} has the unknown severity {severity!r}", f"use one of {', '.join(SEVERITIES)}")
    return Alert(str(ref["name"]), str(ref.get("namespace") or namespace), severity)


def _hook(read: _Reader, given: Mapping[str, Any]) -> Hook:
    type_ = str(given.get("type") or "rollout")
    if type_ not in HOOK_TYPES:
        raise read.wrong(f"webhook {given.get('name')!r} has the unknown type {type_!r}", f"use one of {', '.join(HOOK_TYPES)}")
    url = str(given.get("url") or "")
    if not url.startswith(("http://", "https://")):
        raise read.wrong(f"webhook {given.get('name')!r} has the URL {url!r}", "write http:// or https://")
    metadata = {str(k): str(v) for k, v in (given.get("metadata") or {}).items()}
    timeout = read.duration(given, "timeout", 10.0)
    retries, insecure, mute = read.number(given, "retries", 0), bool(given.get("disableTLS")), bool(given.get("muteAlert"))
    return Hook(type_, str(given.get("name")), url, timeout, retries, metadata, insecure, mute)
