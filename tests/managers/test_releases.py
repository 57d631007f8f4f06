"""HelmReleases become Helm releases: rules H1-H4 as timelines in virtual time, on memory ports."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import pytest

from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.managers.release_charts import ReleaseCharts
from gitops_canary.managers.release_life import ReleaseRules
from gitops_canary.managers.release_status import FINALIZER, REMEMBERED, ReleaseStatus
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.managers.releases import ReleasesManager
from gitops_canary.operator import Operator
from gitops_canary.ports import Chart, HelmRevision, Moment, Turn
from tests.managers.canaries.world import Notices
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster
from tests.memory.faults import Crash, Faults
from tests.memory.helm import MemoryCharts, MemoryHelm, config_map

REF = Ref("flux.weave.works/v1beta1", "HelmRelease", "test", "frontend")


class Outside:
    """Files of charts and URLs."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def fetch(self, url: str) -> bytes:
        return self._read(url)

    def chart_file(self, chart: Chart, path: str) -> bytes:
        return self._read(path)

    def _read(self, name: str) -> bytes:
        if name not in self.texts:
            raise UserError(f"there is no {name}")
        return self.texts[name]


class Canaries:
    """A lane that only counts its wakes."""

    name = "canaries"

    def __init__(self) -> None:
        self.woken = 0

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        self.woken += 1
        return Turn("")


class World:
    """One operator over durable memory ports; `restart` keeps what survives a crash."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.clock = VirtualClock()
        self.cluster = MemoryCluster(self.faults)
        self.charts = MemoryCharts(self.faults)
        self.helm = MemoryHelm(self.cluster, self.charts, self._wake)
        self.outside, self.alerts, self.canaries = Outside(), Notices(), Canaries()
        self.said = io.StringIO()
        self.holder, self.refusal = "pod-a#1", ""
        self.charts.publish("charts/podinfo")
        self.operator = self._operator()
        self.cluster.subscribe(self._changed)

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        """As the real cache's watches wake the lane."""
        if kind == "HelmRelease":
            self._wake(f"{namespace}/{name}")

    def _operator(self) -> Operator:
        log = make_log(stream=self.said)
        manager = ReleasesManager(
            self.cluster,
            ReleaseCharts(self.charts),
            self.helm,
            ReleaseValues(self.cluster, self.outside),
            ReleaseStatus(self.cluster, self.alerts, log),
            ReleaseRules(),
            log,
            holder=lambda: self.holder,
            refusal=lambda spec: self.refusal,
            place=lambda ref: f"releases/{ref.api_version.split('.')[0]}.yaml",
        )
        self.alerts.delivered = manager.delivered
        return Operator([manager, self.canaries], self.clock, log)

    def _wake(self, key: str) -> None:
        self.operator.wake("releases", key)

    def restart(self, holder: str = "pod-b#2") -> None:
        self.helm.crash()
        self.holder = holder
        self.operator = self._operator()

    def release(self, name: str = "frontend", *, group: str = "flux.weave.works/v1beta1", **spec: Any) -> None:
        chart = spec.pop("chart", {"path": "charts/podinfo"})
        wanted = {"releaseName": name, "chart": chart, **spec}
        self.cluster.put({"apiVersion": group, "kind": "HelmRelease", "metadata": {"name": name, "namespace": "test"}, "spec": wanted})

    def settle(self, seconds: float = 0.0, *, all_of_them: bool = True) -> int:
        """Let that much time pass, running whoever is due on the way; returns the turns."""
        until, turns = self.clock.seconds + seconds, 0
        self.operator.wake("releases")
        while True:
            turns += self.operator.settle()
            due = self.operator.next_due()
            if due is None or due > until:
                break
            self.clock.seconds = max(due, self.clock.seconds)
        self.clock.seconds = until
        return turns

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.cluster.whole(REF).get("status", {})
        return status

    def condition(self, kind: str) -> tuple[str, str]:
        found: Doc = next((one for one in self.status.get("conditions", ()) if one["type"] == kind), {})
        return str(found.get("status", "")), str(found.get("message", ""))

    def settings(self, name: str = "frontend") -> Any:
        found = self.cluster.objects.get(("", "ConfigMap", "test", f"{name}-settings"))
        return found["data"] if found else None

    def did(self) -> list[str]:
        return [job.action for job in self.helm.jobs if job.action != "history"]


@pytest.fixture
def world() -> World:
    return World()


def test_a_release_is_installed_upgraded_and_then_left_alone(world: World) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    assert world.settings() == {"tag": "3.1.0"}
    assert (world.status["phase"], world.status["releaseName"], world.status["observedGeneration"]) == ("Succeeded", "frontend", 1)
    world.release(values={"tag": "3.1.1"})
    world.settle()
    assert world.settings() == {"tag": "3.1.1"}
    assert world.helm.history("frontend") == [(1, "superseded"), (2, "deployed")]
    assert (world.condition("Released")[0], world.status["releaseStatus"], world.status["revision"]) == ("True", "deployed", "1.0.0")
    requests = len(world.cluster.requests)
    world.settle(3000)
    assert world.cluster.requests[requests:] == []
    assert world.did() == ["install", "upgrade"]


def test_an_upgrade_wakes_the_canaries(world: World) -> None:
    world.release()
    world.settle()
    before = world.canaries.woken
    world.release(values={"tag": "3.1.1"})
    world.settle()
    assert world.canaries.woken > before


def test_an_upgrade_costs_two_writes(world: World) -> None:
    world.release()
    world.settle()
    before = len(world.cluster.requests)
    world.release(values={"tag": "3.1.1"})
    world.settle()
    assert world.cluster.requests[before:] == ["patch HelmRelease test/frontend status"] * 2


def test_a_commit_that_does_not_touch_the_chart_upgrades_nothing_and_one_that_does_upgrades(world: World) -> None:
    world.release()
    world.settle()
    world.settle(600)
    world.charts.publish("charts/podinfo", version="1.0.1")
    world.settle()
    assert world.did() == ["install", "upgrade"]


def test_a_spec_change_without_effect_on_the_release_is_only_observed(world: World) -> None:
    world.release()
    world.settle()
    world.release(timeout=60)
    world.settle()
    assert (world.did(), world.status["observedGeneration"]) == (["install"], 2)


def break_chart(world: World, words: str = "nil pointer evaluating interface {}.large") -> None:
    def render(values: Mapping[str, Any], release: str, namespace: str) -> list[Doc]:
        raise ValueError(words)

    world.charts.publish("charts/podinfo", render, version="broken")


def test_H1_a_failing_release_says_why_alerts_once_and_is_tried_again_with_back_off(world: World) -> None:
    world.release()
    world.settle()
    break_chart(world)
    world.settle()
    assert world.condition("Released")[0] == "False"
    assert world.condition("Deployed") == (
        "False",
        "execution error: nil pointer evaluating interface {}.large; Git differs from what serves",
    )
    assert world.status["differs"] is True
    world.settle(29)
    assert world.did() == ["install", "upgrade"]
    world.settle(1)
    assert world.did() == ["install", "upgrade", "upgrade"]
    world.settle(3 * 3600)
    assert len(world.did()) == pytest.approx(13, abs=2)
    assert [notice.severity for notice in world.alerts.sent] == ["error"]
    assert "nil pointer" in world.alerts.sent[0].text


def test_H1_an_alert_that_nobody_took_stands_in_the_status_and_a_new_process_sends_it(world: World) -> None:
    world.alerts.away = True
    world.release()
    world.settle()
    break_chart(world)
    world.settle()
    (waiting,) = world.status["notices"]
    assert (waiting["severity"], "nil pointer" in waiting["text"]) == ("error", True)
    world.alerts.away = False
    world.restart()
    world.settle(3600)
    assert [notice.id for notice in world.alerts.sent] == [waiting["id"]]
    assert not world.status.get("notices")


def failing(world: World) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    break_chart(world)
    world.settle()


def test_H1_the_alert_about_a_failed_release_comes_wherever_the_process_is_stopped() -> None:
    calm = World()
    failing(calm)
    effects = list(calm.faults.effects)
    assert len(effects) >= 6, effects
    for number in range(len(effects)):
        for mode in ("before", "after", "lost"):
            world = World()
            world.faults.plan = {number: mode}
            try:
                failing(world)
            except Crash:
                world.restart()
                break_chart(world)
            world.settle(400)
            where = f"{mode} {effects[number]}"
            about = [one.id for one in world.alerts.sent if "nil pointer" in one.text]
            assert len(set(about)) == 1, where  # at least once, and recognised by its id
            assert world.status["failure"]["inputs"], where
            assert not world.status.get("notices"), where


def test_H1_an_alert_that_was_taken_leaves_the_status(world: World) -> None:
    world.release()
    world.settle()
    break_chart(world)
    world.settle()
    assert len(world.alerts.sent) == 1
    assert not world.status.get("notices")


def test_H1_without_a_receiver_no_alert_is_kept_for_one(world: World) -> None:
    world.alerts.nobody = True
    world.release()
    world.settle()
    break_chart(world)
    world.settle()
    assert not world.status.get("notices")


def test_H1_other_inputs_are_tried_at_once_and_end_the_failure(world: World) -> None:
    world.release()
    world.settle()
    break_chart(world)
    world.settle()
    world.charts.publish("charts/podinfo", version="1.0.2")
    world.settle()
    assert (world.condition("Released")[0], world.status.get("failure"), world.status.get("differs")) == ("True", None, None)


def test_H1_a_revert_to_what_is_deployed_ends_the_failure_without_an_upgrade(world: World) -> None:
    world.release()
    world.settle()
    break_chart(world)
    world.settle()
    world.charts.publish("charts/podinfo")
    world.settle()
    assert world.did() == ["install", "upgrade"]
    assert (world.status["phase"], world.status.get("failure")) == ("Succeeded", None)


def test_H1_a_back_off_survives_a_restart(world: World) -> None:
    world.release()
    world.settle()
    break_chart(world)
    world.settle(100)
    tries = len(world.did())
    world.restart()
    world.settle(10)
    assert len(world.did()) == tries


@pytest.mark.parametrize("holder", ["pod-a#1", "pod-b#2"], ids=["the same pod again", "another leader"])
def test_H2_a_release_left_pending_by_a_lost_holder_is_marked_failed_and_goes_forward(world: World, holder: str) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    world.release(values={"tag": "3.1.1"})
    crash_at(world, "helm: begin upgrade", 1)
    assert world.helm.history("frontend")[-1] == (2, "pending-upgrade")
    assert world.status["operation"]["by"] == "pod-a#1"
    world.restart(holder)
    world.settle()
    assert world.helm.history("frontend") == [(1, "superseded"), (2, "failed"), (3, "deployed")]
    assert world.settings() == {"tag": "3.1.1"}
    assert (world.status.get("operation"), world.status["phase"]) == (None, "Succeeded")


def test_H2_one_that_somebody_else_left_pending_is_reported_and_not_touched(world: World) -> None:
    world.release()
    world.settle()
    stored = world.helm.releases[("test", "frontend")].revisions
    stored.append(HelmRevision(2, "pending-upgrade", "theirs", {}))
    world.restart()
    world.release(values={"tag": "3.1.1"})
    world.settle(3600)
    assert world.did() == ["install"]
    assert world.helm.history("frontend")[-1] == (2, "pending-upgrade")
    assert "it was not this operator that left it so" in world.condition("Released")[1]
    assert len(world.alerts.sent) == 1
    stored[-1] = HelmRevision(2, "failed", "theirs", {})
    world.settle(600)
    assert world.helm.history("frontend")[-1] == (3, "deployed")


def test_H2_the_mark_stands_in_the_status_before_helm_runs(world: World) -> None:
    world.helm.instant = False
    world.release()
    world.settle()
    world.helm.work()
    world.settle()
    mark = world.status["operation"]
    assert (mark["by"], mark["action"], mark["revision"]) == ("pod-a#1", "install", 1)
    assert mark["until"] > mark["started"]
    assert world.settings() is None


def test_H2_an_upgrade_that_was_done_but_not_recorded_is_not_done_again(world: World) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    world.release(values={"tag": "3.1.1"})
    crash_at(world, "helm: finish upgrade", 2)
    world.restart()
    world.settle()
    assert world.helm.history("frontend") == [(1, "superseded"), (2, "deployed")]
    assert (world.status["phase"], world.status.get("operation")) == ("Succeeded", None)


def test_H2_a_worker_that_died_leaves_a_release_that_is_finished_forward(world: World) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    world.release(values={"tag": "3.1.1"})
    world.faults.plan = {len(world.faults.effects) + 1: "lost"}  # after the mark
    world.settle()
    world.settle(120)
    assert world.helm.history("frontend")[-1][1] == "deployed"
    assert world.settings() == {"tag": "3.1.1"}


def crash_at(world: World, effect: str, effects_before: int) -> None:
    """Stop the process right after the named effect, which is the n-th from now."""
    world.faults.plan = {len(world.faults.effects) + effects_before: "after"}
    with pytest.raises(Crash):
        world.settle()
    assert world.faults.effects[-1].startswith(effect)


def test_a_release_ends_the_same_wherever_the_process_is_stopped() -> None:
    calm = World()
    calm.release(values={"tag": "3.1.0"})
    calm.settle()
    calm.release(values={"tag": "3.1.1"})
    calm.settle()
    effects = list(calm.faults.effects)
    assert len(effects) >= 8, effects
    for number in range(len(effects)):
        for mode in ("before", "after", "lost"):
            world = World()
            world.faults.plan = {number: mode}
            for tag in ("3.1.0", "3.1.1"):
                world.release(values={"tag": tag})
                try:
                    world.settle()
                except Crash:
                    world.restart()
                world.settle(400)
            where = f"{mode} {effects[number]}"
            assert world.settings() == {"tag": "3.1.1"}, where
            assert (world.status["phase"], world.status.get("operation"), world.status.get("failure")) == ("Succeeded", None, None), where
            assert world.helm.history("frontend")[-1][1] == "deployed", where
            requests = len(world.cluster.requests)
            world.settle(600)
            assert world.cluster.requests[requests:] == [], where


def test_H4_F29_a_deleted_helmrelease_is_uninstalled_even_if_the_operator_was_away(world: World) -> None:
    world.release()
    world.settle()
    assert world.cluster.whole(REF)["metadata"]["finalizers"] == [FINALIZER]
    world.cluster.remove(REF)
    world.restart()
    world.settle()
    assert world.helm.history("frontend") == []
    assert world.settings() is None
    assert REF.identity not in world.cluster.objects


def test_H4_one_that_was_never_installed_is_let_go(world: World) -> None:
    world.release(chart={"path": "charts/none"})
    world.settle()
    world.cluster.remove(REF)
    world.settle()
    assert REF.identity not in world.cluster.objects
    assert world.did() == []


def test_H4_one_name_in_both_groups_is_an_error_that_names_both_files(world: World) -> None:
    world.release()
    world.release(group="helm.fluxcd.io/v1")
    world.settle()
    assert world.did() == []
    message = world.condition("Released")[1]
    assert "releases/flux.yaml" in message
    assert "releases/helm.yaml" in message


def test_a_helm_release_belongs_to_the_first_that_describes_it(world: World) -> None:
    world.release("frontend")
    world.release("zweite", releaseName="frontend")
    world.settle(60)
    assert world.did() == ["install"]
    second = world.cluster.whole(Ref(REF.api_version, REF.kind, "test", "zweite"))
    assert "is HelmRelease test/frontend's" in str(second["status"]["conditions"])


def test_R11_a_release_is_not_upgraded_while_its_canary_serves_from_the_target(world: World) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    world.refusal = "frontend.test serves from its target"
    world.release(values={"tag": "3.1.1"})
    world.settle(300)
    assert world.did() == ["install"]
    assert "frontend is not upgraded yet: frontend.test serves from its target" in world.said.getvalue()
    world.refusal = ""
    world.settle()
    assert world.did() == ["install", "upgrade"]


def test_F23_a_failed_upgrade_is_rolled_back_when_asked(world: World) -> None:
    world.release(values={"tag": "3.1.0"}, rollback={"enable": True})
    world.settle()
    refuse(world, "3.1.1")
    world.release(values={"tag": "3.1.1"}, rollback={"enable": True})
    world.settle(3600)
    assert world.did() == ["install", "upgrade", "rollback"]
    assert world.settings() == {"tag": "3.1.0"}
    assert (world.condition("RolledBack")[0], world.condition("Released")[0], world.status["rollbackCount"]) == ("True", "False", 1)
    world.release(values={"tag": "3.1.2"}, rollback={"enable": True})
    world.settle()
    assert (world.settings(), world.condition("RolledBack")[0], world.status.get("rollbackCount")) == ({"tag": "3.1.2"}, "", None)


def test_F24_retries_after_a_rollback_stop_at_max_retries(world: World) -> None:
    rollback = {"enable": True, "retry": True, "maxRetries": 1}
    world.release(values={"tag": "3.1.0"}, rollback=rollback)
    world.settle()
    refuse(world, "3.1.1")
    world.release(values={"tag": "3.1.1"}, rollback=rollback)
    world.settle(7200)
    assert world.did() == ["install", *["upgrade", "rollback"] * 2]
    assert world.status["rollbackCount"] == 2


def refuse(world: World, tag: str) -> None:
    """The server refuses the object that this tag renders."""

    def render(values: Mapping[str, Any], release: str, namespace: str) -> list[Doc]:
        docs = config_map(values, release, namespace)
        return [*docs, {"apiVersion": "x/v1", "kind": "Unknown", "metadata": {"name": "x"}}] if values.get("tag") == tag else docs

    world.cluster._unknown.add(("x/v1", "Unknown"))
    world.charts.publish("charts/podinfo", render)


@pytest.mark.parametrize(
    ("ignored", "did", "tested", "released"),
    [
        pytest.param(True, ["install", "test", "upgrade", "test"], "False", "True", id="ignored"),
        pytest.param(False, ["install", "test", "upgrade", "test", "rollback"], "False", "False", id="rolled back"),
    ],
)
def test_F28_tests_that_fail_after_an_upgrade(world: World, ignored: bool, did: list[str], tested: str, released: str) -> None:
    spec: Doc = {"test": {"enable": True, "ignoreFailures": ignored}, "rollback": {"enable": True}}
    world.release(values={"tag": "3.1.0"}, **spec)
    world.settle()
    assert world.condition("Tested")[0] == "True"
    world.helm.tests = lambda job: False
    world.release(values={"tag": "3.1.1"}, **spec)
    world.settle(600)
    assert world.did() == did
    assert (world.condition("Tested")[0], world.condition("Released")[0]) == (tested, released)


def test_F28_tests_that_fail_after_the_installation_uninstall_it(world: World) -> None:
    world.helm.tests = lambda job: False
    world.release(test={"enable": True})
    world.settle(10)
    assert world.did() == ["install", "test", "uninstall"]


def test_F21_a_release_made_by_hand_is_taken_over_and_its_values_are_kept_when_asked(world: World) -> None:
    world.charts.publish("charts/podinfo")
    made = World()
    made.release()
    made.settle()
    world.helm.releases = made.helm.releases
    world.helm.releases[("test", "frontend")].revisions[0] = HelmRevision(1, "deployed", "theirs", {"replicas": 2})
    world.release(values={"tag": "3.1.0"}, resetValues=False)
    world.settle()
    assert world.settings() == {"replicas": "2", "tag": "3.1.0"}
    world.release(values={"tag": "3.1.0"})
    world.settle()
    assert world.settings() == {"tag": "3.1.0"}


def config(kind: str, name: str, data: Mapping[str, str], namespace: str = "test") -> Doc:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "data": dict(data)}


def test_F27_values_come_from_config_maps_secrets_urls_and_chart_files_in_order(world: World) -> None:
    secret = base64.b64encode(b"password: hidden\nsize: 2\n").decode()
    world.cluster.put(config("ConfigMap", "base", {"values.yaml": "colour: blue\nsize: 1\n"}, "shared"))
    world.cluster.put(config("Secret", "private", {"more.yaml": secret}))
    world.outside.texts = {"https://example.com/v.yaml": b"size: 3\nweb: yes\n", "production.yaml": b"file: 017\n"}
    world.release(
        valuesFrom=[
            {"configMapKeyRef": {"name": "base", "namespace": "shared"}},
            {"secretKeyRef": {"name": "private", "key": "more.yaml"}},
            {"externalSourceRef": {"url": "https://example.com/v.yaml"}},
            {"chartFileRef": {"path": "production.yaml"}},
            {"configMapKeyRef": {"name": "absent", "optional": True}},
        ],
        values={"colour": "red"},
    )
    world.settle()
    assert world.settings() == {"colour": "red", "size": "3", "password": "hidden", "web": "True", "file": "15"}
    world.cluster.put(config("ConfigMap", "base", {"values.yaml": "extra: 1\n"}, "shared"))
    world.settle()
    assert world.settings()["extra"] == "1"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param({"configMapKeyRef": {"name": "none"}}, "there is no ConfigMap test/none", id="no such ConfigMap"),
        pytest.param({"configMapKeyRef": {"name": "odd", "key": "x"}}, "has no key x; its keys are values.yaml", id="no such key"),
        pytest.param({"configMapKeyRef": {"name": "odd"}}, "is not one YAML mapping", id="a list"),
        pytest.param({"chartFileRef": {"path": "x.yaml"}}, "there is no x.yaml", id="no such file"),
        pytest.param({"somethingElse": {"name": "x"}}, "somethingElse is no source of values", id="an unknown source"),
    ],
)
def test_F27_a_source_that_is_missing_or_odd_is_an_error_with_its_place(world: World, source: Mapping[str, Any], sentence: str) -> None:
    world.cluster.put(config("ConfigMap", "odd", {"values.yaml": "- 1\n"}))
    world.release(valuesFrom=[source])
    world.settle()
    assert world.did() == []
    message = world.condition("Released")[1]
    assert "spec.valuesFrom[0] of HelmRelease test/frontend" in message
    assert sentence in message


def test_F26_the_history_limit_is_the_releases_own(world: World) -> None:
    for number in range(12):
        world.release(values={"tag": str(number)}, maxHistory=5)
        world.settle()
    assert len(world.helm.history("frontend")) == 5


def test_a_chart_that_cannot_be_had_is_said_and_found_later(world: World) -> None:
    world.release(chart={"path": "charts/none"})
    world.settle()
    assert world.condition("ChartFetched")[0] == "False"
    assert "there is no such chart" in world.condition("ChartFetched")[1]
    world.charts.publish("charts/none")
    # The first wait: what the operator itself writes into the status does not prolong it.
    world.settle(10)
    assert world.condition("Released")[0] == "True"


def test_a_refused_release_that_somebody_changes_is_looked_at_at_once(world: World) -> None:
    world.release(chart={"path": "charts/none"})
    world.settle()
    world.release(chart={"path": "charts/podinfo"})
    world.settle()
    assert world.condition("Released")[0] == "True"


def test_one_failing_release_delays_no_other(world: World) -> None:
    world.release("broken", chart={"path": "charts/none"})
    world.release("odd", values="text")
    world.release("frontend")
    world.settle()
    assert world.settings() is not None


def test_a_server_that_is_away_is_waited_for_and_alerts_nobody(world: World) -> None:
    world.release()
    world.faults.away = {"charts:", "helm:"}
    world.settle(60)
    assert world.alerts.sent == []
    world.faults.away = set()
    world.settle(300)
    assert world.condition("Released")[0] == "True"


def test_a_hand_made_revision_is_said_and_replaced_by_the_next_change_in_git(world: World) -> None:
    world.release(values={"tag": "3.1.0"})
    world.settle()
    world.helm.releases[("test", "frontend")].revisions.append(HelmRevision(2, "deployed", "theirs", {}))
    world.settle(3700)
    assert world.did() == ["install"]
    assert world.status["differs"] is True
    assert "was made by somebody else" in world.said.getvalue()
    world.release(values={"tag": "3.1.1"})
    world.settle()
    assert (world.settings(), world.status.get("differs")) == ({"tag": "3.1.1"}, None)


def test_O5_helm_acts_as_the_account_that_the_release_names(world: World) -> None:
    world.release(serviceAccountName="deployer")
    world.settle()
    assert {job.as_user for job in world.helm.jobs} == {"system:serviceaccount:test:deployer"}


def test_the_template_releases_become_releases(world: World) -> None:
    from tests.memory.helm import template_chart
    from tests.repo_template.charts import release

    for name in ("podinfo", "loadtester"):
        world.charts.publish(f"charts/{name}", template_chart(name))
    for name in ("frontend", "backend", "loadtester"):
        world.cluster.put(release(f"releases/test/{name}.yaml"))
    world.settle()
    kinds = {(kind, name) for _, kind, _, name in world.cluster.objects}
    assert {("Canary", "frontend"), ("Canary", "backend"), ("Deployment", "flagger-loadtester")} <= kinds


def test_H2_a_definition_that_drops_our_marks_is_named_with_the_command_and_helm_is_not_asked(world: World) -> None:
    world.cluster.kept["HelmRelease"] = frozenset(["phase", "conditions", "observedGeneration", "releaseName", "rollbackCount"])
    world.release()
    world.settle()
    assert world.did() == []
    message = world.status["conditions"][0]["message"]
    assert (
        "cannot release HelmRelease test/frontend: the installed definition helmreleases.flux.weave.works, another tool's, would" in message
    )
    assert "drop status.differs, status.failure, status.notices, status.operation, status.record of it" in message
    assert "kubectl apply --server-side --force-conflicts -k deploy/crds" in message
    world.cluster.kept.clear()
    world.settle(60)
    assert (world.status["phase"], world.did()) == ("Succeeded", ["install"])


def test_what_was_said_once_is_not_said_again_and_not_remembered_for_ever() -> None:
    stream, clock = io.StringIO(), VirtualClock()
    status = ReleaseStatus(MemoryCluster(), Notices(), make_log(stream=stream))
    doc = {"apiVersion": "helm.fluxcd.io/v1", "kind": "HelmRelease", "metadata": {"namespace": "test", "name": "frontend"}}

    def said(number: int) -> int:
        status.say(doc, f"attempt {number} failed.", clock.now(), key=str(number))
        return stream.getvalue().count("attempt 0 failed.")

    assert [said(0), said(0)] == [1, 1]
    for number in range(1, REMEMBERED + 1):
        said(number)
    assert said(0) == 2
