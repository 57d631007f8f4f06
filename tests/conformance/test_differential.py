"""The same made-up sequences of operations on the sandbox and on a real control plane: no answer may differ.

`GITOPS_CANARY_DIFFERENTIAL=2000` plays that many, `GITOPS_CANARY_DIFFERENTIAL_SEED=7` others; a failure prints the sequence and its seed.
"""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from ruamel.yaml import YAML

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.conformance.client import Answer, Api, Doc
from tests.conformance.conftest import define
from tests.conformance.objects import crd
from tests.conformance.playing import Played, Side
from tests.conformance.sequences import KINDS, MOST, Operation, sequences
from tests.fixtures_servers import TOLD

SEQUENCES = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL", "60"))
SEED = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL_SEED", "1"))
"""The same sequences every time, so that a failure is a change of ours; other seeds look further."""
PER_NAMESPACE = 50
_numbers = itertools.count()
DEFINITIONS = Path(__file__).parents[2] / "deploy" / "crds"


@dataclass
class Tally:
    """What was played without a difference."""

    sequences: int = 0
    requests: int = 0
    successful: int = 0
    shortest: int = MOST
    kinds: set[str] = field(default_factory=set)
    narrowest: int = len(KINDS)
    events: Counter[str] = field(default_factory=Counter)

    def take(self, sequence: list[Operation], played: Played) -> None:
        kinds = {plural for _, plural, *_ in sequence}
        self.sequences += 1
        self.requests += len(sequence)
        self.successful += sum(answer.code < 400 for answer in played.answers)
        self.shortest, self.narrowest = min(self.shortest, len(sequence)), min(self.narrowest, len(kinds))
        self.kinds |= kinds
        for event in (one for told in played.told.values() for one in told):
            self.events[event["type"]] += 1

    def __str__(self) -> str:
        return (
            f"{self.sequences} sequences of {self.shortest} or more operations on {self.narrowest} or more of {len(self.kinds)} kinds, "
            f"{self.requests} requests, {self.successful / max(self.requests, 1):.1%} successful, events {dict(self.events)}: no difference"
        )


_tally = Tally()


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
        self.pair = Side(Api(ours)), Side(Api(real))
        self.pool = ThreadPoolExecutor(2)
        for side in self.pair:
            for definition in (crd(), *_our_definitions()):
                define(side.api, definition)

    def play(self, number: int, sequence: list[Operation]) -> tuple[Played, Played]:
        if number % PER_NAMESPACE == 0:
            for side in self.pair:
                side.enter(f"differential-{number}")
        ours, real = (self.pool.submit(side.play, f"{number}", sequence) for side in self.pair)
        return ours.result(), real.result()

    def close(self) -> None:
        self.pool.shutdown()
        for side in self.pair:
            side.leave()
            side.api.close()


def _our_definitions() -> list[Doc]:
    names = ("canaries.flagger.app", "helmreleases.helm.fluxcd.io")
    return [YAML(typ="safe", pure=True).load(DEFINITIONS / f"{name}.yaml") for name in names]


@pytest.fixture(scope="module")
def both(conformance_sandbox: tuple[ApiServer, Path], control_plane: ControlPlane) -> Iterator[Sides]:
    sides = Sides(conformance_sandbox[1], Path(control_plane.kubeconfig("gitops-canary")))
    with contextlib.closing(sides):
        yield sides


@pytest.mark.control_plane
@pytest.mark.timeout(1800)
# The sandbox's threads draw random numbers of their own while a sequence is drawn, which Hypothesis takes for the strategy's.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@seed(SEED)
@settings(max_examples=SEQUENCES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=sequences())
def test_no_sequence_of_operations_tells_the_servers_apart(both: Sides, sequence: list[Operation]) -> None:
    ours, real = both.play(next(_numbers), sequence)
    for operation, mine, theirs in zip(sequence, ours.answers, real.answers, strict=True):
        assert differences(shown(mine), shown(theirs)) == [], f"seed {SEED}: {operation}: {theirs.code} {theirs.message}"
    for watch, told in real.told.items():
        here, there = ([(one["type"], _plain(one["object"])) for one in events] for events in (ours.told[watch], told))
        assert differences(here, there) == [], f"seed {SEED}: the watch of {watch}"
    _tally.take(sequence, real)


@pytest.mark.control_plane
def test_the_sequences_were_worth_playing(both: Sides, request: pytest.FixtureRequest) -> None:
    """At least three of ten requests succeeded: refusals alone would prove little."""
    request.config.stash[TOLD].append(f"{_tally}, seed {SEED}")
    assert _tally.sequences >= SEQUENCES
    assert _tally.shortest >= 8
    assert _tally.narrowest >= 5
    assert _tally.successful >= 0.3 * _tally.requests
    assert set(_tally.events) == {"ADDED", "MODIFIED", "DELETED"}
