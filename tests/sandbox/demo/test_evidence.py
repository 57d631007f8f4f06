"""Claims about the witness: a true story raises no doubt, and each planted lie raises the doubt it deserves."""

from dataclasses import replace

import pytest

from gitops_canary.sandbox.demo.evidence import Commit, Expected, Plateau, Scene, doubts

STORY = Expected("frontend.test", (("3.1.1", "promoted"), ("3.1.2", "rolled-back"), ("3.1.3", "promoted")))


def result(subject: str, outcome: str, number: int, **diff: tuple[str, ...]) -> Commit:
    trailers = {"Canary": "frontend.test", "Canary-Run-Id": f"test.frontend-{number}", "Canary-Outcome": outcome}
    return Commit(subject, trailers, **diff)


def bump(tag: str) -> Commit:
    return Commit(f"Auto-release registry.example/podinfo:{tag}", {}, ("tag: old",), (f"tag: {tag}",))


ROLLBACK = result("Roll back frontend.test 3.1.2 to 3.1.1: 62.50% < 99%", "rolled-back", 2, removed=("tag: 3.1.2",), added=("tag: 3.1.1",))
TRUE = Scene(
    commits=(
        Commit("Start", {}),
        bump("3.1.1"),
        result("Promote frontend.test 3.1.1", "promoted", 1),
        bump("3.1.2"),
        ROLLBACK,
        bump("3.1.3"),
        result("Promote frontend.test 3.1.3", "promoted", 3),
    ),
    quarantined=("3.1.2",),
    file_tag="3.1.3",
    primary_image="registry.example/podinfo:3.1.3",
    target_replicas=0,
    phase="Succeeded",
    weights=(100, 0),
    served_versions=("3.1.3", "3.1.3"),
    plateaus=(Plateau(10, 905, 95), Plateau(50, 490, 510), Plateau(0, 100, 0)),
    failed_requests=12,
)
LIES = [
    pytest.param(replace(TRUE, commits=TRUE.commits[:4] + TRUE.commits[5:]), "Git holds the results", id="no rollback commit"),
    pytest.param(replace(TRUE, commits=(*TRUE.commits, TRUE.commits[2])), "run ids", id="a result twice"),
    pytest.param(replace(TRUE, commits=(*TRUE.commits, bump("3.1.2"))), "exactly one bump commit for 3.1.2", id="bumped again"),
    pytest.param(
        replace(TRUE, commits=(*TRUE.commits[:4], replace(ROLLBACK, removed=(), added=()), *TRUE.commits[5:])),
        "does not put the image back",
        id="Git still says the bad version",
    ),
    pytest.param(replace(TRUE, quarantined=()), "not quarantined", id="not quarantined"),
    pytest.param(replace(TRUE, file_tag="3.1.1"), "Git says tag", id="file"),
    pytest.param(replace(TRUE, primary_image="registry.example/podinfo:3.1.2"), "the primary runs", id="primary"),
    pytest.param(replace(TRUE, target_replicas=2), "the target has 2", id="target"),
    pytest.param(replace(TRUE, phase="Failed"), "phase is 'Failed'", id="phase"),
    pytest.param(replace(TRUE, weights=(50, 50)), "the weights are", id="weights"),
    pytest.param(replace(TRUE, served_versions=("3.1.3", "3.1.2")), "users are served", id="users see the bad version"),
    pytest.param(replace(TRUE, failed_requests=0), "never tried", id="the bad tag got no traffic"),
    pytest.param(replace(TRUE, plateaus=(Plateau(10, 500, 500),)), "where the weights say", id="traffic does not follow"),
    pytest.param(replace(TRUE, plateaus=(Plateau(10, 9, 1),)), "too few to tell", id="no traffic"),
]


def test_a_true_story_raises_no_doubt() -> None:
    assert doubts(TRUE, STORY) == []


@pytest.mark.parametrize(("scene", "doubt"), LIES)
def test_a_lie_raises_the_doubt_it_deserves(scene: Scene, doubt: str) -> None:
    assert any(doubt in sentence for sentence in doubts(scene, STORY)), doubts(scene, STORY)
