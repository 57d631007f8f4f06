"""The same made-up sequences of operations on the sandbox and on a real control plane: no answer may differ.

`GITOPS_CANARY_DIFFERENTIAL=2000` plays that many new sequences; a failure prints the sequence and the seed that made it.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.conformance.client import APPLY, JSON_PATCH, MERGE, STRATEGIC, Answer, Api, Doc
from tests.conformance.conftest import define
from tests.conformance.objects import WIDGETS, container, crd

EXPLORED = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL", "0"))
SEQUENCES = EXPLORED or 60
"""The usual run plays the same sequences every time; exploring is asked for."""
SPACE = "differential"
_numbers = itertools.count()
_tally = {"requests": 0, "successful": 0}

texts = st.sampled_from(["1", "2", "3"])
labels = st.dictionaries(st.sampled_from(["app", "tier"]), texts, min_size=1, max_size=2)
data = st.dictionaries(st.sampled_from(["a", "b", "c"]), texts, min_size=1, max_size=3)
names = st.sampled_from(["x", "y"])
managers = st.sampled_from(["helm", "human", "operator"])


@st.composite
def containers(draw: st.DrawFn) -> list[Doc]:
    made = []
    for name in draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True)):
        env = [{"name": key, "value": value} for key, value in draw(data).items()]
        made.append(container(name, draw(st.sampled_from(["app:1", "app:2"])), **({"env": env} if env else {})))
    return made


@st.composite
def specs(draw: st.DrawFn, plural: str) -> Doc:
    """What stands beside the metadata, whole and valid for nearly all draws."""
    if plural == "configmaps":
        return {"data": draw(data)}
    if plural == "secrets":
        return {"stringData": draw(data)}
    if plural == "services":
        ports = draw(st.lists(st.sampled_from([80, 81]), min_size=1, max_size=2, unique=True))
        return {"spec": {"selector": draw(labels), "ports": [{"name": f"p{port}", "port": port} for port in ports]}}
    if plural == "leases":
        return {"spec": {"holderIdentity": draw(st.sampled_from(["me", "you"])), "leaseDurationSeconds": draw(st.sampled_from([15, 30]))}}
    if plural == "cronjobs":
        pod = {"restartPolicy": "Never", "containers": draw(containers())}
        return {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": pod}}}}}
    spec: Doc = {"size": draw(st.integers(0, 12))}
    tags = st.lists(texts, min_size=1, max_size=2, unique=True)
    for key, values in (("color", st.sampled_from(["red", "green", "blue"])), ("odd", texts), ("tags", tags)):
        if draw(st.booleans()):
            spec[key] = draw(values)
    return {"spec": spec}


KINDS = {
    "configmaps": ("v1", "ConfigMap"),
    "secrets": ("v1", "Secret"),
    "services": ("v1", "Service"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "cronjobs": ("batch/v1", "CronJob"),
    WIDGETS: ("conformance.gitops-canary.dev/v1", "Widget"),
}


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, str, str, Any]:
    """(verb, plural, name, body)."""
    plural, name = draw(st.sampled_from(sorted(KINDS))), draw(names)
    verb = draw(st.sampled_from(["create", "create", "apply", "apply", "merge", "strategic", "json", "replace", "delete", "get", "list"]))
    doc = {**draw(specs(plural)), "metadata": {"labels": draw(labels)}}
    if verb == "apply":
        doc.pop("stringData", None)
        return "apply", plural, name, (draw(managers), draw(st.booleans()), doc)
    if verb == "json":
        key = draw(st.sampled_from(["/metadata/labels/app", "/data/a", "/spec/size", "/metadata/annotations"]))
        operation = draw(st.sampled_from(["add", "replace", "remove", "test"]))
        return "json", plural, name, [{"op": operation, "path": key, "value": {"k": "v"} if key.endswith("ions") else draw(texts)}]
    if verb == "list":
        return "list", plural, name, draw(st.sampled_from(["app=1", "app!=1", "tier", "!tier", "app in (1,2)", ""]))
    return verb, plural, name, doc


def play(api: Api, mark: str, operation: tuple[str, str, str, Any]) -> Answer:
    verb, plural, name, body = operation
    path, full = api.path(plural, f"{name}-{mark}"), f"{name}-{mark}"
    if verb in ("get", "delete"):
        return api.request(verb.upper(), path)
    if verb == "list":
        selector = ",".join(part for part in (body, f"mark={mark}") if part)
        return api.list(plural, labelSelector=selector)
    if verb == "json":
        return api.request("PATCH", path, body, JSON_PATCH)
    version, kind = KINDS[plural]
    force, manager = False, None
    if verb == "apply":
        manager, force, body = body
    meta = {"name": full, "labels": {**body["metadata"]["labels"], "mark": mark}}
    doc = {"apiVersion": version, "kind": kind, **body, "metadata": meta}
    if verb == "apply":
        return api.request("PATCH", path, doc, APPLY, fieldManager=manager, force=str(force).lower())
    if verb in ("merge", "strategic"):
        return api.request("PATCH", path, doc, MERGE if verb == "merge" else STRATEGIC)
    return api.request(*(("POST", api.path(plural)) if verb == "create" else ("PUT", path)), doc)


def shown(answer: Answer) -> Any:
    """What of an answer must be the same: all of an object, code and reason of a refusal."""
    if answer.code >= 400:
        return answer.code, answer.body.get("reason")
    return answer.code, _plain(answer.body)


def differences(ours: Any, real: Any, path: str = "") -> list[str]:
    """Where the two differ, and how."""
    if isinstance(ours, dict) and isinstance(real, dict):
        keys = sorted({*ours, *real})
        return [line for key in keys for line in differences(ours.get(key, "(none)"), real.get(key, "(none)"), f"{path}.{key}")]
    if isinstance(ours, list | tuple) and isinstance(real, list | tuple) and len(ours) == len(real):
        return [line for number in range(len(ours)) for line in differences(ours[number], real[number], f"{path}[{number}]")]
    return [] if ours == real else [f"{path}: ours {ours!r}, real {real!r}"]


MOVING = ("uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "deletionTimestamp")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in MOVING and key != "."}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def both(conformance_sandbox: tuple[ApiServer, Path], control_plane: ControlPlane) -> Iterator[tuple[Api, Api]]:
    sides = Api(conformance_sandbox[1], SPACE), Api(Path(control_plane.kubeconfig("gitops-canary")), SPACE)
    for api in sides:
        define(api, crd())
        api.create("namespaces", {"metadata": {"name": SPACE}})
    yield sides
    for api in sides:
        api.delete("namespaces", SPACE)
        api.close()


@pytest.mark.control_plane
@settings(
    max_examples=SEQUENCES,
    derandomize=not EXPLORED,
    deadline=None,
    print_blob=bool(EXPLORED),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(operations(), min_size=8, max_size=12))
def test_no_sequence_of_operations_tells_the_servers_apart(both: tuple[Api, Api], sequence: list[tuple[str, str, str, Any]]) -> None:
    mark = f"{next(_numbers)}"
    for operation in sequence:
        ours, real = (play(api, mark, operation) for api in both)
        note(f"{operation}: {real.code} {real.message if isinstance(real.body, dict) else ''}")
        _tally["requests"] += 1
        _tally["successful"] += real.code < 400
        assert differences(shown(ours), shown(real)) == []


@pytest.mark.control_plane
def test_the_sequences_were_worth_playing(both: tuple[Api, Api]) -> None:
    """At least three of ten requests succeeded: refusals alone would prove little."""
    assert _tally["requests"] >= 8 * min(SEQUENCES, 1)
    assert _tally["successful"] >= 0.3 * _tally["requests"]
