"""The machine's effects on the cluster: each idempotent, each written on the version that its decision came from (rule O3)."""

from collections.abc import Mapping, Sequence

from gitops_canary.domain.canary.checks import run_id
from gitops_canary.domain.canary.model import Copy, Create, Effect, Finalizer, Line, Notify, Route, Scale, ScalePrimary, revision_id
from gitops_canary.domain.canary.objects import apex_service, config_copy, primary_deployment, primary_scaler, side_services
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.domain.canary.transitions import RESTING, Phase
from gitops_canary.domain.errors import Conflict
from gitops_canary.domain.resources import Doc, ref_of
from gitops_canary.managers.canaries.configs import Configs, config_ref
from gitops_canary.managers.canaries.observe import FINALIZER, World, scaler_ref, service_refs
from gitops_canary.managers.canaries.rules import CanaryRules
from gitops_canary.ports import Cluster
from gitops_canary.routers import istio


class Effects:
    """Applies effects in order; what stands already costs no request."""

    def __init__(self, cluster: Cluster, configs: Configs, rules: CanaryRules) -> None:
        self._cluster = cluster
        self._configs = configs
        self._rules = rules

    def apply(self, world: World, effects: Sequence[Effect]) -> None:
        """Raises what the Cluster port raises; `world.canary` becomes newer when the finalizer changes."""
        for effect in effects:
            self._apply(world, effect)

    def _apply(self, world: World, effect: Effect) -> None:
        match effect:
            case Create():
                self._create(world)
            case Route(canary=weight):
                for doc in istio.routes(world.spec, world.canary, weight):
                    self._put(world, doc)
            case Scale(replicas=replicas):
                self._scale(world, replicas)
            case ScalePrimary(replicas=replicas):
                self._cluster.scale(world.spec.primary, replicas)
            case Copy(back=back):
                self._copy(world, back)
            case Finalizer(held=held):
                self._finalizer(world, held)
            case Notify():
                # Goes with the status and is sent from there (`notices.py`).
                pass

    def _put(self, world: World, doc: Doc) -> None:
        version = world.versions.get(ref_of(doc))
        if version:
            doc["metadata"]["resourceVersion"] = version
        world.versions[ref_of(doc)] = self._cluster.apply(doc)["metadata"]["resourceVersion"]

    def _create(self, world: World) -> None:
        """Services are kept right; primary, its configs and autoscaler are made when missing, and changed only by promotions, or where
        somebody else's hand was on the primary. The apex Service moves to the primary once that is ready: Route comes with it then."""
        spec, target, selector = world.spec, world.target, world.selector
        if target is None or selector is None:
            return
        starting = world.status.phase in (Phase.NEW, Phase.INITIALIZING)
        for doc in side_services(spec, world.canary, target, selector):
            self._put(world, doc)
        if _edited(world):
            self._put(world, self._primary(world, target["spec"]["template"], world.revision, frozenset(world.seen.configs)))
        elif world.primary is None or (starting and world.seen.primary_carries != world.revision):
            self._copy_configs(world, world.seen.configs)
            self._put(world, self._primary(world, target["spec"]["template"], world.revision, frozenset(world.seen.configs)))
        if spec.scaler is not None and world.scaler is not None and scaler_ref(spec) not in world.versions:
            self._put(world, primary_scaler(spec, world.canary, world.scaler))
        ready = world.seen.primary is not None and world.seen.primary.readiness.ready
        if not starting or (ready and world.seen.primary_carries == world.revision) or service_refs(spec)[0] not in world.versions:
            self._put(world, apex_service(spec, world.canary, target, selector))

    def _primary(self, world: World, template: Doc, revision: str, tracked: frozenset[str]) -> Doc:
        assert world.target is not None
        assert world.selector is not None
        prefixes = self._rules.label_prefixes
        return primary_deployment(world.spec, world.canary, world.target, template, world.selector, revision, tracked, prefixes)

    def _scale(self, world: World, replicas: int) -> None:
        if world.target is not None and world.target["spec"].get("replicas", 1) != replicas:
            self._cluster.scale(world.spec.target, replicas)

    def _copy(self, world: World, back: bool) -> None:
        """Replicas and configs first, the pod template with its revision mark last: the mark says that all of it was done (rule R2)."""
        run, spec = world.status.run, world.spec
        assert run is not None
        assert world.target is not None
        goal = run.was if back else run.now
        template = world.target["spec"]["template"] if back else world.pinned
        if template is None:
            raise Conflict(f"cannot copy to {spec.primary}: the analysed template is gone")
        if self._resize_primary(world):
            return
        self._copy_configs(world, goal.configs)
        if spec.scaler is not None and world.scaler is not None:
            self._put(world, primary_scaler(spec, world.canary, world.scaler))
        self._put(world, self._primary(world, template, revision_id(goal.template, goal.configs), frozenset(goal.configs)))

    def _resize_primary(self, world: World) -> bool:
        """Without an autoscaler the primary takes the target's replicas (rule O1); true when that was written: the copy itself follows
        at the next look, on the version that this write makes (rule O3)."""
        assert world.target is not None
        replicas = world.target["spec"].get("replicas", 1)
        if world.spec.scaler is not None or not replicas or world.primary is None or world.primary["spec"].get("replicas", 1) == replicas:
            return False
        self._cluster.scale(world.spec.primary, replicas)
        return True

    def _copy_configs(self, world: World, configs: Mapping[str, str]) -> None:
        for key, wanted in sorted(configs.items()):
            config = self._configs.read(config_ref(world.spec.namespace, key), wanted)
            self._cluster.apply(config_copy(world.canary, config))

    def _finalizer(self, world: World, held: bool) -> None:
        meta = world.canary["metadata"]
        others = [one for one in meta.get("finalizers") or () if one != FINALIZER]
        wanted = [*others, FINALIZER] if held else others
        if wanted == list(meta.get("finalizers") or ()) or (held and FINALIZER in (meta.get("finalizers") or ())):
            return
        patch = {"metadata": {"finalizers": wanted}}
        world.canary = self._cluster.patch(ref_of(world.canary), patch, resource_version=meta["resourceVersion"])


def _edited(world: World) -> bool:
    """At rest, the primary's template is not the target's that was copied to it last: another hand than ours changed it."""
    target, primary = world.seen.target, world.seen.primary
    if target is None or primary is None or world.status.phase not in RESTING:
        return False
    return world.seen.primary_carries == world.revision and primary.template != target.template


def order_of(status: CanaryStatus, line: Line) -> str:
    """What sorts the Event of a sentence that leads to `status`: its run, its tick, its place there."""
    tick = status.run.tick if status.run else 0
    return f"{status.number:05d}-{tick:05d}-{line.place:05d}"


def told_key(world: World, key: str, text: str) -> str:
    """Under what a sentence is told once: its run and, where repetition is meant, its tick."""
    run = world.status.run
    return f"{run_id(world.spec, run) if run else 'before'}/{key}/{text}"
