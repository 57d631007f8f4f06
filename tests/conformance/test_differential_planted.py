"""What the differential test is worth: of two sandboxes one gets a defect, and few sequences must tell them apart by it."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, seed

from gitops_canary.sandbox.apiserver import ApiServer
from tests.conformance.comparing import told_apart
from tests.conformance.conftest import whole_sandbox
from tests.conformance.planting import Plant, around
from tests.conformance.sequences import Operation, sequences
from tests.conformance.sides import Sides, playing

SEQUENCES = 200
_numbers = itertools.count()


def _forced(original: Any, kind: Any, namespace: str, name: str, sent: Any, options: Any) -> Any:
    return original(kind, namespace, name, sent, replace(options, force=True))


def _owned_by_nobody(original: Any, doc: Any, entries: Any) -> None:
    original(doc, [])


def _deleted_in_silence(original: Any, change: Any) -> None:
    if change.kind != "DELETED" or "differential" not in (change.doc["metadata"].get("namespace") or ""):
        original(change)


def _told_as_new(original: Any, change: Any) -> None:
    original(replace(change, before=None, kind="ADDED") if change.kind == "MODIFIED" else change)


def _one_version_behind(original: Any, change: Any) -> None:
    original(replace(change, doc=change.before) if change.kind == "MODIFIED" else change)


def _told_with_an_old_version(original: Any, change: Any) -> None:
    if change.kind == "MODIFIED":
        metadata = {**change.doc["metadata"], "resourceVersion": change.before["metadata"]["resourceVersion"]}
        change = replace(change, doc={**change.doc, "metadata": metadata})
    original(change)


DEFECTS: dict[str, tuple[Callable[[ApiServer], Plant], str]] = {
    "conflicts of appliers are not told": (
        lambda server: around(server.objects, "apply", _forced),
        "operation .*differs in.*ours 200, real 409",
    ),
    "fields have no owner": (
        lambda server: around(server.objects, "_own", _owned_by_nobody),
        r"operation .*managedFields: ours '\(none\)'",
    ),
    "a deletion is not told": (lambda server: around(server.store, "_tell", _deleted_in_silence), "the watch of .*real .*DELETED"),
    "a change is told as a new object": (
        lambda server: around(server.store, "_tell", _told_as_new),
        "the watch of .*ours 'ADDED', real 'MODIFIED'",
    ),
    "a change is told with an old version": (
        lambda server: around(server.store, "_tell", _told_with_an_old_version),
        "the watch of .*ours 'no later version', real 'a later version'",
    ),
    "a change tells what was before": (lambda server: around(server.store, "_tell", _one_version_behind), "the watch of .*differs in"),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiServer, Sides]]:
    """A server to plant in, and both sides: it and a sound one."""
    folder = tmp_path_factory.mktemp("differential")
    with contextlib.ExitStack() as ends:
        planted, ours = ends.enter_context(whole_sandbox(folder / "planted"))
        _, sound = ends.enter_context(whole_sandbox(folder / "sound"))
        yield planted, ends.enter_context(contextlib.closing(Sides(ours, sound)))


def difference(sides: Sides) -> str:
    """The first that so many sequences show."""
    found: list[str] = []

    @pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
    @seed(1)
    @playing(SEQUENCES)
    @given(sequence=sequences())
    def play(sequence: list[Operation]) -> None:
        found[:] = [told_apart(sequence, *sides.play(next(_numbers), sequence))]
        assert not found[0]

    with contextlib.suppress(AssertionError):
        play()
    return found[0]


def test_two_sandboxes_are_not_told_apart(pair: tuple[ApiServer, Sides]) -> None:
    assert difference(pair[1]) == ""


@pytest.mark.parametrize("name", DEFECTS)
def test_few_sequences_tell_a_defective_server_apart_by_its_defect(pair: tuple[ApiServer, Sides], name: str) -> None:
    server, sides = pair
    plant, words = DEFECTS[name]
    with pytest.MonkeyPatch.context() as patch:
        plant(server)(patch)
        said = difference(sides)
    assert re.search(words, said, re.S), said
