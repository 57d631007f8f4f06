"""`RealRegistry`: the distribution project's registry (Debian's `docker-registry`) from PATH, with notifications as users set them."""

import json
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.control_plane.processes import Processes, last_words
from gitops_canary.sandbox.registryd.notifications import Webhook

NAMES = ("docker-registry", "registry")
START_SECONDS, POLL_SECONDS = 20.0, 0.02
PACE = {"timeout": "5s", "threshold": 3, "backoff": "500ms"}
"""Of the notifications: three failures in a row make it wait for `backoff`; it tries for ever."""


def program() -> str:
    """The registry on PATH; "" when there is none."""
    return next(filter(None, map(shutil.which, NAMES)), "")


def absence() -> str:
    """Why no real registry can be started; empty when one can."""
    return "" if program() else "there is no docker-registry on PATH (Debian: apt-get install docker-registry)"


def version() -> str:
    """The second-last or last word of `docker-registry github.com/docker/distribution 2.8.2+ds1`."""
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=False).stdout
    return said.split()[-1] if said.split() else "of unknown version"


class RealRegistry:
    """Between `start` and `stop` at `url`; images stay in `folder`, so that it can be started again on the same port.

    `more` goes into its configuration file beside what is set here (`http.tls`, `auth`, `log`)."""

    kind = "distribution"

    def __init__(self, folder: Path, more: Mapping[str, Any] | None = None) -> None:
        if not program():
            raise UserError(f"cannot start a registry: {absence()}")
        self._folder, self._more = folder, dict(more or {})
        self._endpoints: list[dict[str, Any]] = []
        self._processes: Processes | None = None
        self._secret = secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"{'https' if 'tls' in self._more.get('http', {}) else 'http'}://{self.host}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listens when it returns; Unavailable with its last words when it does not."""
        config, scratch = self._folder / "config.json", self._folder / "running"
        config.write_text(json.dumps(self._configuration()))  # JSON is YAML
        scratch.mkdir(exist_ok=True)
        log = scratch / "registry.log"
        log.unlink(missing_ok=True)
        self._processes = Processes(scratch)
        child = self._processes.start([program(), "serve", str(config)], log=log.name)
        for _ in range(int(START_SECONDS / POLL_SECONDS)):
            if "listening on" in log.read_text(errors="replace"):
                return
            if child.poll() is not None:
                break
            threading.Event().wait(POLL_SECONDS)
        words = last_words(log)
        self.stop()
        raise Unavailable(f"cannot start {program()} on {self.host}: {words}")

    def stop(self) -> None:
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    def notify(self, webhook: Webhook) -> None:
        """Tell of pushes there, too. Its notifications stand in its configuration file, so it is started again."""
        headers = {name: [value] for name, value in webhook.headers.items()}
        self._endpoints.append({"name": f"receiver-{len(self._endpoints)}", "url": webhook.url, "headers": headers, **PACE})
        if self._processes is not None:
            self.stop()
            self.start()

    def __enter__(self) -> "RealRegistry":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configuration(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "images")}, "delete": {"enabled": True}},
        }
        http = {"addr": self.host, "secret": self._secret, **self._more.get("http", {})}
        told = {"notifications": {"endpoints": self._endpoints}} if self._endpoints else {}
        return {**own, **self._more, "http": http, **told}
