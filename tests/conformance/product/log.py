"""The operator's log as `kubectl logs -f` prints it: one follower a pod, every line kept in the order it was heard."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Doc = dict[str, Any]


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
        self._kubectl, self._namespace = list(kubectl), namespace
        self._followers: dict[str, tuple[subprocess.Popen[str], threading.Thread]] = {}

    def follow(self, pod: str) -> None:
        """From its first line to its end; a pod that is followed already is left at that."""
        if pod in self._followers:
            return
        command = [*self._kubectl, "-n", self._namespace, "logs", "-f", pod]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        thread = threading.Thread(target=self._read, args=(pod, process), name=f"log-{pod}", daemon=True)
        self._followers[pod] = (process, thread)
        thread.start()

    def stop(self) -> None:
        for process, thread in self._followers.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            process.wait(10)
            thread.join(5)

    def _read(self, pod: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                data = _decoded(line)
                self.lines.append(Said(pod, str(data.get("level", "")), str(data.get("msg", "")), line.rstrip()))


def _decoded(line: str) -> Doc:
    with contextlib.suppress(json.JSONDecodeError):
        data = json.loads(line)
        if isinstance(data, dict):
            return data
    return {"msg": line.rstrip()}
