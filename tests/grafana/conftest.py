"""The real Prometheus, or what is said where a machine has none."""

import os
import shutil

import pytest

from tests.fixtures_servers import leave_out

REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there is no Prometheus its tests are left out; in CI a missing one fails them."""
    if shutil.which("prometheus") or os.environ.get(REQUIRED) == "1":
        return
    needing = [item for item in items if "real_prometheus" in getattr(item, "fixturenames", ())]
    leave_out(config, items, needing, "of the dashboards' queries, which need prometheus on PATH")


@pytest.fixture(scope="session")
def real_prometheus() -> None:
    assert shutil.which("prometheus"), "the dashboards' queries need prometheus on PATH"
