"""When a release waits for the canary that serves from its target, and what lets it go on (rule R11)."""

from collections.abc import Mapping
from typing import Any

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases_status import Record
from gitops_canary.domain.results import Outcome
from gitops_canary.managers.reading import Reader
from gitops_canary.managers.release_cases import Case, Known
from gitops_canary.managers.release_refusal import refusal_by_canaries
from gitops_canary.managers.retrying import retry_edit
from gitops_canary.ports import HelmRevision
from tests.managers.test_results import Results, result
from tests.memory.clock import VirtualClock
from tests.memory.cluster import MemoryCluster

OLD, NEW, FIXED = ({"image": {"repository": "a/b", "tag": tag}} for tag in ("1.0.0", "1.0.1", "1.0.2"))


def case(release: str, values: Mapping[str, Any], *before: Mapping[str, Any]) -> Case:
    """A release whose Helm history has these values, oldest first, and that shall get others."""
    spec = HelmReleaseSpec(release, "test", release, "test")
    meta = {"name": release, "namespace": "test"}
    doc = {"apiVersion": "flux.weave.works/v1beta1", "kind": "HelmRelease", "metadata": meta, "spec": {"values": values}}
    history = tuple(HelmRevision(number, "deployed", "app-1", one) for number, one in enumerate(before, 1))
    return Case(doc, spec, Record(inputs="sha256:x"), Known(history=history), VirtualClock().now(), values)


def serving(was: str, now: str, *, serves: bool = True) -> MemoryCluster:
    """A canary of the release `frontend` whose promotion of `now` failed."""
    cluster = MemoryCluster()
    meta = {"name": "frontend", "namespace": "test", "annotations": {"meta.helm.sh/release-name": "frontend"}}
    images = {"was": {"image": f"a/b:{was}"}, "now": {"image": f"a/b:{now}"}}
    run = {"number": 3, "started": "2026-01-01T00:00:00Z", "serves": serves, **images}
    cluster.put({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": meta, "spec": {}, "status": {"run": run}})
    return cluster


@pytest.mark.parametrize(("release", "serves", "refused"), [("frontend", True, True), ("frontend", False, False), ("other", True, False)])
def test_R11_the_canaries_of_a_release_say_whether_it_may_be_upgraded(release: str, serves: bool, refused: bool) -> None:
    sentence = refusal_by_canaries(serving("1.0.0", "1.0.1", serves=serves))(case(release, FIXED, OLD, NEW))
    assert bool(sentence) is refused, sentence


@pytest.mark.parametrize(
    ("values", "before", "was", "now", "refused"),
    [
        pytest.param(OLD, [OLD, NEW], "1.0.0", "1.0.1", False, id="back to what was promoted"),
        pytest.param({**OLD, "more": 1}, [OLD, NEW], "1.0.0", "1.0.1", True, id="its image with another value"),
        pytest.param(OLD, [OLD, FIXED, NEW], "1.0.0", "1.0.1", False, id="over a superseded one"),
        pytest.param(FIXED, [OLD, FIXED, NEW], "1.0.0", "1.0.1", True, id="to a superseded one"),
        pytest.param(OLD, [OLD, {**OLD, "more": 1}], "1.0.0", "1.0.0", False, id="back to the values before"),
        pytest.param({**OLD, "more": 2}, [OLD, {**OLD, "more": 1}], "1.0.0", "1.0.0", True, id="to other values"),
        pytest.param(OLD, [], "1.0.0", "1.0.1", True, id="nothing is known of before"),
    ],
)
def test_R11_a_release_that_goes_back_to_what_was_promoted_does_not_wait(
    values: Mapping[str, Any], before: list[Mapping[str, Any]], was: str, now: str, refused: bool
) -> None:
    sentence = refusal_by_canaries(serving(was, now))(case("frontend", values, *before))
    assert bool(sentence) is refused, sentence


def test_R11_a_release_that_a_person_lets_go_on_after_that_run_does_not_wait() -> None:
    cluster = serving("1.0.0", "1.0.1")
    for number, refused in ((2, True), (3, False)):
        asked = ("test/frontend", number)
        sentence = refusal_by_canaries(cluster, lambda *run, asked=asked: run == asked)(case("frontend", FIXED, OLD, NEW))
        assert bool(sentence) is refused, sentence


def test_R11_retry_lets_the_release_of_a_failed_promotion_go_on_once_and_for_that_run_only() -> None:
    world = Results()
    world.ends(result(outcome=Outcome.ABORTED, reason="primary not ready: 0 of 1 are available"))
    world.record()
    assert not world.results.retried("test/frontend", 1)
    retry = retry_edit(Reader(world.load), "test", "frontend")
    world.repository.change(retry)
    assert world.repository.log()[0] == "Retry frontend.test 3.1.1"
    assert world.results.retried("test/frontend", 1)
    assert not world.results.retried("test/frontend", 2)
    with pytest.raises(UserError, match="cannot retry any tag of"):
        world.repository.change(retry)
