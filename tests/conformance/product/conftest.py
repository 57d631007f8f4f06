"""The stage of the product's stories, one for each kind of server; `stage.py` says how a story is written."""

from collections.abc import Iterator

import pytest

from tests.conformance.product.onlooker import Server
from tests.conformance.product.stage import Stage


@pytest.fixture(scope="session", params=["sandbox", pytest.param("real", marks=pytest.mark.control_plane)])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Started by the first story that asks for it, shared by all stories of its kind of server."""
    server: Server = request.param
    with Stage(tmp_path_factory.mktemp(f"stage-{server}"), server) as stage:
        yield stage
