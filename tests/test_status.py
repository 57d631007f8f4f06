"""Claims about what the operator shows of itself."""

from gitops_canary.operator import LaneView
from gitops_canary.settings import Settings
from gitops_canary.status import Status
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster


def shown(url: str = "") -> Status:
    cluster, clock = MemoryCluster(), VirtualClock()
    meta = {"namespace": "test", "name": "frontend"}
    status = {
        "phase": "Progressing",
        "canaryWeight": 35,
        "failedChecks": 2,
        "lastTransitionTime": "2026-01-01T00:15:00Z",
        "says": "why",
        "run": {"number": 2},
    }
    cluster.put(
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": meta,
            "spec": {"targetRef": {"name": "frontend"}},
            "status": status,
        }
    )
    template = {"spec": {"containers": [{"image": "podinfo:3.1.0"}]}}
    primary = {"namespace": "test", "name": "frontend-primary"}
    cluster.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": primary, "spec": {"template": template}})
    lanes = [LaneView("sync", "synced", 3.0, None)]
    return Status(Settings(git_url=url), cluster, clock, lambda: lanes, lambda: True, lambda: "4f1d2c7")


def test_the_page_says_phase_weight_reason_image_and_age_of_each_canary() -> None:
    (row,) = shown().page()["canaries"]
    assert (row["phase"], row["weight"], row["why"], row["image"], row["failed_checks"]) == ("Progressing", 35, "why", "podinfo:3.1.0", 2)
    assert row["age"] == 100.0


def test_the_page_links_to_the_synced_commit_and_to_each_canarys_results() -> None:
    page = shown("git@github.com:acme/cluster.git").page()
    assert (page["revision"], page["revision_link"]) == ("4f1d2c7", "https://github.com/acme/cluster/commit/4f1d2c7")
    assert page["canaries"][0]["link"] == "https://github.com/acme/cluster/commits/main/.gitops-canary/default/test/frontend.yaml"
    assert [shown().page()[key] for key in ("revision_link",)] == [""]


def test_the_page_says_of_each_lane_its_last_sentence_its_age_and_its_next_run() -> None:
    assert shown().page()["lanes"] == [{"name": "sync", "says": "synced", "ran_ago": 3.0, "due_in": None}]


def test_the_metrics_keep_flaggers_names_beside_ours() -> None:
    found = {(sample.name, sample.labels.get("workload", "")): sample.value for sample in shown().samples()}
    assert found["flagger_canary_status", ""] == 0.0
    assert found["flagger_canary_weight", "frontend"] == 35.0
    assert found["flagger_canary_weight", "frontend-primary"] == 65.0
    assert found["gitops_canary_failed_checks", ""] == 2.0
