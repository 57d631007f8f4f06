"""Which Event a sentence becomes, after those before it, and what becomes of Events in the end."""

from dataclasses import replace
from pathlib import Path

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.telling import BURST, REFILL_SECONDS, REMEMBERED, About, Correlator, Sentence
from tests.conformance.client import Api

WEB = About("Pod", "v1", "shop", "web", "uid-1")
SAID = Sentence(WEB, "Normal", "Started", "Container started")
NOW = 1_800_000_000.0


def test_the_same_sentence_is_counted_and_keeps_its_name_and_first_time() -> None:
    correlator = Correlator()
    first, second = correlator.step(SAID, NOW), correlator.step(SAID, NOW + 5)
    assert first
    assert second
    assert (second.name, second.first, second.count) == (first.name, first.first, 2)
    assert second.last > first.last


def test_another_version_of_the_object_says_the_same_sentence() -> None:
    correlator = Correlator()
    correlator.step(SAID, NOW)
    again = correlator.step(replace(SAID, about=replace(WEB, version="7")), NOW)
    assert again
    assert again.count == 2


def test_a_flood_about_one_object_is_held_back_and_about_another_it_is_not() -> None:
    correlator = Correlator()
    steps = [correlator.step(SAID, NOW) for _ in range(100)]
    assert sum(step is not None for step in steps) == BURST
    assert correlator.step(replace(SAID, about=replace(WEB, uid="uid-2")), NOW)
    assert correlator.step(SAID, NOW + REFILL_SECONDS + 1), "one more may be said after a while"
    assert correlator.step(SAID, NOW + REFILL_SECONDS + 1) is None


def test_similar_sentences_long_apart_are_not_joined() -> None:
    correlator = Correlator()
    steps = [correlator.step(replace(SAID, message=str(number)), NOW + number * 700) for number in range(20)]
    assert [step and step.sentence.message for step in steps] == [str(number) for number in range(20)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=80))
def test_no_two_sentences_share_a_count(said: list[tuple[int, int]]) -> None:
    """What is written adds up to what was affordable, whatever is joined."""
    correlator = Correlator()
    last, taken = {}, 0
    for place, (about, message) in enumerate(said):
        step = correlator.step(Sentence(replace(WEB, uid=str(about)), "Normal", "Odd", str(message)), NOW + place / 10)
        if step is not None:
            taken += 1
            last[about, step.name] = step.count
    assert sum(last.values()) == taken


def test_what_was_said_longest_ago_is_forgotten() -> None:
    correlator = Correlator()
    for number in range(REMEMBERED + 50):
        correlator.step(replace(SAID, about=replace(WEB, uid=str(number))), NOW)
    assert len(correlator._told) == len(correlator._groups) == len(correlator._budgets) == REMEMBERED


def test_an_event_is_forgotten_after_its_time(tmp_path: Path) -> None:
    with ApiServer(event_ttl=0.3) as server:
        path = tmp_path / "kubeconfig"
        path.write_bytes(orjson.dumps(server.kubeconfig()))
        api = Api(path, "default", server)
        involved = {"kind": "Pod", "namespace": "default", "name": "web"}
        assert api.create("events", {"metadata": {"name": "odd"}, "involvedObject": involved, "message": "hello"}).code == 201
        assert api.create("configmaps", {"metadata": {"name": "odd"}}).code == 201
        api.until_gone("events", "odd")
        assert api.get("configmaps", "odd").code == 200
        api.close()
