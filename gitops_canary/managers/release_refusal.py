"""What releases and canaries must know of each other: when a release must not be upgraded (R11), when a run must not be promoted (H1)."""

from collections.abc import Callable

from gitops_canary.domain.automation import image_keys
from gitops_canary.domain.canary.status import Run, status_from
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import GROUPS, KIND, parse_helmrelease
from gitops_canary.domain.put_back import same_image
from gitops_canary.domain.resources import Doc, Ref, Resource, ref_of
from gitops_canary.managers.release_cases import Case
from gitops_canary.managers.release_status import name_of
from gitops_canary.ports import Cluster

RELEASE = "meta.helm.sh/release-name"


def refusal_by_canaries(cluster: Cluster, retried: Callable[[str, int], bool] = lambda key, number: False) -> Callable[[Case], str]:
    """The sentence for ReleasesManager's `refusal`; "" when the release may be upgraded. `retried`: whether a person has asked by
    `gitops-canary retry` to go on after that run of the canary `namespace/name`."""

    def refusal(case: Case) -> str:
        for canary in cluster.list("flagger.app/v1beta1", "Canary", case.spec.target_namespace):
            run = status_from(canary.get("status") or {}).run
            if run is None or not run.serves or (canary["metadata"].get("annotations") or {}).get(RELEASE) != case.spec.release:
                continue
            if not goes_back(case, run) and not retried(name_of(canary), run.number):
                return f"canary {name_of(canary)} serves from its target until its primary is ready; `gitops-canary retry` goes on now"
        return ""

    return refusal


def goes_back(case: Case, run: Run) -> bool:
    """Whether the release shall be again what it was when the canary's run started: the values of an earlier revision, with its image."""
    history = case.known.history or ()
    if not history:
        return False
    earlier = [dict(one.values) for one in reversed(history[:-1]) if one.values != history[-1].values and one.chart == history[-1].chart]
    if same_image(run.was.image, run.now.image):
        return earlier[:1] == [case.values]
    return case.values in earlier and any(same_image(str(key.image), run.was.image) for key in image_keys(_with_values(case)))


def _with_values(case: Case) -> Resource:
    doc = {**case.doc, "spec": {**case.doc["spec"], "values": case.values}}
    return Resource(ref_of(doc), doc, "", 0, 1)


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
