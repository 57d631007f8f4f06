"""What releases and canaries must know of each other: when a release must not be upgraded (R11), when a run must not be promoted (H1)."""

from collections.abc import Callable

from gitops_canary.domain.canary.status import status_from
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import GROUPS, KIND, HelmReleaseSpec, parse_helmrelease
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.managers.release_status import name_of
from gitops_canary.ports import Cluster

RELEASE = "meta.helm.sh/release-name"


def refusal_by_canaries(cluster: Cluster) -> Callable[[HelmReleaseSpec], str]:
    """The sentence for ReleasesManager's `refusal`; "" when the release may be upgraded."""

    def refusal(spec: HelmReleaseSpec) -> str:
        for canary in cluster.list("flagger.app/v1beta1", "Canary", spec.target_namespace):
            run = status_from(canary.get("status") or {}).run
            if run is not None and run.serves and (canary["metadata"].get("annotations") or {}).get(RELEASE) == spec.release:
                return f"canary {name_of(canary)} serves from its target until its primary is ready"
        return ""

    return refusal


def held_by_release(cluster: Cluster) -> Callable[[str], str]:
    """Why the canary `namespace/name` must not be promoted yet: the release that brought its revision is not deployed; "" = it may."""

    def held(key: str) -> str:
        namespace, _, name = key.partition("/")
        canary = cluster.get(Ref("flagger.app/v1beta1", "Canary", namespace, name))
        release = ((canary or {}).get("metadata") or {}).get("annotations", {}).get(RELEASE)
        if not release:
            return ""
        for doc in (doc for group in GROUPS for doc in cluster.list(group, KIND)):
            status = str((doc.get("status") or {}).get("releaseStatus") or "deployed")
            if status != "deployed" and _makes(doc, release, namespace):
                return f"HelmRelease {name_of(doc)} is {status}, not deployed"
        return ""

    return held


def _makes(doc: Doc, release: str, namespace: str) -> bool:
    try:
        spec = parse_helmrelease({**doc, "kind": KIND})
    except UserError:
        return False
    return (spec.release, spec.target_namespace) == (release, namespace)
