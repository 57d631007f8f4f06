"""The node's world on the sandbox and on a real control plane."""

from collections.abc import Iterator

import pytest

from tests.sandbox.node.world import Sandbox, World, worlds


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.control_plane)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if request.param == "real":
        yield from worlds(request.getfixturevalue("control_plane"))
        return
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    with sandbox.running():
        yield from worlds(sandbox)
