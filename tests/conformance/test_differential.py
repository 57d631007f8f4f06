"""The same made-up sequences of operations on the sandbox and on a real control plane: no answer may differ.

`GITOPS_CANARY_DIFFERENTIAL=2000` plays that many, `GITOPS_CANARY_DIFFERENTIAL_SEED=7` others; a failure prints the sequence and its seed.
"""

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.conformance.client import Answer, Api
from tests.conformance.conftest import define
from tests.conformance.objects import crd
from tests.conformance.sequences import Operation, Played, operations, play_all

SEQUENCES = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL", "60"))
SEED = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL_SEED", "1"))
"""The same sequences every time, so that a failure is a change of ours; other seeds look further."""
PER_NAMESPACE = 50
_numbers = itertools.count()
_tally = {"sequences": 0, "requests": 0, "successful": 0}


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


def _by_name(entries: list[Any]) -> list[Any]:
    """Servers order them by their second first, and a second may end between the two servers' writes."""
    return sorted(entries, key=lambda one: (one["operation"], one["manager"], one.get("subresource", "")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _plain(_by_name(inner) if key == "managedFields" else inner)
            for key, inner in value.items()
            if key not in MOVING and key != "."
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


class Sides:
    """Both servers, in a namespace that is left behind before its lists grow long."""

    def __init__(self, ours: Path, real: Path) -> None:
        self.pair = Api(ours), Api(real)
        self.pool = ThreadPoolExecutor(2)
        for api in self.pair:
            define(api, crd())

    def play(self, number: int, sequence: list[Operation]) -> tuple[Played, Played]:
        if number % PER_NAMESPACE == 0:
            self.leave()
            for api in self.pair:
                api.ns = f"differential-{number}"
                made = api.create("namespaces", {"metadata": {"name": api.ns}})
                assert made.code == 201, made.body
        ours, real = (self.pool.submit(play_all, api, f"{number}", sequence) for api in self.pair)
        return ours.result(), real.result()

    def leave(self) -> None:
        for api in self.pair:
            if api.ns:
                api.delete("namespaces", api.ns)


@pytest.fixture(scope="module")
def both(conformance_sandbox: tuple[ApiServer, Path], control_plane: ControlPlane) -> Iterator[Sides]:
    sides = Sides(conformance_sandbox[1], Path(control_plane.kubeconfig("gitops-canary")))
    yield sides
    sides.leave()
    sides.pool.shutdown()
    for api in sides.pair:
        api.close()


@pytest.mark.control_plane
@pytest.mark.timeout(1800)
@seed(SEED)
@settings(max_examples=SEQUENCES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=st.lists(operations(), min_size=8, max_size=12))
def test_no_sequence_of_operations_tells_the_servers_apart(both: Sides, sequence: list[Operation]) -> None:
    ours, real = both.play(next(_numbers), sequence)
    for operation, mine, theirs in zip(sequence, ours.answers, real.answers, strict=True):
        _tally["requests"] += 1
        _tally["successful"] += theirs.code < 400
        assert differences(shown(mine), shown(theirs)) == [], f"seed {SEED}: {operation}: {theirs.code} {theirs.message}"
    for plural, told in real.told.items():
        mine, theirs = ([(one["type"], _plain(one["object"])) for one in events] for events in (ours.told[plural], told))
        assert differences(mine, theirs) == [], f"seed {SEED}: the watch of {plural}"
    _tally["sequences"] += 1


@pytest.mark.control_plane
def test_the_sequences_were_worth_playing(both: Sides) -> None:
    """At least three of ten requests succeeded: refusals alone would prove little."""
    assert _tally["sequences"] >= SEQUENCES
    assert _tally["requests"] >= 8 * SEQUENCES
    assert _tally["successful"] >= 0.3 * _tally["requests"]
