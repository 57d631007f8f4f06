"""One look at a canary's world from the cache: what the machine decides on, and the objects that its effects will write."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops_canary.domain.canary.model import Readiness, Seen, Workload, revision_id
from gitops_canary.domain.canary.objects import HELM_RELEASE
from gitops_canary.domain.canary.pods import trouble
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import CanaryStatus, Run, since
from gitops_canary.domain.canary.workloads import (
    REVISION,
    SUFFIX,
    Selector,
    config_refs,
    images,
    original_template,
    readiness,
    selector_of,
    template_hash,
)
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.managers.canaries.configs import Configs, config_ref
from gitops_canary.managers.canaries.rules import CanaryRules, Knows
from gitops_canary.ports import Cluster
from gitops_canary.routers import istio

FINALIZER = "gitops-canary/result"


@dataclass
class World:
    """A canary with the raw objects of one look. `versions`: resourceVersion of every generated object that exists (rule O3)."""

    canary: Doc
    spec: CanarySpec
    status: CanaryStatus
    seen: Seen
    target: Doc | None = None
    primary: Doc | None = None
    scaler: Doc | None = None
    selector: Selector | None = None
    pinned: Doc | None = None
    """The pod template of the run's revision, where it still exists."""
    versions: dict[Ref, str] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """The target's present revision."""
        return revision_id(self.seen.target.template if self.seen.target else "", self.seen.configs)


class Observer:
    """Reads the cluster's cache; the only requests are those for changed configs and for the pods of a rollout that is given up."""

    def __init__(self, cluster: Cluster, configs: Configs, rules: CanaryRules, knows: Knows) -> None:
        self._cluster = cluster
        self._configs = configs
        self._rules = rules
        self._knows = knows

    def look(self, canary: Doc, spec: CanarySpec, status: CanaryStatus, unready: float, now: datetime) -> World:
        """`unready`: seconds since which the target has been seen not ready."""
        world = World(canary, spec, status, Seen(None))
        world.target = self._cluster.get(spec.target)
        world.primary = self._cluster.get(spec.primary)
        world.scaler = self._cluster.get(spec.scaler) if spec.scaler else None
        generated = self._generated(spec)
        world.versions = {ref: doc["metadata"]["resourceVersion"] for ref, doc in generated.items()}
        if world.target is not None:
            world.selector = selector_of(world.target, self._rules.selector_labels)
        world.seen = self._seen(world, generated, unready, now)
        return world

    def places(self, spec: CanarySpec, target: Doc | None) -> set[tuple[str, str, str]]:
        """(kind, namespace, name) of everything whose change concerns this canary."""
        refs = {spec.target, spec.primary, *service_refs(spec), *istio.route_refs(spec)}
        refs |= {spec.scaler} if spec.scaler else set()
        refs |= {scaler_ref(spec)} if spec.scaler else set()
        used = config_refs(target["spec"]["template"]) if target else ()
        refs |= {Ref("v1", config.kind, spec.namespace, config.name) for config in used}
        return {(ref.kind, ref.namespace, ref.name) for ref in refs}

    def _generated(self, spec: CanarySpec) -> dict[Ref, Doc]:
        refs = [spec.primary, *service_refs(spec), *istio.route_refs(spec), *([scaler_ref(spec)] if spec.scaler else [])]
        return {ref: doc for ref in refs if (doc := self._cluster.get(ref)) is not None}

    def _seen(self, world: World, generated: dict[Ref, Doc], unready: float, now: datetime) -> Seen:
        spec, status, meta = world.spec, world.status, world.canary["metadata"]
        deleted = meta.get("deletionTimestamp")
        run = status.run
        obstacle, configs = self._obstacle(world, generated), dict[str, str]()
        if world.target is not None and not obstacle:
            looked = self._configs.look(spec.namespace, config_refs(world.target["spec"]["template"]))
            configs = looked.hashes
            if looked.missing:
                obstacle = f"{spec.target} uses {', '.join(looked.missing)}, which is missing"
        return Seen(
            target=self._target(world, _late(spec, run, unready, now)),
            primary=self._primary(world, now),
            primary_carries=((world.primary or {}).get("metadata", {}).get("annotations") or {}).get(REVISION, ""),
            primary_configs=self._configs.copies(spec.namespace, configs) if status.foreign and not obstacle else None,
            configs=configs,
            pinned_available=self._pinned(world, obstacle),
            scale_up=_scale_up(world),
            wanted_primary=_wanted_primary(world),
            obstacle=obstacle,
            deleted=None if not deleted else max(0.0, (now - datetime.fromisoformat(str(deleted))).total_seconds()),
            patience=self._rules.patience,
            finalizer=FINALIZER in (meta.get("finalizers") or ()),
            recorded=self._knows.recorded_number(spec.key) if self._rules.git else 0,
            git=self._rules.git,
            file_image=self._knows.file_image(spec.key, run.container) if run else None,
            canary_unready=unready,
            held=self._knows.held(spec.key),
        )

    def _obstacle(self, world: World, generated: dict[Ref, Doc]) -> str:
        spec = world.spec
        if world.target is None:
            return ""
        if world.selector is None:
            return f"{spec.target} selects its pods by none of the labels {', '.join(self._rules.selector_labels)}"
        if spec.scaler is not None and world.scaler is None:
            return f"{spec.scaler}, which autoscalerRef names, is missing"
        for ref, doc in generated.items():
            release = (doc["metadata"].get("annotations") or {}).get(HELM_RELEASE)
            # Flagger copies the target's annotations to the primary, Helm's with them; what a Canary owns is no chart's.
            if release and not doc["metadata"].get("ownerReferences"):
                return f"{ref} is rendered by the Helm release {release}; a canary makes its own, so turn it off in the chart's values"
        return ""

    def _target(self, world: World, late: bool) -> Workload | None:
        doc = world.target
        if doc is None:
            return None
        template, ready = doc["spec"]["template"], self._readiness(world, doc, world.spec.canary_ready, late)
        return Workload(template_hash(template), doc["spec"].get("replicas", 1), ready, images(template))

    def _readiness(self, world: World, doc: Doc, threshold: int, late: bool) -> Readiness:
        """A rollout that is given up says only how many pods are missing; what the pods say costs one request, at that moment alone."""
        found, run = readiness(doc, threshold), world.status.run
        if found.ready or run is None or not run.under_way or not (found.final or late):
            return found
        pods = self._cluster.list("v1", "Pod", doc["metadata"]["namespace"], (doc["spec"].get("selector") or {}).get("matchLabels"))
        return replace(found, waits=trouble(pods) or found.waits)

    def _primary(self, world: World, now: datetime) -> Workload | None:
        doc, spec = world.primary, world.spec
        if doc is None or world.selector is None:
            return None
        template = doc["spec"]["template"]
        original = template_hash(original_template(template, world.selector, spec.target.name))
        run = world.status.run
        late = run is not None and bool(run.promoting) and since(run.promoting, now) > spec.deadline
        ready = self._readiness(world, doc, spec.primary_ready, late)
        return Workload(original, doc["spec"].get("replicas", 1), ready, images(template))

    def _pinned(self, world: World, obstacle: str) -> bool:
        """Finds the run's template: the target's own, or that of its ReplicaSet with the same hash (rule R4)."""
        run = world.status.run
        if run is None or world.target is None or obstacle or not (run.under_way or run.serves):
            return True
        world.pinned = self._template(world.target, run.now.template)
        return world.pinned is not None and self._configs.same(world.spec.namespace, dict(run.now.configs))

    def _template(self, target: Doc, wanted: str) -> Doc | None:
        own: Doc = target["spec"]["template"]
        if template_hash(own) == wanted:
            return own
        uid = target["metadata"].get("uid")
        for one in self._cluster.list("apps/v1", "ReplicaSet", target["metadata"]["namespace"]):
            owners = one["metadata"].get("ownerReferences") or ()
            if any(owner.get("uid") == uid for owner in owners) and template_hash(one["spec"]["template"]) == wanted:
                template: Doc = one["spec"]["template"]
                return template
        return None


def _scale_up(world: World) -> int:
    """Flagger's order: the target's own number; the autoscaler's minimum; without one the primary's; else 1."""
    own = ((world.target or {}).get("spec") or {}).get("replicas", 1)
    if own:
        return int(own)
    if world.spec.scaler is not None:
        return max(1, int(((world.scaler or {}).get("spec") or {}).get("minReplicas") or 1))
    return max(1, int(((world.primary or {}).get("spec") or {}).get("replicas") or 1))


def _late(spec: CanarySpec, run: Run | None, unready: float, now: datetime) -> bool:
    """The run's target has had its time (the machine counts alike)."""
    return run is not None and (unready if run.first_weight else since(run.started, now)) > spec.deadline


def _wanted_primary(world: World) -> int:
    """What the primary starts with: as many pods as serve now (rule O1)."""
    return max(1, int(((world.target or {}).get("spec") or {}).get("replicas", 1)))


def service_refs(spec: CanarySpec) -> tuple[Ref, ...]:
    name = spec.service.name
    return tuple(Ref("v1", "Service", spec.namespace, one) for one in (name, f"{name}-canary", f"{name}-primary"))


def scaler_ref(spec: CanarySpec) -> Ref:
    assert spec.scaler is not None
    return Ref(spec.scaler.api_version, spec.scaler.kind, spec.namespace, spec.scaler.name + SUFFIX)


__all__ = ["FINALIZER", "Observer", "World", "config_ref", "scaler_ref", "service_refs"]
