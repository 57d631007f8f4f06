"""Memory and CPU time of a process and of those below it, from /proc."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """`rss` in MiB; `cpu` in seconds: its own, and with `waited` that of children that have ended."""

    pid: int
    command: str
    rss: float
    cpu: float
    waited: float


def read(pid: int) -> Process | None:
    """None when it has ended."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    size = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return Process(pid, command, size / 1024, (int(rest[11]) + int(rest[12])) / TICKS, (int(rest[13]) + int(rest[14])) / TICKS)


def below(pid: int) -> Iterator[Process]:
    """Children and their children, the process itself apart."""
    for entry in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, entry.read_text().split()):
            found = read(child)
            if found is not None:
                yield found
                yield from below(child)
