"""The controllers' work goes on whatever one object does to them."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from gitops_canary.sandbox.apiserver import ApiServer
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.controllers import Controllers
from tests.conformance.client import Api
from tests.conformance.objects import deployment


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    path = tmp_path / "kubeconfig"
    with ApiServer() as server:
        path.write_bytes(orjson.dumps(server.kubeconfig()))
        controllers = Controllers(path)
        controllers.start()
        client = Api(path, "default", server)
        yield client
        client.close()
        controllers.stop()


def _spoilt(api: Api) -> None:
    """A stored object that no write would have let through, as a newer version's might be for an older controller."""

    async def spoil() -> None:
        kind = api.sandbox.kinds.named("apps/v1", "Deployment")
        doc = api.sandbox.objects.store.get(kind.storage, ("default", "odd"))
        spec = {**doc["spec"], "replicas": "many"}
        api.sandbox.objects._save(kind, {**doc, "spec": spec}, doc, Options())

    api.sandbox._background.call(spoil())


def test_an_object_that_a_controller_stumbles_over_keeps_no_other_from_its_turn(api: Api) -> None:
    assert api.create("deployments", deployment("odd", 0)).code == 201
    api.until("deployments", "odd", lambda doc: doc["status"].get("observedGeneration") == 1)
    _spoilt(api)
    assert api.create("deployments", deployment("fine", 0)).code == 201
    api.until("deployments", "fine", lambda doc: doc["status"].get("observedGeneration") == 1)
    # Mended, it is taken up by itself.
    api.patch("deployments", "odd", {"spec": {"replicas": 1}})
    api.until("deployments", "odd", lambda doc: doc["status"].get("unavailableReplicas") == 1)
