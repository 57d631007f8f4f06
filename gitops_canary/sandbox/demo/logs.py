"""The operator's log, read through the Kubernetes API as `kubectl logs -f` does; what the lines mean is `sentences.py`'s."""

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.sandbox.demo.sentences import Line, line_of
from gitops_canary.sandbox.world import NAMESPACE

EVERY = 0.1
"""Seconds between two looks: the log is short, and asking again needs no stream that could hang."""


class OperatorLog:
    def __init__(self, kubeconfig: Path, pod: str, heard: Callable[[Line], None]) -> None:
        self._connection = connect(str(kubeconfig))
        self._path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/log"
        self._heard = heard
        self._seen = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="operator-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)
        self._connection.close()

    def _follow(self) -> None:
        while not self._stopped.wait(EVERY):
            with contextlib.suppress(GitopsCanaryError):
                self._look()

    def _look(self) -> None:
        text = self._connection.request("GET", self._path, doing="read the operator's log", accept="*/*").body.decode("utf-8", "replace")
        lines = text.splitlines()
        whole = lines if text.endswith("\n") else lines[:-1]
        for raw in whole[self._seen :]:
            with contextlib.suppress(json.JSONDecodeError):
                self._heard(line_of(json.loads(raw)))
        self._seen = len(whole)
