"""What the canaries manager is told at wiring: settings, and what other managers know about a canary."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gitops_canary.domain.canary.spec import CANARY

LANE = "canaries"
ISTIO = "networking.istio.io/v1beta1"
OBSERVED: tuple[tuple[str, str], ...] = (
    CANARY,
    ("flagger.app/v1beta1", "MetricTemplate"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    (ISTIO, "VirtualService"),
    (ISTIO, "DestinationRule"),
)
"""The kinds whose cache this manager reads; wiring has the cluster watch them."""


@dataclass(frozen=True)
class CanaryRules:
    """Settings; seconds. `git` = there is a cluster repository to record results in (rule G11)."""

    interval_floor: float = 10.0
    metrics_server: str = "http://prometheus:9090"
    selector_labels: tuple[str, ...] = ("app", "name", "app.kubernetes.io/name")
    label_prefixes: tuple[str, ...] = ()
    config_tracking: bool = True
    rollback: bool = True
    git: bool = True
    namespace: str = ""
    patience: float = 600.0
    """How long a deleted Canary waits for Git (rule R13)."""
    event_webhook: str = field(default="", repr=False)
    """Told every sentence about canaries that have no webhooks of type event."""


@dataclass(frozen=True)
class Knows:
    """What others know about the canary `namespace/name`; each answers at once, from memory."""

    recorded_number: Callable[[str], int | None] = lambda key: 0
    """The highest run number in its result file; None = the branch has not been read yet (rule G2)."""
    file_image: Callable[[str, str], str | None] = lambda key, container: None
    """The image that Git holds for that container; None = nobody knows (rule R8)."""
    held: Callable[[str], str] = lambda key: ""
    """Why its analysed revision may not be promoted yet, e.g. its Helm release failed (rule H1)."""
