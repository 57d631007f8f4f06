"""One worker process as its parent sees it: asked, timed, cancelled, killed."""

import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import orjson

from gitops_canary.adapters.helm.messages import Reply, Work, reply_from, to_dict
from gitops_canary.adapters.helm.worker import CANCEL

REPLY_LIMIT = 64 * 2**20
CANCEL_GRACE = 5.0
"""Seconds in which a cancelled job may still write down that it failed."""
STDERR_KEPT = 2_000


class TimedOut(Exception):
    """No reply in time; the process must be killed."""


class Crashed(Exception):
    """The process ended without a reply; the text says how."""


class Child:
    """`home` holds Helm's caches and the program's name; one folder may serve several children. The process ends with the thread that
    makes this."""

    def __init__(self, home: Path, *, kubeconfig: str = "", backend: str = "sdk", cancel_grace: float = CANCEL_GRACE) -> None:
        self._cancel_grace = cancel_grace
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self._said = b""
        self._writing = threading.Lock()
        self._process = subprocess.Popen(
            [str(_named_helm(home)), "-P", "-m", "gitops_canary.adapters.helm.worker", kubeconfig, backend, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(home),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, work: Work, limit: float) -> Reply:
        """Send one job and wait for its reply, `limit` seconds; then it is cancelled, and TimedOut raised when even that does not help."""
        self._errors.seek(0)  # the process writes at this same position
        self._errors.truncate()
        self._send(orjson.dumps(to_dict(work)))
        line = self._line(limit)
        if line is None:
            self.cancel()
            line = self._line(self._cancel_grace)
        if line is None:
            raise TimedOut
        return reply_from(orjson.loads(line))

    def cancel(self) -> None:
        with contextlib.suppress(Crashed):  # it ended by itself: whoever waits for the reply hears of it
            self._send(CANCEL)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what was still buffered for the dead is lost with it
                    stream.close()
        self._errors.close()

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            with self._writing:
                self._process.stdin.write(line + b"\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            raise Crashed(self._how_it_ended()) from None

    def _line(self, limit: float) -> bytes | None:
        """The next reply; None when it does not come in time."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._said:
                if not selector.select(limit):
                    return None
                chunk = os.read(self._process.stdout.fileno(), 2**16)
                if not chunk:
                    raise Crashed(self._how_it_ended())
                self._said += chunk
                if len(self._said) > REPLY_LIMIT:
                    raise TimedOut
        line, _, self._said = self._said.partition(b"\n")
        return line

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - STDERR_KEPT))
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"{how}: {last[-1]}" if last else how


def _named_helm(home: Path) -> Path:
    """Python under the name `helm`: Helm records the program's name as the owner of the fields it applies, and a person's own `helm
    upgrade` must be the same owner."""
    name = home / "bin" / "helm"
    name.parent.mkdir(parents=True, exist_ok=True)
    try:
        name.symlink_to(sys.executable)
    except FileExistsError:
        if os.readlink(name) != sys.executable:
            raise
    return name


def _environment(home: Path) -> dict[str, str]:
    """Ours, with Helm's and kubectl's caches in `home`, and the modules of this virtual environment (a renamed Python does not find it)."""
    folders = {"HELM_CACHE_HOME": "cache", "HELM_CONFIG_HOME": "config", "HELM_DATA_HOME": "data", "KUBECACHEDIR": "kube"}
    places = {name: str(home / folder) for name, folder in folders.items()}
    return {**os.environ, **places, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "GOMEMLIMIT": "1GiB"}
