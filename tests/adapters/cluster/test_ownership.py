"""When an apply would change nothing, told from fields the server recorded (samples as kube-apiserver 1.36 writes them)."""

from typing import Any

import pytest

from gitops_canary.adapters.cluster.ownership import held, stands

OWNED: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"gitops-canary/result"': {}}},
    "f:spec": {
        "f:replicas": {},
        "f:command": {},
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}},
    },
}
LIVE: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web", "theirs": "x"}, "finalizers": ["other", "gitops-canary/result"]},
    "spec": {
        "replicas": 2,
        "command": ["a", "b"],
        "defaulted": True,
        "ports": [{"port": 81, "protocol": "TCP"}, {"port": 80, "protocol": "TCP", "name": "http", "targetPort": 80}],
    },
    "status": {"ready": 1},
}


def wanted(**spec: Any) -> dict[str, Any]:
    given = {"replicas": 2, "command": ["a", "b"], "ports": [{"port": 80, "name": "http"}]} | spec
    return {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "web", "resourceVersion": "5", "labels": {"app": "web"}, "finalizers": ["gitops-canary/result"]},
        "spec": {key: value for key, value in given.items() if value is not None},
    }


def test_an_apply_of_what_stands_changes_nothing_whatever_others_own() -> None:
    assert stands(wanted(), LIVE, OWNED)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"replicas": 3}, id="another value"),
        pytest.param({"command": ["b", "a"]}, id="another order in an atomic list"),
        pytest.param({"replicas": None}, id="a field is given up"),
        pytest.param({"more": 1}, id="a field more"),
        pytest.param({"defaulted": True}, id="a field that stands but is not ours"),
        pytest.param({"ports": []}, id="an item is given up"),
        pytest.param({"ports": [{"port": 80, "name": "http"}, {"port": 81}]}, id="an item more"),
        pytest.param({"ports": [{"port": 80, "name": "web"}]}, id="another value in an item"),
        pytest.param({"ports": [{"port": 80, "protocol": "UDP", "name": "http"}]}, id="another key"),
    ],
)
def test_an_apply_that_changes_something_is_seen(change: dict[str, Any]) -> None:
    assert not stands(wanted(**change), LIVE, OWNED)


def test_a_value_that_somebody_else_changed_is_seen() -> None:
    assert not stands(wanted(), {**LIVE, "metadata": {**LIVE["metadata"], "labels": {"app": "else"}}}, OWNED)


def test_what_is_held_leaves_out_what_others_own() -> None:
    before = held(LIVE, OWNED)
    assert held({**LIVE, "status": {"ready": 2}, "spec": {**LIVE["spec"], "defaulted": False}}, OWNED) == before
    assert held({**LIVE, "spec": {**LIVE["spec"], "replicas": 3}}, OWNED) != before
