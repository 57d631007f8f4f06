"""Claim: wherever a run is cut off, it ends the same, with exactly one result, and then nothing is written any more."""

from functools import cache

import pytest

from gitops_canary.ports import Answer, Ask, QueryAsk
from tests.managers.canaries.world import NEW, World, canary_doc, config_map, deployment, scaler
from tests.memory.checks import all_good
from tests.memory.faults import Mode
from tests.scenarios.crash import MODES, Course, check, uninterrupted


class Run(World):
    """A deployment of a new image and a new config, driven to its end."""

    def drive(self) -> None:
        if self.image(self.target) != NEW:
            self.cluster.put(config_map(timeout="25s"))
            self.upgrade(NEW)
        self.run_for(300.0)


def never_good(ask: Ask) -> Answer | None:
    if isinstance(ask, QueryAsk) and ask.builtin == "request-success-rate":
        return Answer(ask.key, "value", 62.5)
    return all_good(ask)


def promoting() -> Run:
    return _ready(Run())


def rolling_back() -> Run:
    return _ready(Run(judge=never_good))


def _ready(world: Run) -> Run:
    hooks = [{"name": "helm test", "type": "pre-rollout", "url": "http://t/"}, {"name": "load test", "url": "http://l/"}]
    canary = canary_doc(
        analysis={"threshold": 2, "stepWeight": 10, "webhooks": hooks},
        autoscalerRef={"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "frontend"},
    )
    world.initialised(deployment(config="frontend"), canary, config_map(timeout="30s"), scaler())
    return world


SITUATIONS = {"promote": promoting, "roll back": rolling_back}


@cache
def course(name: str) -> Course:
    return uninterrupted(SITUATIONS[name])


def test_the_interrupted_runs_have_enough_effects_to_be_worth_it() -> None:
    effects = [*course("promote").effects, *course("roll back").effects]
    print(f"{len(effects)} effects:", *effects, sep="\n  ")
    assert len(effects) >= 25
    assert course("promote").end["results"] == [(1, "promoted")]
    assert course("roll back").end["results"] == [(1, "rolled-back")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SITUATIONS)
def test_R2_G1_G2_a_run_that_is_cut_off_anywhere_ends_the_same_with_one_result(name: str, mode: Mode) -> None:
    check(SITUATIONS[name], mode, course(name))
