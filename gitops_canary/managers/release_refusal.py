"""Why a release must not be upgraded now: a canary of it serves from its target (rule R11). Read from the cache, nothing else."""

from collections.abc import Callable

from gitops_canary.domain.canary.status import status_from
from gitops_canary.domain.helmrelease import HelmReleaseSpec
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
