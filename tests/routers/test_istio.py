"""Claims about Istio's routes: both sides weighted, mesh calls included, the user's route settings kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain.canary.reading import canary_spec
from gitops_canary.routers import istio
from tests.managers.canaries.world import canary_doc

CANARY = canary_doc() | {"metadata": {"name": "frontend", "namespace": "test", "uid": "u1"}}


def routes(weight: int = 0, **service: Any) -> Any:
    return istio.virtual_service(canary_spec(canary_doc(service=service)), CANARY, weight)["spec"]


@given(st.integers(0, 100))
def test_the_weights_add_up_and_can_be_read_back(weight: int) -> None:
    spec = canary_spec(canary_doc())
    doc = istio.virtual_service(spec, CANARY, weight)
    assert sum(one["weight"] for one in doc["spec"]["http"][0]["route"]) == 100
    assert istio.weight_of(spec, doc) == weight


GATEWAYS = {
    "none": (None, ["mesh"]),
    "a gateway alone": (["public"], ["public", "mesh"]),
    "mesh is there": (["mesh", "public"], ["mesh", "public"]),
}


@pytest.mark.parametrize("name", GATEWAYS)
def test_calls_inside_the_mesh_follow_the_weights_whatever_gateways_are_given(name: str) -> None:
    given_, expected = GATEWAYS[name]
    assert routes(gateways=given_)["gateways"] == expected


def test_the_apex_name_is_a_host_unless_every_host_is() -> None:
    assert routes()["hosts"] == ["app.test", "frontend"]
    assert routes(hosts=["*"])["hosts"] == ["*"]


def test_the_users_route_settings_are_kept_and_tcp_gets_a_tcp_route() -> None:
    assert routes(timeout="15s", retries={"attempts": 3})["http"][0]["timeout"] == "15s"
    spec = routes(appProtocol="tcp", timeout="15s")
    assert list(spec["tcp"][0]) == ["route"]


def test_both_destination_rules_carry_the_traffic_policy_and_an_owner() -> None:
    policy = {"tls": {"mode": "ISTIO_MUTUAL"}}
    rules = istio.destination_rules(canary_spec(canary_doc(service={"trafficPolicy": policy})), CANARY)
    assert [rule["spec"] for rule in rules] == [
        {"host": "frontend-canary", "trafficPolicy": policy},
        {"host": "frontend-primary", "trafficPolicy": policy},
    ]
    assert rules[0]["metadata"]["ownerReferences"][0]["uid"] == "u1"
