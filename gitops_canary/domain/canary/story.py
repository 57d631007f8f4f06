"""Every sentence about a run that a user reads; the seed's wording where Flagger's present one differs."""

from collections.abc import Iterable, Mapping

from gitops_canary.domain.canary.model import Line, Readiness
from gitops_canary.domain.canary.spec import CanarySpec

KINDS = {"configmap": "ConfigMap", "secret": "Secret"}
# Where a sentence stands among those of its tick, in the order in which they are told; a weight or a halt is at 50. What waits for pods has
# room for how far they are.
CHANGED, DETECTED, BEGINS, PASSED, HELD = 10, 20, 30, 40, 55
TARGET_WAITS, SYNCED, COPIES, DIVERTED, PRIMARY_WAITS = 1_000, 10_000, 10_001, 10_002, 20_000
ROUTES, ENDS, AFTER = 30_000, 30_100, 30_200


def canary(spec: CanarySpec) -> str:
    return f"{spec.name}.{spec.namespace}"


def target(spec: CanarySpec) -> str:
    return f"{spec.target.name}.{spec.namespace}"


def primary(spec: CanarySpec) -> str:
    return f"{spec.primary.name}.{spec.namespace}"


def initialised(spec: CanarySpec) -> Line:
    return Line(f"Initialization done! {canary(spec)}", place=ENDS)


def config_name(key: str) -> str:
    """`configmap/backend` as `ConfigMap backend`."""
    kind, _, name = key.partition("/")
    return f"{KINDS.get(kind, kind)} {name}"


def changed_configs(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Keys that are new, gone or different, in order."""
    return [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def configs_changed(keys: Iterable[str]) -> tuple[Line, ...]:
    return tuple(Line(f"{config_name(key)} has changed", place=CHANGED) for key in keys)


def new_revision(spec: CanarySpec) -> Line:
    return Line(f"New revision detected! Scaling up {target(spec)}", place=DETECTED)


def restarting(spec: CanarySpec) -> Line:
    return Line(f"New revision detected! Restarting analysis for {target(spec)}", place=DETECTED)


def reverted(spec: CanarySpec) -> Line:
    return Line(f"{target(spec)} is back at the promoted revision, no analysis needed", key="reverted")


def waiting(name: str, readiness: Readiness, place: int) -> Line:
    text = f"Halt advancement {name} waiting for rollout to finish: {readiness.waits}"
    return Line(text, warning=True, place=place + readiness.far)


def starting(spec: CanarySpec) -> Line:
    return Line(f"Starting canary analysis for {target(spec)}", place=BEGINS)


def passed(type_: str, hook: str) -> Line | None:
    """What is said of a hook that passed; rollout hooks pass silently."""
    heads = {
        "confirm-rollout": "Confirm-rollout",
        "pre-rollout": "Pre-rollout",
        "confirm-traffic-increase": "Confirm-traffic-increase",
        "confirm-promotion": "Confirm-promotion",
        "post-rollout": "Post-rollout",
        "rollback": "Rollback",
    }
    place = {"confirm-rollout": CHANGED, "post-rollout": AFTER}.get(type_, PASSED)
    return Line(f"{heads[type_]} check {hook} passed", place=place) if type_ in heads else None


def closed(spec: CanarySpec, type_: str, hook: str) -> str:
    what = {"confirm-promotion": "promotion approval", "confirm-traffic-increase": "traffic increase approval"}.get(type_, "approval")
    tail = f"advancement waiting for {what} {hook}"
    return f"Halt {canary(spec)} {tail}"


def awaits(type_: str) -> str:
    """What an alert says of a closed gate, in Flagger's words."""
    what = {"confirm-promotion": "Canary promotion", "confirm-traffic-increase": "Canary traffic increase"}.get(type_, "Canary")
    return f"{what} is waiting for approval."


def advanced(spec: CanarySpec, weight: int) -> Line:
    return Line(f"Advance {canary(spec)} canary weight {weight}")


def stepped_back(spec: CanarySpec, weight: int) -> Line:
    return Line(f"Advance {canary(spec)} primary weight {weight}")


def synced(keys: Iterable[str]) -> tuple[Line, ...]:
    """The copies for the primary; before `Copying`, as the seed shows them."""
    return tuple(Line(f"{config_name(key)}-primary synced", place=SYNCED) for key in sorted(keys))


def copying(spec: CanarySpec) -> Line:
    return Line(f"Copying {target(spec)} template spec to {primary(spec)}", place=COPIES)


def routing_to_primary(spec: CanarySpec) -> Line:
    return Line("Routing all traffic to primary", place=ROUTES)


def promoted(spec: CanarySpec) -> Line:
    if spec.skip_analysis:
        return Line(f"Promotion completed! Canary analysis was skipped for {target(spec)}", place=ENDS)
    return Line(f"Promotion completed! Scaling down {target(spec)}", place=ENDS)


def threshold_reached(spec: CanarySpec, failed: int) -> Line:
    return Line(f"Rolling back {canary(spec)} failed checks threshold reached {failed}", warning=True, place=ROUTES)


def deadline_exceeded(spec: CanarySpec, reason: str) -> Line:
    return Line(f"Rolling back {canary(spec)} progress deadline exceeded: {reason}", warning=True, place=ROUTES)


def rolled_back_by_hand(spec: CanarySpec) -> Line:
    return Line(f"Rolling back {canary(spec)} manual webhook invoked", warning=True, place=ROUTES)


def failed(spec: CanarySpec) -> Line:
    return Line(f"Canary failed! Scaling down {canary(spec)}", warning=True, place=ENDS)


def promotion_failed(spec: CanarySpec, reason: str) -> Line:
    return Line(f"Promotion of {target(spec)} failed, primary not ready: {reason}", warning=True, place=ENDS)


def diverted(spec: CanarySpec) -> Line:
    return Line(f"New revision of {target(spec)} waits: the promotion of the analysed one goes on", place=DIVERTED)


def aborted(spec: CanarySpec, reason: str) -> Line:
    return Line(f"Analysis of {canary(spec)} aborted: {reason}", warning=True, place=ENDS)


def hindered(says: str) -> Line:
    return Line(says, warning=True, key=f"hindered {says}", place=AFTER)


def obstacle(says: str, *, resting: bool) -> Line:
    return Line(says, warning=True, key=f"obstacle {says}", place=AFTER if resting else HELD)


def held(says: str) -> Line:
    return Line(says, warning=True, place=HELD)


def failed_after(says: str) -> Line:
    return Line(says, warning=True, place=AFTER)


def unrecorded(result: Mapping[str, object]) -> Line:
    return Line(f"Result not recorded in Git: {dict(result)}", warning=True, key=f"lost {result.get('number')}", place=AFTER)


def too_many_pending(spec: CanarySpec, count: int) -> str:
    return f"{canary(spec)} starts no run: {count} results wait for the cluster repository to be reachable"


def branch_unread(spec: CanarySpec) -> str:
    return f"{canary(spec)} starts no run before the cluster repository has been read once"


def suspended(spec: CanarySpec) -> str:
    return f"{canary(spec)} is suspended"
