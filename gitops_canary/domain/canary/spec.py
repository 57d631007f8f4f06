"""A Canary's spec as typed values; `reading.py` makes them of the raw `flagger.app/v1beta1` object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.resources import Ref

CANARY = ("flagger.app/v1beta1", "Canary")
EVENT = "event"
HOOK_TYPES = (
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "rollback",
    EVENT,
)


@dataclass(frozen=True)
class Hook:
    """A webhook of the analysis; `timeout` in seconds for each attempt."""

    type: str
    name: str
    url: str
    timeout: float = 10.0
    retries: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    disable_tls: bool = False
    mute: bool = False
    """`muteAlert`: nobody is alerted while this gate is closed."""


@dataclass(frozen=True)
class Metric:
    """A metric of the analysis: passes within [least, most]; `window` in seconds; built-in unless it has a query or a template."""

    name: str
    window: float
    least: float | None = None
    most: float | None = None
    query: str = ""
    template: tuple[str, str] | None = None
    """(namespace, name) of the MetricTemplate."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def builtin(self) -> bool:
        return not self.query and self.template is None


@dataclass(frozen=True)
class Service:
    """`spec.service`; the routing parts stay raw, they are copied into routes as they are."""

    name: str
    port: int
    port_name: str
    target_port: int | str
    raw: Mapping[str, Any] = field(hash=False)


SEVERITIES = ("info", "warn", "error")


@dataclass(frozen=True)
class Alert:
    """An AlertProvider that is told instead of the global receivers; `severity` info, warn or error. Flagger's documentation says that info
    is the default; its code then sends nothing."""

    provider: str
    namespace: str
    severity: str = "info"


@dataclass(frozen=True)
class CanarySpec:
    """All durations in seconds, weights and thresholds in percent. `steps` are the canary weights in order, the last one is judged and
    then promoted."""

    namespace: str
    name: str
    target: Ref
    service: Service
    steps: tuple[int, ...]
    scaler: Ref | None = None
    scaler_limits: Mapping[str, int] = field(default_factory=dict, hash=False)
    interval: float = 60.0
    threshold: int = 1
    step_back: int = 0
    """`stepWeightPromotion`: percent by which traffic goes back to the primary; 0 = at once."""
    primary_ready: int = 100
    canary_ready: int = 100
    metrics: tuple[Metric, ...] = ()
    hooks: tuple[Hook, ...] = ()
    events: tuple[Hook, ...] = ()
    """Webhooks that every sentence goes to; none of them is a check."""
    deadline: float = 600.0
    skip_analysis: bool = False
    suspend: bool = False
    metrics_server: str = ""
    alerts: tuple[Alert, ...] = ()
    rollback: bool = True
    """False leaves a failed canary serving (`--disable-rollback`, only to see a test notice it)."""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def primary(self) -> Ref:
        return Ref(self.target.api_version, self.target.kind, self.namespace, f"{self.target.name}-primary")

    def hooks_of(self, type_: str) -> tuple[Hook, ...]:
        return tuple(hook for hook in self.hooks if hook.type == type_)


def hosts_and_gateways(service: Service) -> tuple[Sequence[str], Sequence[str]]:
    """Hosts end with the apex name unless it or `*` is there; a gateway never stands without `mesh`, or the calls inside the mesh would go
    past the weights (Flagger dropped it in 0.11)."""
    hosts, gateways = list(service.raw.get("hosts") or ()), list(service.raw.get("gateways") or ())
    if service.name not in hosts and "*" not in hosts:
        hosts.append(service.name)
    return hosts, gateways if "mesh" in gateways else [*gateways, "mesh"]
