"""The same made-up sequences of operations on the sandbox and on a real control plane: no answer may differ.

`GITOPS_CANARY_DIFFERENTIAL=2000` plays that many, `GITOPS_CANARY_DIFFERENTIAL_SEED=7` others; a failure prints the sequence and its seed.
"""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, seed

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.conformance.comparing import told_apart
from tests.conformance.playing import Played
from tests.conformance.sequences import KINDS, MOST, Operation, sequences
from tests.conformance.sides import Sides, playing
from tests.fixtures_servers import TOLD

SEQUENCES = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL", "60"))
SEED = int(os.environ.get("GITOPS_CANARY_DIFFERENTIAL_SEED", "1"))
"""The same sequences every time, so that a failure is a change of ours; other seeds look further."""
_numbers = itertools.count()


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
@playing(SEQUENCES)
@given(sequence=sequences())
def test_no_sequence_of_operations_tells_the_servers_apart(both: Sides, sequence: list[Operation]) -> None:
    ours, real = both.play(next(_numbers), sequence)
    difference = told_apart(sequence, ours, real)
    assert not difference, f"seed {SEED}: {difference}"
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
