"""Claims about the machine that hold in every state it can reach, found by searching all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product

from gitops_canary.domain.canary.machine import decide
from gitops_canary.domain.canary.model import Check, Readiness, Route, Seen, Step, Verdict, Verdicts, Workload, revision_id
from gitops_canary.domain.canary.spec import CanarySpec, Hook, Service
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.domain.canary.transitions import ANALYSING, RESTING, TRANSITIONS, Phase, mermaid
from gitops_canary.domain.resources import Ref

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B = "sha256:a", "sha256:b"
TARGET = Ref("apps/v1", "Deployment", "test", "frontend")
SPEC = CanarySpec("test", "frontend", TARGET, Service("frontend", 80, "http", 80, {}), steps=(50,), threshold=1)
READY, WAITS, FINAL = Readiness(True), Readiness(False, "0 of 2 updated replicas are available"), Readiness(False, "stuck", final=True)
IMAGES = {A: "podinfo:1", B: "podinfo:2", "sha256:c": "podinfo:3"}
METRIC = Check("key", "metric")
GATE = Check("key", "hook", hook=Hook("confirm-promotion", "gate", "http://gate/"))
STOP = Check("key", "hook", hook=Hook("rollback", "stop", "http://stop/"))
ANSWERS: tuple[Verdicts | None, ...] = (
    None,
    (),
    (Verdict(METRIC, "failed", "bad", "bad", "1%", ">= 2%"),),
    (Verdict(GATE, "closed", "closed"),),
    (Verdict(STOP, "failed", reason="manual webhook invoked"),),
)


@dataclass(frozen=True)
class Move:
    before: CanaryStatus
    seen: Seen
    verdicts: Verdicts | None
    step: Step


def worlds() -> Iterator[Seen]:
    """What may be seen, likely or not: every rollout beside every other, and each special circumstance beside what rests."""
    primaries = (None, *product((A, B), (READY, WAITS)), (B, FINAL))
    for template, ready, primary, pinned in product(IMAGES, (READY, WAITS), primaries, (True, False)):
        yield look(template, ready, primary, pinned_available=pinned)
    for template in IMAGES:
        yield look(template, FINAL, (A, READY))
    specials: tuple[dict[str, object], ...] = ({"deleted": 0.0}, {"git": False}, {"recorded": None}, {"held": "held"})
    for template, primary, special in product((A, B), ((A, READY), (B, READY)), specials):
        yield look(template, READY, primary, **special)


def look(template: str, ready: Readiness, primary: tuple[str, Readiness] | None, **special: object) -> Seen:
    return Seen(
        target=Workload(template, 2, ready, {"app": IMAGES[template]}),
        primary=primary and Workload(primary[0], 2, primary[1], {"app": IMAGES[primary[0]]}),
        primary_carries=revision_id(primary[0], {}) if primary else "",
        finalizer=True,
        **special,  # type: ignore[arg-type]
    )


def essence(status: CanaryStatus) -> CanaryStatus:
    """Without what grows for ever: numbers, counters of the run, recorded results, sentences."""
    run = status.run and replace(status.run, number=1, tick=0, peak=0, failed=0, checks={}, reason="", ended="", waits="")
    return replace(status, run=run, number=min(status.number, 1), pending=(), last_result=None, says="", differs=False)


@cache
def all_moves() -> tuple[Move, ...]:
    """Breadth first from nothing to every reachable status."""
    every = list(worlds())
    found: set[str] = set()
    edge, moves = [CanaryStatus()], []
    while edge:
        status = edge.pop()
        answers = ANSWERS if status.phase in ANALYSING else ANSWERS[:2]
        for seen, verdicts in product(every, answers):
            step = decide(SPEC, status, seen, verdicts, NOW)
            if step.status is status:
                continue
            moves.append(Move(status, seen, verdicts, step))
            after = essence(step.status)
            if (mark := repr(after)) not in found:
                found.add(mark)
                edge.append(after)
    return tuple(moves)


def test_the_search_reaches_every_phase_but_the_gate_before_a_run() -> None:
    reached = {move.step.status.phase for move in all_moves()}
    print(f"{len(all_moves())} moves")
    assert reached - {Phase.NEW} == set(Phase) - {Phase.NEW, Phase.WAITING}


def test_phases_change_only_as_the_table_says() -> None:
    for move in all_moves():
        before, after = move.before.phase, move.step.status.phase
        assert after is before or after in TRANSITIONS[before], f"{before} -> {after}: {move.seen}"


def test_the_weight_stays_between_nothing_and_the_last_step_and_rests_at_nothing() -> None:
    for move in all_moves():
        status = move.step.status
        serves = status.run is not None and status.run.serves
        assert 0 <= status.weight <= (100 if serves else SPEC.steps[-1])
        assert status.phase not in RESTING or serves or status.weight == 0, move


def test_R1_without_a_tick_neither_weight_nor_count_grows() -> None:
    for move in all_moves():
        if move.verdicts is None:
            serves = move.step.status.run is not None and move.step.status.run.serves
            assert move.step.status.weight <= move.before.weight or serves
            assert move.step.status.failed_checks <= move.before.failed_checks


def test_R2_the_route_that_is_applied_last_is_what_the_status_says() -> None:
    for move in all_moves():
        routes = [effect.canary for effect in move.step.effects if isinstance(effect, Route)]
        assert not routes or routes[-1] == move.step.status.weight, move


def test_G1_G2_a_run_that_ends_leaves_exactly_one_result_and_nothing_else_does() -> None:
    for move in all_moves():
        before, after = move.before.run, move.step.status.run
        new_number = move.step.status.number > move.before.number and move.before.number > 0
        ended = before is not None and before.under_way and (new_number or (after is not None and not after.under_way))
        left = len(move.step.status.pending) + (move.step.status.last_result is not None)
        assert left == (1 if ended else 0), move


def test_the_same_look_gives_the_same_step() -> None:
    for move in all_moves()[:500]:
        assert decide(SPEC, move.before, move.seen, move.verdicts, NOW) == move.step


def test_the_diagram_names_every_phase_and_every_change() -> None:
    diagram = mermaid()
    assert diagram.splitlines()[0] == "stateDiagram-v2"
    assert diagram.count("-->") == sum(len(nexts - {phase}) for phase, nexts in TRANSITIONS.items())
    assert "    Progressing --> Promoting" in diagram
    assert "    [*] --> Initializing" in diagram
