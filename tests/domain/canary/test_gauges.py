"""Claims about the numbers that dashboards read."""

import pytest

from gitops_canary.domain.canary.gauges import gauges
from tests.managers.canaries.world import canary_doc

STATES = {"Progressing": 0.0, "WaitingPromotion": 0.0, "Failed": 2.0, "Succeeded": 1.0, "Promoting": 1.0, "": 1.0}


@pytest.mark.parametrize("phase", STATES)
def test_status_and_weights_carry_flaggers_names_and_values(phase: str) -> None:
    found = gauges([canary_doc() | {"status": {"phase": phase, "canaryWeight": 35}}])
    assert [(one.name, one.value) for one in found] == [
        ("flagger_canary_total", 1.0),
        ("flagger_canary_status", STATES[phase]),
        ("flagger_canary_weight", 35.0),
        ("flagger_canary_weight", 65.0),
    ]
