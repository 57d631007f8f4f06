"""A metrics server for the conformance suite: what pods use is what a case says, for a real autoscaler and the sandbox's."""

import time
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from gitops_canary.adapters.accepting import Site, listening
from gitops_canary.sandbox.background import Background
from gitops_canary.sandbox.node.kubelet import tls
from gitops_canary.sandbox.node.metrics import MetricsApi, announcement
from gitops_canary.sandbox.node.usage import Rate
from tests.conformance.client import APPLY, Api, Doc

WINDOW = 0.05
"""Seconds; a pod that has been ready for so long is measured."""


class Figures:
    """`uses` says what each pod of an app uses from now on; the API server asks here between `start` and `stop`."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = Api(api.kubeconfig, api.ns, api.sandbox)
        self._folder = folder
        self._used: dict[str, tuple[float, int]] = {}
        self._background = Background("figures")

    def uses(self, app: str, cores: float, memory: int = 0) -> None:
        self._used[app] = (cores, memory)

    def start(self) -> None:
        self._background.call(self._open())
        for path, doc in announcement("127.0.0.1", self._site.port).items():
            made = self._api.request("PATCH", path, doc, APPLY, fieldManager="figures", force="true")
            assert made.code in (200, 201), made.body

    def stop(self) -> None:
        """A group that nobody answers for would keep namespaces from ending."""
        for path in announcement("127.0.0.1", self._site.port):
            self._api.request("DELETE", path)
        self._background.call(self._site.close())
        self._background.stop()
        self._api.close()

    async def _open(self) -> None:
        app = web.Application()
        MetricsApi("conformance", self._measured).add_to(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        self._site = Site(runner, listening("127.0.0.1", 0), tls(self._folder, "127.0.0.1"))
        await self._site.open()

    def _measured(self) -> Iterator[tuple[Doc, dict[str, Rate]]]:
        for pod in self._api.list("pods").body["items"]:
            used = self._used.get(pod["metadata"].get("labels", {}).get("app", ""))
            if used is not None:
                yield pod, {one["name"]: Rate(*used, WINDOW, time.time()) for one in pod["spec"]["containers"]}
