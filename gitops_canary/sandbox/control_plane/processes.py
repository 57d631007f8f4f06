"""Child processes that never outlive us: each has a log file, and a guardian ends them when we die, however that happens."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

# The guardian: reads "pid" and "folder" lines; at end of file (our death closes the pipe) it kills and removes what was named. A pidfd
# names a process, not a number, so a number used again is never hit. PR_SET_PDEATHSIG would fire when the starting *thread* ends.
GUARDIAN = """
import os, shutil, signal, sys
children, folders = [], []
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    kind, _, value = line.rstrip("\\n").partition(" ")
    if kind == "pid":
        try:
            children.append((os.pidfd_open if hasattr(os, "pidfd_open") else int)(int(value)))
        except OSError:
            pass
    elif kind == "folder":
        folders.append(value)
    elif kind == "done":
        sys.exit()
for child in children:
    try:
        if hasattr(os, "pidfd_open"):
            signal.pidfd_send_signal(child, signal.SIGKILL)
        else:
            os.kill(child, signal.SIGKILL)
    except OSError:
        pass
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""


class Processes:
    """Starts programs and kills them; safe to use from several threads."""

    def __init__(self, scratch: Path) -> None:
        """`scratch` is removed by the guardian when we die without `close`; logs are written there."""
        self._scratch = scratch
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARDIAN], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._tell(f"folder {scratch}")

    def start(self, arguments: Sequence[str], *, log: str) -> subprocess.Popen[bytes]:
        """Starts it in a session of its own (Ctrl-C in our terminal is ours to answer); its output goes to `log`."""
        with (self._scratch / log).open("ab") as output:
            child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._scratch, start_new_session=True
            )
        with self._lock:
            self._running.append(child)
        self._tell(f"pid {child.pid}")
        return child

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        """SIGKILL and wait: the API server lingers for a minute on SIGTERM."""
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.kill()
        child.wait()
        with self._lock, contextlib.suppress(ValueError):
            self._running.remove(child)

    def close(self) -> None:
        """Kills the children, newest first, and lets the guardian go; fine when closed before."""
        if self._guardian.returncode is not None:
            return
        for child in reversed(list(self._running)):
            self.kill(child)
        self._tell("done")
        self._guardian.communicate()

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
            print(line, file=self._guardian.stdin, flush=True)


def last_words(log: Path, limit: int = 1500) -> str:
    """The end of a program's log, for an error message."""
    return os.fsdecode(log.read_bytes()[-limit:]).strip() if log.is_file() else "(no log)"
