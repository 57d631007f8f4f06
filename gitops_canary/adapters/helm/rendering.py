"""Renders a chart folder without a cluster, in a child process that may crash, hang or grow; what the objects mean is the callers'."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from gitops_canary.adapters.helm.binary import choose_backend
from gitops_canary.adapters.helm.child import Child, Crashed, TimedOut
from gitops_canary.adapters.helm.messages import Work
from gitops_canary.domain.errors import UserError

RENDER_SECONDS = 30.0


class Renderer:
    """One worker, started for the first chart and again after a crash. `backend`: `sdk`, or the path of a helm binary; found when empty."""

    def __init__(self, limit: float = RENDER_SECONDS, backend: str = "") -> None:
        self._limit = limit
        self._backend = backend
        self._home = tempfile.TemporaryDirectory(prefix="gitops-canary-helm-")
        self._child: Child | None = None

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        self._home.cleanup()

    def find(self) -> None:
        """UserError when there is no Helm on this machine, so that its absence is not taken for a fault of the charts."""
        self._backend = self._backend or choose_backend()

    def render(self, chart: Path, release: str, namespace: str, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Rendered text by template (`templates/service.yaml`, below the chart). UserError with Helm's own sentence."""
        self.find()
        work = Work("render", release, namespace, str(chart), dict(values))
        try:
            self._child = self._child or Child(Path(self._home.name), backend=self._backend)
            reply = self._child.ask(work, self._limit)
        except TimedOut:
            self._end()
            raise UserError(f"cannot render chart {chart.name}: Helm did not end within {self._limit:.0f} s") from None
        except Crashed as crash:
            self._end()
            raise UserError(f"cannot render chart {chart.name}: Helm's worker died ({crash})") from None
        if not reply.ok:
            raise UserError(f"cannot render chart {chart.name}: {_plain(reply.message, chart)}")
        return {name.partition("/")[2]: text for name, text in reply.texts.items()}

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


def _plain(message: str, chart: Path) -> str:
    """Without this machine's folders."""
    return message.replace(f"{chart.parent}/", "")
