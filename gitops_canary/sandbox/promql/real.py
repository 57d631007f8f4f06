"""`RealPrometheus`: the program from PATH on a free port with a configuration of ours; and the choice between it and the embedded one."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import urllib3

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.control_plane.processes import Processes, last_words
from gitops_canary.sandbox.promql.server import EmbeddedPrometheus

POLL_SECONDS = 0.03


class MetricsEndpoint(Protocol):
    """What answers queries; `url` is known after `start`, `kind` is `prometheus` or `embedded`."""

    kind: str
    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wait_ready(self, timeout: float = 10.0) -> None: ...
    def queries(self) -> int:
        """How many queries it has answered."""
        ...


def metrics_endpoint(
    scrape: Sequence[str] = (),
    discovery: Sequence[str] = (),
    *,
    interval: float = 0.5,
    port: int = 0,
    kind: Literal["auto", "prometheus", "embedded"] = "auto",
) -> MetricsEndpoint:
    """Real Prometheus when it is on PATH (`auto`), else the embedded one; UserError when `prometheus` is asked for and absent."""
    if kind == "prometheus" or (kind == "auto" and shutil.which("prometheus")):
        return RealPrometheus(scrape, discovery, interval=interval, port=port)
    return EmbeddedPrometheus(scrape, discovery, interval=interval, port=port)


class RealPrometheus:
    """The real program between `start` and `stop`; it dies with us.

    `scrape`: URLs of `/metrics`; `discovery`: http_sd URLs; `interval` in seconds. `data`: an existing folder of blocks (kept)."""

    kind = "prometheus"

    def __init__(
        self, scrape: Sequence[str] = (), discovery: Sequence[str] = (), *, interval: float = 0.5, port: int = 0, data: Path | None = None
    ) -> None:
        program = shutil.which("prometheus")
        if not program:
            raise UserError("cannot start Prometheus: there is no `prometheus` on PATH", hint="install it, or use the embedded endpoint")
        self._program, self._port, self._data = program, port, data
        self._configuration = configuration(scrape, discovery, interval)
        self.url = ""

    def start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gitops-canary-prometheus-"))
        self._processes = Processes(self._folder)
        (self._folder / "prometheus.json").write_text(json.dumps(self._configuration))  # JSON is YAML
        port = self._port or _free_port()
        self.url = f"http://127.0.0.1:{port}"
        flags = {
            "config.file": str(self._folder / "prometheus.json"),
            "storage.tsdb.path": str(self._data or self._folder / "data"),
            "storage.tsdb.retention.time": "3650d" if self._data else "6h",
            "web.listen-address": f"127.0.0.1:{port}",
            "log.level": "warn",
        }
        self._child = self._processes.start([self._program, *(f"--{name}={value}" for name, value in flags.items())], log="prometheus.log")

    def stop(self) -> None:
        if self.url:
            self._processes.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self.url = ""

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Returns when it answers; Unavailable with its last words when it ended or stays silent."""
        deadline = time.monotonic() + timeout
        with urllib3.PoolManager(retries=False, timeout=2.0) as http:
            while time.monotonic() < deadline and self._child.poll() is None:
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    if http.request("GET", f"{self.url}/-/ready").status == 200:
                        return
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(POLL_SECONDS)
        raise Unavailable(f"cannot start Prometheus on {self.url}: {last_words(self._folder / 'prometheus.log')}")

    def queries(self) -> int:
        with urllib3.PoolManager(retries=False, timeout=2.0) as http:
            text = http.request("GET", f"{self.url}/metrics").data.decode()
        counted = re.findall(r'^prometheus_http_requests_total\{[^}]*handler="/api/v1/query"[^}]*\} (\S+)$', text, re.MULTILINE)
        return int(sum(float(number) for number in counted))


def configuration(scrape: Sequence[str], discovery: Sequence[str], interval: float) -> dict[str, object]:
    """Prometheus' configuration for fixed targets (job `mesh`) and discovered ones (job `pods`)."""
    every = f"{round(interval * 1000)}ms"
    jobs: list[dict[str, object]] = []
    if scrape:
        jobs.append({"job_name": "mesh", "static_configs": [_static(url) for url in scrape]})
    if discovery:
        jobs.append({"job_name": "pods", "http_sd_configs": [{"url": url, "refresh_interval": "1s"} for url in discovery]})
    return {"global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1m"}, "scrape_configs": jobs}


def _static(url: str) -> dict[str, object]:
    parts = urllib3.util.parse_url(url)
    return {"targets": [parts.netloc], "labels": {"__metrics_path__": parts.path or "/metrics"}}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
