"""HorizontalPodAutoscalers: the target's scale follows CPU and memory of its pods, with the status and conditions clients read."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from gitops_canary.domain.conditions import stamp
from gitops_canary.sandbox.apiserver.selectors import label_test
from gitops_canary.sandbox.controllers.pacing import Pace
from gitops_canary.sandbox.controllers.proposing import NoProposal, Proposal, Tolerances, figures, milli, proposed
from gitops_canary.sandbox.controllers.writing import write_status
from gitops_canary.sandbox.kube import MERGE, ApiError, Key, Kube
from gitops_canary.sandbox.telling import About, Recorder

Doc = dict[str, Any]
PERIOD_SECONDS = 2.0
"""How often metrics are looked at; a real cluster takes 15 s unless told otherwise."""
GOT = ("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
DISABLED = ("ScalingActive", "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
NO_SELECTOR = ("ScalingActive", "False", "InvalidSelector", "the HPA target's scale is missing a selector")

ABOVE_MOST = "Current number of replicas above Spec.MaxReplicas"
BELOW_LEAST = "Current number of replicas below Spec.MinReplicas"
ALL_BELOW = "All metrics below target"
UNMEASURED = "FailedGetResourceMetric"


class Autoscalers:
    """`sync` is called at every change of an autoscaler or its namespace's Deployments; metrics are looked at once a period."""

    def __init__(
        self, kube: Kube, pods_in: Callable[[str], Iterable[Doc]], again: Callable[[Key, float], None], recorder: Recorder
    ) -> None:
        self._kube, self._pods_in, self._again, self._recorder = kube, pods_in, again, recorder
        self._paces: dict[str, Pace] = {}
        self._seen: dict[str, tuple[float, Any]] = {}

    async def sync(self, doc: Doc, target: Doc | None) -> None:
        """`target` is the Deployment it names, as far as it is known: its number of replicas says when to look at once."""
        uid, now = doc["metadata"]["uid"], time.monotonic()
        due, before = self._seen.get(uid, (0.0, None))
        mark = (doc["spec"], target and target["spec"].get("replicas"))
        if doc["metadata"].get("deletionTimestamp") or (mark == before and now < due):
            return
        self._seen[uid] = (now + PERIOD_SECONDS, mark)
        self._again((doc["metadata"]["namespace"], doc["metadata"]["name"]), PERIOD_SECONDS)
        pods = list(self._pods_in(doc["metadata"]["namespace"]))
        await _Turn(self._kube, doc, self._paces.setdefault(uid, Pace()), pods, self._recorder).take()


class _Turn:
    """One look at one autoscaler."""

    def __init__(self, kube: Kube, doc: Doc, pace: Pace, pods: list[Doc], recorder: Recorder) -> None:
        self._kube, self._doc, self._pace, self._pods, self._recorder = kube, doc, pace, pods, recorder
        self._about = About.of(doc, "HorizontalPodAutoscaler", "autoscaling/v2")
        self._spec: Doc = doc["spec"]
        old = doc.get("status") or {}
        self._status: Doc = {key: old[key] for key in ("lastScaleTime", "desiredReplicas") if old.get(key) is not None}
        self._status["conditions"] = [dict(one) for one in old.get("conditions") or ()]

    async def take(self) -> None:
        try:
            path, scale = await self._scale()
        except (ApiError, LookupError) as error:
            why = error.message if isinstance(error, ApiError) else str(error.args[0])
            text = f"the HPA controller was unable to get the target's current scale: {why}"
            self._tell("AbleToScale", "False", "FailedGetScale", text)
            self._recorder.warn(self._about, "FailedGetScale", why)
        else:
            self._tell(*GOT)
            await self._follow(path, scale)
        await write_status(self._kube, "HorizontalPodAutoscaler", self._doc, self._status)

    async def _scale(self) -> tuple[str, Doc]:
        reference, namespace = self._spec["scaleTargetRef"], self._doc["metadata"]["namespace"]
        version, kind = str(reference.get("apiVersion") or "v1"), reference["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        listed = await self._kube.request("GET", root)
        plural = next((one["name"] for one in listed["resources"] if one["kind"] == kind and "/" not in one["name"]), None)
        if plural is None:
            raise LookupError(f'no matches for kind "{kind}" in group "{version.rpartition("/")[0]}"')
        path = f"{root}/namespaces/{namespace}/{plural}/{reference['name']}/scale"
        return path, await self._kube.request("GET", path)

    async def _follow(self, path: str, scale: Doc) -> None:
        current, now = int((scale.get("spec") or {}).get("replicas", 0)), time.monotonic()
        least, most = int(self._spec.get("minReplicas", 1)), int(self._spec["maxReplicas"])
        self._pace.begin(current, now)
        self._status["currentReplicas"] = current
        if current == 0:
            self._tell(*DISABLED)
            self._status["desiredReplicas"] = 0
            return
        wanted, why = min(max(current, least), most), ABOVE_MOST if current > most else BELOW_LEAST
        if wanted == current:
            best = await self._by_metrics(str((scale.get("status") or {}).get("selector") or ""), current)
            if best is None:
                return
            paced = self._pace.paced(self._spec, current, best.replicas, now)
            self._tell("AbleToScale", "True", *paced.able)
            self._tell("ScalingLimited", str(paced.limited), *paced.limit)
            wanted, why = paced.replicas, f"{best.metric} above target" if best.replicas > current else ALL_BELOW
        if wanted != current:
            await self._rescale(path, current, wanted, why)
        self._status["desiredReplicas"] = wanted

    async def _rescale(self, path: str, current: int, wanted: int, why: str) -> None:
        await self._kube.request("PATCH", path, {"spec": {"replicas": wanted}}, MERGE)
        self._recorder.tell(self._about, "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        self._tell("AbleToScale", "True", "SucceededRescale", f"the HPA controller was able to update the target scale to {wanted}")
        self._pace.scaled(wanted - current, time.monotonic())
        self._status["lastScaleTime"] = stamp(datetime.now(UTC))

    async def _by_metrics(self, selector: str, current: int) -> Proposal | None:
        """The largest proposal; None when there is none, or when one is missing and the others would go down."""
        if not selector:
            self._tell(*NO_SELECTOR)
            self._recorder.warn(self._about, "SelectorRequired", "selector is required")
            return None
        found: list[Proposal] = []
        failures: list[tuple[str, NoProposal]] = []
        for metric in self._spec.get("metrics") or ():
            try:
                found.append(await self._proposal(metric["resource"], selector, current))
            except NoProposal as problem:
                failures.append((metric["resource"]["name"], problem))
                self._recorder.warn(self._about, UNMEASURED, str(problem))
        best = max(found, key=lambda one: one.replicas, default=None)
        if found:
            self._status["currentMetrics"] = [one.status for one in found]
        if best is None or (failures and best.replicas < current):
            self._cannot(failures)
            return None
        why = f"the HPA was able to successfully calculate a replica count from {best.metric}"
        self._tell("ScalingActive", "True", "ValidMetricFound", why)
        return best

    def _cannot(self, failures: Sequence[tuple[str, NoProposal]]) -> None:
        (name, problem), metrics = failures[0], len(self._spec.get("metrics") or ())
        self._tell("ScalingActive", "False", UNMEASURED, f"the HPA was unable to compute the replica count: {problem}")
        first = f"failed to get {name} resource metric value: {problem}"
        text = f"invalid metrics ({len(failures)} invalid out of {metrics}), first error is: {first}"
        self._recorder.warn(self._about, "FailedComputeMetricsReplicas", text)

    async def _proposal(self, resource: Doc, selector: str, current: int) -> Proposal:
        name = resource["name"]
        what = "usage" if (resource.get("target") or {}).get("averageValue") is not None else "utilization"
        try:
            listed = await self._measured(selector)
            chosen = label_test(selector)
            pods = [pod for pod in self._pods if chosen(pod)]
            return proposed(resource, current, pods, figures(listed, name), time.time(), _tolerances(self._spec))
        except ApiError as error:
            why = f"unable to get metrics for resource {name}: {error.message}"
            raise NoProposal(f"failed to get {name} {what}: {why}") from error
        except NoProposal as problem:
            raise NoProposal(f"failed to get {name} {what}: {problem}") from problem

    async def _measured(self, selector: str) -> Doc:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{self._doc['metadata']['namespace']}/pods"
        try:
            listed = await self._kube.request("GET", f"{path}?labelSelector={quote(selector)}")
        except ApiError as error:
            raise ApiError(error.status, f"unable to fetch metrics from resource metrics API: {error.message}") from error
        if not listed.get("items"):
            raise ApiError(404, "no metrics returned from resource metrics API")
        return listed

    def _tell(self, type_: str, status: str, reason: str, message: str) -> None:
        """A condition's time is that of its last turn."""
        conditions: list[Doc] = self._status["conditions"]
        old = next((one for one in conditions if one["type"] == type_), None)
        now = stamp(datetime.now(UTC))
        if old is None:
            old = {"type": type_, "lastTransitionTime": now}
            conditions.append(old)
        elif old["status"] != status:
            old["lastTransitionTime"] = now
        old |= {"status": status, "reason": reason, "message": message}


def _tolerances(spec: Mapping[str, Any]) -> Tolerances:
    behavior = spec.get("behavior") or {}
    given = {way: (behavior.get(name) or {}).get("tolerance") for way, name in (("down", "scaleDown"), ("up", "scaleUp"))}
    return Tolerances(**{way: milli(value) / 1000 for way, value in given.items() if value is not None})
