"""What the mesh makes of Services, Pods and VirtualServices: Istio's reading, or a sentence."""

from typing import Any

import pytest

from gitops_canary.sandbox.mesh.matching import Names, Turns, rule_for
from gitops_canary.sandbox.mesh.planning import plan_table
from gitops_canary.sandbox.mesh.table import Destination, Endpoint, Rule, Share, Table
from gitops_canary.sandbox.mesh.targets import scrape_targets
from gitops_canary.sandbox.mesh.virtual_services import seconds
from gitops_canary.sandbox.mesh.workloads import workload_of
from tests.sandbox.mesh.objects import Doc, canary_services, pod, route, service, split, virtual_service

PRIMARY = Destination("test", "frontend-primary", "frontend-primary", 9898)
CANARY = Destination("test", "frontend", "frontend-canary", 9898)
PODS = [pod("p1", "frontend-primary", "127.1.0.1"), pod("c1", "frontend", "127.1.0.2")]


def rule(table: Table, authority: str, path: str = "/", headers: dict[str, str] | None = None, namespace: str = "unknown") -> Rule | None:
    host = Names(table).find(authority, namespace)
    return rule_for(host, "GET", path, headers or {}) if host else None


def parts(found: Rule | None) -> dict[Destination, float]:
    assert found
    return {share.destination: share.weight / sum(each.weight for each in found.shares) for share in found.shares}


def test_without_a_virtual_service_a_service_is_its_ready_pods() -> None:
    table = plan_table(canary_services(), [*PODS, pod("p2", "frontend-primary", "127.1.0.3", ready=False)], [], [])
    apex = Destination("test", "frontend-primary", "frontend", 9898)
    assert parts(rule(table, "frontend.test:9898")) == {apex: 1.0}
    assert table.endpoints[apex] == (Endpoint("127.1.0.1", 9898),)


def test_a_virtual_service_splits_by_weight() -> None:
    table = plan_table(canary_services(), PODS, [split(5)], [])
    assert parts(rule(table, "frontend.test.svc.cluster.local:9898")) == {PRIMARY: 0.95, CANARY: 0.05}
    assert parts(rule(plan_table(canary_services(), PODS, [split(0)], []), "frontend.test:9898")) == {PRIMARY: 1.0}


def test_short_names_mean_the_senders_namespace() -> None:
    services = [*canary_services(), *canary_services(namespace="prod")]
    table = plan_table(services, PODS, [split(50)], [])
    assert set(parts(rule(table, "frontend:9898", namespace="test"))) == {PRIMARY, CANARY}
    assert {to.namespace for to in parts(rule(table, "frontend:9898", namespace="prod"))} == {"prod"}
    assert rule(table, "frontend:9898") is None
    assert rule(table, "frontend.test") is None


def test_port_80_may_be_left_out() -> None:
    table = plan_table([service("loadtester", "loadtester", port=80, target="http")], [pod("l1", "loadtester", "127.1.0.4")], [], [])
    assert table.endpoints[Destination("test", "loadtester", "loadtester", 80)] == (Endpoint("127.1.0.4", 9898),)
    assert rule(table, "loadtester.test") == rule(table, "loadtester.test:80") is not None


def test_two_workloads_behind_one_service_share_by_their_ready_pods() -> None:
    pods = [pod(f"a{number}", "web", f"127.1.1.{number}", workload="old") for number in range(3)]
    pods.append(pod("b", "web", "127.1.1.9", workload="new"))
    shares = parts(rule(plan_table([service("web", "web")], pods, [], []), "web.test:9898"))
    assert {to.workload: part for to, part in shares.items()} == {"old": 0.75, "new": 0.25}


def test_a_terminating_pod_gets_nothing_more() -> None:
    leaving = pod("p1", "frontend-primary", "127.1.0.1")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    table = plan_table(canary_services(), [leaving], [], [])
    assert set(table.endpoints.values()) == {()}


def test_a_gateways_host_is_reached_by_any_port_and_only_the_mesh_gateway_rules_inside() -> None:
    outside = virtual_service(
        "frontend",
        route(("frontend-primary", 50), ("frontend-canary", 50)),
        hosts=("frontend.example.com", "*.example.org", "frontend"),
        gateways=["istio-system/public"],
    )
    table = plan_table(canary_services(), PODS, [outside], [])
    for authority in ("frontend.example.com", "frontend.example.com:8443", "www.example.org"):
        assert parts(rule(table, authority)) == {PRIMARY: 0.5, CANARY: 0.5}
    assert {to.service for to in parts(rule(table, "frontend.test:9898"))} == {"frontend"}
    outside["spec"]["gateways"].append("mesh")
    assert parts(rule(plan_table(canary_services(), PODS, [outside], []), "frontend.test:9898")) == {PRIMARY: 0.5, CANARY: 0.5}


MATCHES: dict[str, tuple[Doc, str, dict[str, str], bool]] = {
    "exact header": ({"headers": {"X-User": {"exact": "a"}}}, "/", {"x-user": "a"}, True),
    "exact header, other": ({"headers": {"X-User": {"exact": "a"}}}, "/", {"x-user": "b"}, False),
    "absent header": ({"headers": {"X-User": {"prefix": "a"}}}, "/", {}, False),
    "prefix header": ({"headers": {"x-user": {"prefix": "a"}}}, "/", {"x-user": "abc"}, True),
    "regex is anchored": ({"headers": {"cookie": {"regex": "canary=.*"}}}, "/", {"cookie": "x; canary=1"}, False),
    "regex": ({"headers": {"cookie": {"regex": "^(.*?;)?(canary=always)(;.*)?$"}}}, "/", {"cookie": "x=1;canary=always"}, True),
    "header there": ({"headers": {"x-user": {}}}, "/", {"x-user": "anything"}, True),
    "uri prefix": ({"uri": {"prefix": "/echo"}}, "/echo/more", {}, True),
    "uri exact": ({"uri": {"exact": "/echo"}}, "/echo/more", {}, False),
    "uri without case": ({"uri": {"prefix": "/ECHO"}, "ignoreUriCase": True}, "/echo", {}, True),
    "method": ({"method": {"exact": "POST"}}, "/", {}, False),
    "without header": ({"withoutHeaders": {"x-user": {"exact": "a"}}}, "/", {"x-user": "a"}, False),
}


@pytest.mark.parametrize(("match", "path", "headers", "fits"), MATCHES.values(), ids=MATCHES)
def test_conditions_choose_the_first_route_that_fits(match: Doc, path: str, headers: dict[str, str], fits: bool) -> None:
    routes = virtual_service("frontend", route(("frontend-canary", 100), match=[match]), route(("frontend-primary", 100)))
    table = plan_table(canary_services(), PODS, [routes], [])
    assert parts(rule(table, "frontend.test:9898", path, headers)) == {CANARY if fits else PRIMARY: 1.0}


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "mirror": ({"mirror": {"host": "x"}}, "http.mirror is not supported"),
    "fault": ({"fault": {}}, "http.fault is not supported"),
    "query parameters": ({"match": [{"queryParams": {"a": {"exact": "b"}}}]}, "http.match.queryParams is not supported"),
    "no destination": ({"route": []}, "a route without destinations"),
}


@pytest.mark.parametrize(("change", "sentence"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_the_mesh_cannot_do_is_refused_with_the_objects_name(change: dict[str, Any], sentence: str) -> None:
    table = plan_table(canary_services(), PODS, [virtual_service("frontend", {**route(("frontend-primary", 100)), **change})], [])
    found = Names(table).find("frontend.test:9898", "")
    assert found
    assert found.rules[0].refuse.startswith(f"VirtualService test/frontend: {sentence}")


def test_of_two_virtual_services_for_a_host_the_older_counts() -> None:
    first, second = split(0), virtual_service("another", route(("frontend-canary", 100)), hosts=("frontend.test.svc.cluster.local",))
    first["metadata"]["creationTimestamp"], second["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    assert parts(rule(plan_table(canary_services(), PODS, [first, second], []), "frontend.test:9898")) == {CANARY: 1.0}


def test_an_unreadable_virtual_service_does_not_stop_the_others() -> None:
    broken = virtual_service("broken", {"route": [{"weight": "much"}]})
    assert rule(plan_table(canary_services(), PODS, [broken, split(50)], []), "frontend.test:9898")


def test_a_subset_limits_the_pods_by_labels() -> None:
    pods = [pod("a", "web", "127.1.2.1", labels={"version": "1"}), pod("b", "web", "127.1.2.2", labels={"version": "2"})]
    destination = {
        "metadata": {"namespace": "test", "name": "web"},
        "spec": {"host": "web", "subsets": [{"name": "v2", "labels": {"version": "2"}}]},
    }
    routes = virtual_service("web", {"route": [{"destination": {"host": "web", "subset": "v2"}}]})
    table = plan_table([service("web", "web")], pods, [routes], [destination])
    assert list(table.endpoints.values()) == [(Endpoint("127.1.2.2", 9898),)]


def test_turns_follow_the_weights_to_the_request() -> None:
    shares = (Share(PRIMARY, 95), Share(CANARY, 5))
    turns = Turns()
    chosen = [turns.next(shares).destination for _ in range(200)]
    for count in range(1, 201):
        assert abs(chosen[:count].count(CANARY) - count * 0.05) <= 1


def test_a_workload_is_named_by_its_owner() -> None:
    assert workload_of(pod("x", "frontend", "1")) == "frontend"
    bare = {"metadata": {"name": "alone"}}
    assert workload_of(bare) == "alone"
    job = {"metadata": {"name": "x", "ownerReferences": [{"kind": "Job", "name": "tests", "controller": True}]}}
    assert workload_of(job) == "tests"


def test_pods_that_ask_for_it_are_scraped() -> None:
    asking = pod("p1", "frontend", "127.1.0.1")
    asking["metadata"]["annotations"] = {"prometheus.io/scrape": "true", "sandbox.gitops-canary.dev/ports": "9898=5123"}
    assert scrape_targets([asking, pod("p2", "frontend", "127.1.0.2")]) == [
        {
            "targets": ["127.1.0.1:5123"],
            "labels": {
                "__metrics_path__": "/metrics",
                "kubernetes_namespace": "test",
                "kubernetes_pod_name": "p1",
                "kubernetes_workload": "frontend",
            },
        }
    ]


@pytest.mark.parametrize(("text", "value"), [("15s", 15.0), ("1m30s", 90.0), ("250ms", 0.25), ("0s", None), (None, None)])
def test_durations_are_gos(text: str | None, value: float | None) -> None:
    assert seconds(text) == value
