"""Deployments, ReplicaSets, Jobs, autoscalers: what users and the operator see of them, with a stand-in that makes pods ready."""

from collections.abc import Callable

from tests.conformance.client import Api, Doc
from tests.conformance.objects import container, deployment, job
from tests.conformance.stand_in import StandIn

REVISION = "deployment.kubernetes.io/revision"


def _condition(doc: Doc, type_: str) -> Doc:
    found: Doc = next((one for one in doc.get("status", {}).get("conditions") or [] if one["type"] == type_), {})
    return found


def _rolled(replicas: int, generation: int) -> Callable[[Doc], bool]:
    def holds(doc: Doc) -> bool:
        status = doc["status"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
        return status.get("observedGeneration", 0) >= generation and counts == [replicas] * 4 and not status.get("unavailableReplicas")

    return holds


def _images(api: Api) -> list[str]:
    return sorted(
        pod["spec"]["containers"][0]["image"] for pod in api.list("pods").body["items"] if "deletionTimestamp" not in pod["metadata"]
    )


def _sets(api: Api) -> dict[str, int]:
    """Each ReplicaSet's image and replicas."""
    found = api.list("replicasets").body["items"]
    return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"] for one in found}


def _image(tag: str) -> Doc:
    return {"spec": {"template": {"spec": {"containers": [{**container(), "image": tag}]}}}}


def test_a_deployment_becomes_available(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 2))
    done = api.until("deployments", "web", _rolled(2, 1))
    assert done["metadata"]["annotations"][REVISION] == "1"
    available, progressing = (_condition(done, name) for name in ("Available", "Progressing"))
    assert (available["status"], available["reason"]) == ("True", "MinimumReplicasAvailable")
    progressing = _condition(
        api.until("deployments", "web", lambda doc: _condition(doc, "Progressing").get("reason") == "NewReplicaSetAvailable"), "Progressing"
    )
    name = api.list("replicasets").names[0]
    assert progressing["message"] == f'ReplicaSet "{name}" has successfully progressed.'
    one = api.list("replicasets").body["items"][0]
    assert one["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert one["metadata"]["ownerReferences"][0]["controller"] is True
    mark = one["metadata"]["labels"]["pod-template-hash"]
    assert name == f"web-{mark}"
    assert one["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": mark}
    assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in api.list("pods").body["items"]} == {mark}
    assert all(pod["metadata"]["name"].startswith(f"{name}-") for pod in api.list("pods").body["items"])


def test_a_new_image_rolls_and_the_old_set_stays_empty(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 3))
    api.until("deployments", "web", _rolled(3, 1))
    api.patch("deployments", "web", _image("registry.example/app:2.0"))
    done = api.until("deployments", "web", _rolled(3, 2))
    assert done["metadata"]["annotations"][REVISION] == "2"
    assert _sets(api) == {"registry.example/app:1.0": 0, "registry.example/app:2.0": 3}
    api.until("deployments", "web", lambda doc: _images(api) == ["registry.example/app:2.0"] * 3)


def test_a_template_that_comes_back_adopts_its_old_set(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    api.until("deployments", "web", _rolled(1, 1))
    first = api.list("replicasets").names
    for number, tag in ((2, "2.0"), (3, "1.0")):
        api.patch("deployments", "web", _image(f"registry.example/app:{tag}"))
        done = api.until("deployments", "web", _rolled(1, number))
    assert done["metadata"]["annotations"][REVISION] == "3"
    again = next(one for one in api.list("replicasets").body["items"] if one["spec"]["replicas"])
    assert [again["metadata"]["name"]] == first
    assert again["metadata"]["annotations"][REVISION] == "3"
    assert len(api.list("replicasets").names) == 2


def test_a_scale_goes_up_down_and_to_nothing(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    api.until("deployments", "web", _rolled(1, 1))
    for generation, replicas in ((2, 3), (3, 1), (4, 0)):
        api.patch("deployments", "web", {"spec": {"replicas": replicas}}, sub="scale")
        api.until("deployments", "web", _rolled(replicas, generation))
    assert len(api.list("replicasets").names) == 1


def test_a_rollout_that_does_not_move_exceeds_its_deadline(api: Api, node: StandIn) -> None:
    node.decide = lambda pod: "waiting"
    api.create("deployments", deployment("web", 1, progressDeadlineSeconds=1))
    late = api.until("deployments", "web", lambda doc: _condition(doc, "Progressing").get("reason") == "ProgressDeadlineExceeded")
    assert _condition(late, "Progressing")["status"] == "False"
    assert _condition(late, "Progressing")["message"] == f'ReplicaSet "{api.list("replicasets").names[0]}" has timed out progressing.'
    assert _condition(late, "Available")["status"] == "False"
    assert late["status"]["unavailableReplicas"] == 1


def test_a_bad_image_leaves_the_old_pods_at_work(api: Api, node: StandIn) -> None:
    node.decide = lambda pod: "waiting" if pod["spec"]["containers"][0]["image"].endswith("bad") else "ready"
    api.create("deployments", deployment("web", 2))
    api.until("deployments", "web", _rolled(2, 1))
    api.patch("deployments", "web", _image("registry.example/app:bad"))
    stuck = api.until(
        "deployments", "web", lambda doc: doc["status"].get("updatedReplicas") == 1 and doc["status"].get("observedGeneration") == 2
    )
    assert stuck["status"]["availableReplicas"] == 2
    assert _condition(stuck, "Available")["status"] == "True"
    assert _images(api) == ["registry.example/app:1.0"] * 2 + ["registry.example/app:bad"]


def test_a_pod_that_is_deleted_is_made_again(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    api.until("deployments", "web", _rolled(1, 1))
    first = api.list("pods").names[0]
    api.delete("pods", first)
    api.until_gone("pods", first)
    api.until(
        "deployments", "web", lambda doc: _rolled(1, 1)(doc) and api.list("pods").names != [first] and len(api.list("pods").names) == 1
    )


def test_a_pod_counts_as_available_when_it_was_ready_long_enough(api: Api, node: StandIn) -> None:
    doc = deployment("web", 1)
    doc["spec"]["minReadySeconds"] = 2
    api.create("deployments", doc)
    fresh = api.until("deployments", "web", lambda doc: doc["status"].get("readyReplicas") == 1)["status"]
    assert (fresh.get("availableReplicas", 0), fresh["unavailableReplicas"]) == (0, 1)
    api.until("deployments", "web", _rolled(1, 1))
    assert api.patch("deployments", "web", {"spec": {"minReadySeconds": 300}}).code == 200
    api.until("deployments", "web", lambda doc: doc["status"].get("readyReplicas") == 1 and not doc["status"].get("availableReplicas"))


def test_recreate_ends_the_old_before_the_new(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 2, strategy={"type": "Recreate"}))
    api.until("deployments", "web", _rolled(2, 1))
    version = api.list("pods").meta["resourceVersion"]
    api.patch("deployments", "web", _image("registry.example/app:2.0"))
    api.until("deployments", "web", _rolled(2, 2))
    gone, ready_before = 0, 0
    for event in api.watch("pods", 1, resourceVersion=version):
        gone += event["type"] == "DELETED"
        if event["type"] == "ADDED":
            ready_before = max(ready_before, 2 - gone)
    assert (gone, ready_before) == (2, 0)


def test_deleting_a_deployment_takes_its_sets_and_pods(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    api.until("deployments", "web", _rolled(1, 1))
    names = api.list("replicasets").names[0], api.list("pods").names[0]
    api.delete("deployments", "web")
    api.until_gone("replicasets", names[0])
    api.until_gone("pods", names[1])


def test_a_job_completes(api: Api, node: StandIn) -> None:
    node.decide = lambda pod: "Succeeded"
    api.create("jobs", job())
    done = api.until("jobs", "task", lambda doc: _condition(doc, "Complete").get("status") == "True")
    assert (done["status"]["succeeded"], done["status"].get("active", 0)) == (1, 0)
    assert done["status"]["completionTime"]
    pod = api.list("pods").body["items"][0]
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "task"
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Job"


def test_a_job_fails_when_its_back_off_limit_is_reached(api: Api, node: StandIn) -> None:
    node.decide = lambda pod: "Failed"
    api.create("jobs", job(backoffLimit=0))
    done = api.until("jobs", "task", lambda doc: _condition(doc, "Failed").get("status") == "True")
    assert _condition(done, "Failed")["reason"] == "BackoffLimitExceeded"
    assert _condition(done, "Failed")["message"] == "Job has reached the specified backoff limit"
    assert done["status"]["failed"] == 1


def test_an_autoscaler_raises_its_target_to_the_minimum(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 1))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": target}
    assert api.create("horizontalpodautoscalers", {"metadata": {"name": "web"}, "spec": spec}).code == 201
    api.until("deployments", "web", lambda doc: doc["spec"]["replicas"] == 2)
    api.until("deployments", "web", _rolled(2, 2))


def test_an_autoscaler_leaves_a_target_at_nothing_alone(api: Api, node: StandIn) -> None:
    api.create("deployments", deployment("web", 0))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": target}
    api.create("horizontalpodautoscalers", {"metadata": {"name": "web"}, "spec": spec})
    told = api.until("horizontalpodautoscalers", "web", lambda doc: _condition(doc, "ScalingActive").get("status") == "False")
    assert _condition(told, "ScalingActive")["reason"] == "ScalingDisabled"
    assert api.get("deployments", "web").body["spec"]["replicas"] == 0
