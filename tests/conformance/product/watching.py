"""What happened to the Deployments of one namespace, state by state, while a story was told."""

import contextlib
import threading
from collections.abc import Callable

import urllib3

from tests.conformance.client import Api
from tests.conformance.product.seen import Doc
from tests.conformance.product.stage import Stage

SECONDS = 2
"""Of one watch: as long as the end may take."""


class Watching:
    """A context manager; `states` are all that the API server told of, in their order."""

    def __init__(self, stage: Stage, namespace: str) -> None:
        self.states: list[Doc] = []
        self._api = Api(stage.world.kubeconfig, namespace)
        self._version = str(self._api.list("deployments").body["metadata"]["resourceVersion"])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watching", daemon=True)

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(SECONDS + 30)
        self._api.close()

    def of(self, name: str, holds: Callable[[Doc], bool] = lambda doc: True) -> list[Doc]:
        """The states of one Deployment."""
        return [doc for doc in self.states if doc["metadata"]["name"] == name and holds(doc)]

    def before(self, name: str, holds: Callable[[Doc], bool]) -> list[Doc]:
        """What was told until that Deployment first was so; it must have been."""
        place = next((place for place, doc in enumerate(self.states) if doc["metadata"]["name"] == name and holds(doc)), -1)
        assert place >= 0, f"{name} was never so in {len(self.states)} states"
        return self.states[:place]

    def _watch(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                for event in self._api.watch("deployments", SECONDS, resourceVersion=self._version):
                    self.states.append(event["object"])
                    self._version = event["object"]["metadata"]["resourceVersion"]
