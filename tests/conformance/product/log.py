"""The operator's log as `kubectl logs -f` prints it: one follower a pod, every line kept in the order it was heard."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Doc = dict[str, Any]
PAUSE = 0.3


@dataclass(frozen=True)
class Said:
    """One log line: the pod that wrote it, its level, its sentence, and all of it as it was written."""

    pod: str
    level: str
    text: str
    line: str


class Log:
    """`kubectl` = the words of a kubectl command up to its verb."""

    def __init__(self, kubectl: Sequence[str], namespace: str) -> None:
        self.lines: list[Said] = []
        self._kubectl = [*kubectl, "-n", namespace]
        self._followers: dict[str, threading.Thread] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._stopping = threading.Event()

    def follow(self, pod: str) -> None:
        """From its first line to its end, however often its container starts again; a pod that is followed already is left at that."""
        if pod in self._followers:
            return
        self._followers[pod] = threading.Thread(target=self._follow, args=(pod,), name=f"log-{pod}", daemon=True)
        self._followers[pod].start()

    def stop(self) -> None:
        self._stopping.set()
        for process in list(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for thread in self._followers.values():
            thread.join(10)

    def _follow(self, pod: str) -> None:
        """`kubectl logs -f` ends with the container; the next one's log is another."""
        container = self._container(pod)
        while container and not self._stopping.is_set():
            self._read(pod)
            while (started := self._container(pod)) == container and not self._stopping.is_set():
                self._stopping.wait(PAUSE)
            container = started

    def _container(self, pod: str) -> str:
        """The one that runs now, or did last; "" when there is no such pod any more."""
        path = "jsonpath={.status.containerStatuses[0].containerID}"
        asked = [*self._kubectl, "get", "pod", pod, "--ignore-not-found", "-o", path]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        return found.stdout.strip()

    def _read(self, pod: str) -> None:
        command = [*self._kubectl, "logs", "-f", pod]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            self._processes[pod] = process
            assert process.stdout is not None
            for line in process.stdout:
                data = _decoded(line)
                self.lines.append(Said(pod, str(data.get("level", "")), str(data.get("msg", "")), line.rstrip()))


def _decoded(line: str) -> Doc:
    with contextlib.suppress(json.JSONDecodeError):
        data = json.loads(line)
        if isinstance(data, dict):
            return data
    return {"msg": line.rstrip()}
