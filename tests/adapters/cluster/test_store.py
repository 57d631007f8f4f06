"""The cache of one kind: the watch and our own writes may tell the same thing in any order, the newer wins."""

from dataclasses import replace
from typing import Any

from gitops_canary.adapters.cluster.projections import pod, trimmed
from gitops_canary.adapters.cluster.store import Store

KEY = ("ns", "a")


def doc(version: int, name: str = "a", uid: str = "u1", **more: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(version)}, **more}


def store(*, metadata_only: bool = False) -> Store:
    return Store("v1", "Thing", trimmed, metadata_only=metadata_only)


def version(cache: Store) -> int | None:
    entry = cache.get(KEY)
    return entry.version if entry is not None else None


def test_an_older_event_does_not_undo_a_newer_write() -> None:
    cache = store()
    assert cache.watched(doc(5)) == KEY
    cache.wrote(doc(9))
    assert cache.watched(doc(7)) is None
    assert version(cache) == 9


def test_every_version_is_told_once_our_own_writes_too() -> None:
    cache = store()
    cache.wrote(doc(9))
    assert [cache.watched(doc(9)), cache.watched(doc(9)), cache.watched(doc(10)), cache.watched(doc(10))] == [KEY, None, KEY, None]
    cache.removed(KEY, "u1")
    assert version(cache) is None
    assert [cache.deleted(doc(11)), cache.deleted(doc(11))] == [KEY, None]


def test_an_answer_that_comes_after_the_deletion_was_heard_brings_nothing_back() -> None:
    cache = store()
    cache.watched(doc(5))
    assert cache.deleted(doc(8)) == KEY
    cache.wrote(doc(7))
    assert version(cache) is None


def test_an_object_made_anew_is_not_removed_by_its_predecessors_deletion() -> None:
    cache = store()
    cache.watched(doc(5))
    cache.wrote(doc(9, uid="u2"))
    cache.removed(KEY, "u1")
    assert cache.deleted(doc(8)) is None
    assert version(cache) == 9


def test_a_new_list_forgets_what_is_gone_but_not_what_is_newer() -> None:
    cache = store()
    cache.watched(doc(5))
    cache.watched(doc(6, name="b"))
    cache.wrote(doc(30, name="c"))
    assert cache.keep_only({("ns", "b")}, 20) == [KEY]
    assert cache.names() == {("ns", "b"), ("ns", "c")}


def test_bookkeeping_is_dropped_but_our_own_field_sets_are_known() -> None:
    cache = store()
    fields: dict[str, Any] = {"f:spec": {}}
    managed = [
        {"manager": "gitops-canary", "operation": "Apply", "fieldsV1": fields},
        {"manager": "gitops-canary", "operation": "Apply", "subresource": "status", "fieldsV1": {}},
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {}},
    ]
    made = doc(5)
    made["metadata"] |= {"managedFields": managed, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}}
    cache.watched(made)
    entry = cache.get(KEY)
    assert entry is not None
    assert entry.owned == {"gitops-canary": fields}
    assert "managedFields" not in entry.doc["metadata"]
    assert entry.doc["metadata"]["annotations"] == {"mine": "1"}
    assert (entry.doc["apiVersion"], entry.doc["kind"]) == ("v1", "Thing")


def test_metadata_is_not_taken_for_the_whole_object_but_our_own_answer_is() -> None:
    cache = store(metadata_only=True)
    cache.watched({**doc(5), "kind": "PartialObjectMetadata"})
    entry = cache.get(KEY)
    assert entry is not None
    assert not entry.whole
    cache.wrote(doc(6, data={"a": "1"}))
    entry = cache.get(KEY)
    assert entry is not None
    assert entry.whole
    assert entry.doc["data"] == {"a": "1"}
    assert cache.watched(doc(6)) == KEY
    assert cache.get(KEY) == replace(entry, heard=True)


def test_reading_many_filters_by_namespace_and_labels_in_order_of_name() -> None:
    cache = store()
    for name, labels in (("b", {"app": "x"}), ("a", {"app": "x"}), ("c", {})):
        made = doc(5, name=name)
        made["metadata"]["labels"] = labels
        cache.watched(made)
    assert [one["metadata"]["name"] for one in cache.find("ns", {"app": "x"})] == ["a", "b"]
    assert cache.find("elsewhere") == []


def test_a_pods_volumes_and_environment_are_not_kept() -> None:
    spec = {"nodeName": "n", "volumes": [1], "containers": [{"name": "app", "image": "i:1", "env": [{"name": "A"}]}]}
    kept = pod(doc(1, spec=spec, status={"phase": "Running"}))
    assert kept["spec"] == {"nodeName": "n", "containers": [{"name": "app", "image": "i:1"}]}
    assert kept["status"] == {"phase": "Running"}
