"""Pods' processes never outlive the node: each runs in a session of its own, and a guardian kills those sessions when we are gone."""

import contextlib
import subprocess
import sys
from pathlib import Path

# Reads `add PID` and `drop PID`; at end of file (our death closes the pipe, however we die) it kills every process group left and removes
# the folder. Groups, not processes: a shell's children die with it.
GUARDIAN = """
import os, shutil, signal, sys
groups = set()
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    word, _, value = line.rstrip("\\n").partition(" ")
    if word == "add":
        groups.add(int(value))
    elif word == "drop":
        groups.discard(int(value))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


class Guardian:
    """`folder` is removed when we are gone or `close` is called."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-I", "-S", "-c", GUARDIAN, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def add(self, group: int) -> None:
        self._tell(f"add {group}")

    def drop(self, group: int) -> None:
        self._tell(f"drop {group}")

    def close(self) -> None:
        """Kills what is left."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)
