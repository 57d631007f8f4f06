"""The session's real control plane, and what becomes of the tests marked `control_plane` where there is none."""

import os
from collections.abc import Iterator

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.control_plane import binaries
from gitops_canary.sandbox.control_plane.plane import ControlPlane

REQUIRED = "GITOPS_CANARY_REQUIRE_CONTROL_PLANE"
"""Set to 1 in CI: there a missing control plane fails the tests that need it, so that nothing is left out silently."""

left_out = pytest.StashKey[tuple[int, str]]()


def absence() -> str:
    """Why no control plane can be started; empty when one can."""
    try:
        binaries.find()
    except UserError as error:
        return str(error)
    return ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needing = [item for item in items if item.get_closest_marker("control_plane")]
    reason = absence()
    if not needing or not reason or os.environ.get(REQUIRED) == "1":
        return
    config.stash[left_out] = (len(needing), reason)
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out in config.stash:
        count, reason = config.stash[left_out]
        terminalreporter.write_line(f"{count} tests on a real control plane were left out: {reason}", yellow=True)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """One plane for the whole session: tests use namespaces and cluster-scoped names of their own."""
    with ControlPlane() as plane:
        yield plane
