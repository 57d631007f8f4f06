"""Finalizers, owners, namespaces that end, Events and Leases."""

import pytest

from tests.conformance.client import MERGE, Api, Doc
from tests.conformance.objects import WIDGETS, config_map, owned, pod, widget


def _finalized(name: str = "one", *finalizers: str) -> Doc:
    return {**config_map(name), "metadata": {"name": name, "finalizers": list(finalizers or ["example.com/wait"])}}


def _released(doc: Doc) -> bool:
    return not doc["metadata"].get("ownerReferences")


def test_an_object_with_finalizers_waits_for_them(api: Api) -> None:
    api.create("configmaps", _finalized("one", "example.com/a", "example.com/b"))
    going = api.delete("configmaps", "one")
    assert (going.code, going.body["kind"]) == (200, "ConfigMap")
    assert going.meta["deletionTimestamp"]
    assert going.meta["deletionGracePeriodSeconds"] == 0
    assert api.patch("configmaps", "one", {"metadata": {"finalizers": ["example.com/b"]}}).code == 200
    assert api.get("configmaps", "one").code == 200
    assert api.patch("configmaps", "one", {"metadata": {"finalizers": None}}).code == 200
    assert api.get("configmaps", "one").code == 404


def test_no_finalizer_can_be_added_once_the_end_has_begun(api: Api) -> None:
    api.create("configmaps", _finalized())
    api.delete("configmaps", "one")
    refused = api.patch("configmaps", "one", {"metadata": {"finalizers": ["example.com/wait", "example.com/new"]}})
    assert refused.code == 422
    assert "no new finalizers can be added if the object is being deleted" in refused.message
    api.patch("configmaps", "one", {"metadata": {"finalizers": None}})


def test_an_end_that_has_begun_cannot_be_taken_back(api: Api) -> None:
    api.create("configmaps", _finalized())
    began = api.delete("configmaps", "one").meta["deletionTimestamp"]
    again = api.patch("configmaps", "one", {"metadata": {"deletionTimestamp": None}})
    assert again.meta["deletionTimestamp"] == began
    assert api.create("configmaps", config_map()).code == 409
    api.patch("configmaps", "one", {"metadata": {"finalizers": None}})


def test_a_deletion_counts_as_a_generation(api: Api) -> None:
    api.create(WIDGETS, {**widget(), "metadata": {"name": "one", "finalizers": ["example.com/wait"]}})
    assert api.delete(WIDGETS, "one").meta["generation"] == 2
    api.patch(WIDGETS, "one", {"metadata": {"finalizers": None}})


def test_what_an_object_owned_goes_after_it(api: Api) -> None:
    owner = api.create("configmaps", config_map("owner")).body
    for plural, doc in (("configmaps", config_map("child")), ("secrets", {"metadata": {"name": "child"}})):
        api.create(plural, owned(doc, owner))
    api.create("configmaps", config_map("stranger"))
    api.delete("configmaps", "owner", {"propagationPolicy": "Background"})
    for plural in ("configmaps", "secrets"):
        api.until_gone(plural, "child")
    assert api.get("configmaps", "stranger").code == 200


def test_what_two_own_goes_with_the_last(api: Api) -> None:
    first, second = (api.create("configmaps", config_map(name)).body for name in ("first", "second"))
    doc = owned(config_map("child"), first)
    doc["metadata"]["ownerReferences"] += owned(config_map("child"), second)["metadata"]["ownerReferences"]
    api.create("configmaps", doc)
    api.delete("configmaps", "first", {"propagationPolicy": "Background"})
    api.until("configmaps", "child", lambda one: [r["name"] for r in one["metadata"]["ownerReferences"]] == ["second"])
    api.delete("configmaps", "second", {"propagationPolicy": "Background"})
    api.until_gone("configmaps", "child")


def test_foreground_deletion_takes_the_dependents_first(api: Api) -> None:
    owner = api.create("configmaps", config_map("owner")).body
    child = owned(_finalized("child"), owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = ["example.com/wait"]
    api.create("configmaps", child)
    going = api.delete("configmaps", "owner", {"propagationPolicy": "Foreground"})
    assert going.meta["finalizers"] == ["foregroundDeletion"]
    api.until("configmaps", "child", lambda doc: "deletionTimestamp" in doc["metadata"])
    assert api.get("configmaps", "owner").code == 200
    api.patch("configmaps", "child", {"metadata": {"finalizers": None}})
    api.until_gone("configmaps", "owner")


def test_orphaning_leaves_the_dependents(api: Api) -> None:
    owner = api.create("configmaps", config_map("owner")).body
    api.create("configmaps", owned(config_map("child"), owner))
    api.delete("configmaps", "owner", {"propagationPolicy": "Orphan"})
    api.until("configmaps", "child", _released)
    api.until_gone("configmaps", "owner")
    assert api.get("configmaps", "child").code == 200


def test_an_object_of_an_owner_that_never_was_goes(api: Api) -> None:
    owner = {**config_map("ghost"), "metadata": {"name": "ghost", "uid": "11111111-1111-4111-8111-111111111111"}}
    api.create("configmaps", owned(config_map("child"), owner))
    api.until_gone("configmaps", "child")


def test_a_namespace_that_ends_takes_everything_and_lets_nothing_in(api: Api, admin: Api) -> None:
    name = f"{api.ns}-end"
    admin.create("namespaces", {"metadata": {"name": name}})
    other = Api(api.kubeconfig, name)
    other.create("configmaps", _finalized("slow"))
    other.create(WIDGETS, widget())
    going = admin.delete("namespaces", name)
    assert (going.body["status"]["phase"], going.body["spec"]) == ("Terminating", {"finalizers": ["kubernetes"]})
    refused = other.create("configmaps", config_map("late"))
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.message.endswith(f"unable to create new content in namespace {name} because it is being terminated")
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    other.until_gone(WIDGETS, "one")
    other.patch("configmaps", "slow", {"metadata": {"finalizers": None}})
    admin.until_gone("namespaces", name)
    assert other.list("configmaps").names == []
    other.close()


def test_a_namespace_carries_its_name_as_a_label_and_has_an_account(api: Api) -> None:
    found = api.get("namespaces", api.ns)
    assert found.meta["labels"]["kubernetes.io/metadata.name"] == api.ns
    assert found.body["status"]["phase"] == "Active"
    api.until("serviceaccounts", "default", lambda doc: doc.get("kind") == "ServiceAccount")


def test_nothing_is_made_in_a_namespace_that_is_not_there(api: Api) -> None:
    refused = api.request("POST", "api/v1/namespaces/none-such/configmaps", config_map())
    assert (refused.code, refused.message) == (404, 'namespaces "none-such" not found')


def test_an_event_is_stored_and_counted_up(api: Api) -> None:
    about = {"kind": "Pod", "namespace": api.ns, "name": "p", "apiVersion": "v1", "uid": "u"}
    body = {
        "metadata": {"name": "p.1", "namespace": api.ns},
        "involvedObject": about,
        "reason": "Synced",
        "message": "all well",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "conformance"},
    }
    assert api.create("events", body).code == 201
    assert api.patch("events", "p.1", {"count": 2}).body["count"] == 2
    assert api.list("events", fieldSelector="involvedObject.name=p,reason=Synced").names == ["p.1"]
    assert api.list("events", fieldSelector="involvedObject.name=q").names == []


def test_an_event_about_another_namespace_is_refused(api: Api) -> None:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    refused = api.create("events", {"metadata": {"name": "p.1"}, "involvedObject": about, "type": "Normal", "reason": "x", "message": "y"})
    assert refused.code == 422
    assert "does not match event.namespace" in refused.message


def test_a_lease_is_taken_by_one_of_two(api: Api) -> None:
    lease = {
        "metadata": {"name": "lock"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    made = api.create("leases", lease)
    assert made.body["spec"]["renewTime"] == "2026-01-01T00:00:00.000000Z"
    first = api.put("leases", {**made.body, "spec": {**made.body["spec"], "holderIdentity": "b"}})
    second = api.put("leases", {**made.body, "spec": {**made.body["spec"], "holderIdentity": "c"}})
    assert (first.code, second.code) == (200, 409)


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_a_policy_holds_for_objects_without_dependents_too(api: Api, policy: str) -> None:
    api.create("configmaps", config_map())
    api.delete("configmaps", "one", {"propagationPolicy": policy})
    api.until_gone("configmaps", "one")


def test_a_pod_on_a_node_gets_its_grace(api: Api) -> None:
    spec = {"nodeName": "nowhere", "containers": [{"name": "main", "image": "x:1"}], "terminationGracePeriodSeconds": 7}
    api.create("pods", {"metadata": {"name": "p"}, "spec": spec})
    going = api.delete("pods", "p")
    assert going.meta["deletionGracePeriodSeconds"] == 7
    assert api.get("pods", "p").code == 200
    assert api.delete("pods", "p", {"gracePeriodSeconds": 0}).code == 200
    assert api.get("pods", "p").code == 404
    assert api.patch("pods", "p", {}, MERGE).code == 404


def test_a_pod_on_no_node_has_said_nothing(api: Api) -> None:
    api.create("pods", pod("p"))
    assert (api.get("pods", "p", "log").code, api.get("pods", "p", "log").body) == (204, "")
    assert api.get("pods", "none", "log").code == 404
