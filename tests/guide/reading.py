"""A reader of the guide: a shell of her own with the sandbox's variables, and terminals beside it; what is right is judged elsewhere."""

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.guide.blocks import Step
from tests.guide.comparing import differs

PATIENCE = 120.0
LOOK = 0.5
END = "gitops-canary-guide-end"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Seen:
    """How a step went: `printed` lines, and what was missing in them ("" = nothing)."""

    step: Step
    printed: list[str]
    missing: str


@dataclass
class Reader:
    """`tell` is called after each step."""

    home: Path
    environ: dict[str, str]
    tell: Callable[[Seen], None] = lambda seen: None
    page: str = "guide.md"
    _terminals: list["Terminal"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._where = self.home

    def follow(self, steps: Iterator[Step]) -> None:
        """AssertionError at the first step that prints something else."""
        try:
            for step in steps:
                seen = self._take(step)
                self.tell(seen)
                assert not seen.missing, f"{self.page}:{step.line}: expected {seen.missing!r}, printed:\n" + "\n".join(seen.printed)
                if step.way != "terminal":
                    self._leave()
        finally:
            self._leave()

    def run(self, command: str) -> list[str]:
        """What a command of one's own prints; it must succeed."""
        seen = self._run(Step(0, command, "once", None))
        assert not seen.missing, f"{command}: {seen.printed}"
        return seen.printed

    def _take(self, step: Step) -> Seen:
        if step.way == "terminal":
            self._terminals.append(Terminal(step.commands, self._where, self.environ))
            return Seen(step, [], "")
        if step.way == "follow":
            return self._follow(step)
        return _waited(lambda: self._run(step), PATIENCE if step.way == "until" else 0.0)

    def _follow(self, step: Step) -> Seen:
        """Compared while it goes on; what Ctrl-C prints is not."""
        terminal = Terminal(step.commands, self._where, self.environ)
        try:
            return _waited(lambda: _compared(step, terminal.printed()), PATIENCE)
        finally:
            terminal.leave()

    def _run(self, step: Step) -> Seen:
        """In a shell of its own that begins where the last one ended."""
        script = f"set -e\n{step.commands}\necho {END} $PWD\n"
        ends = subprocess.PIPE, subprocess.STDOUT
        done = subprocess.run(
            ["bash", "-c", script], cwd=self._where, env=self.environ, text=True, timeout=300, check=False, stdout=ends[0], stderr=ends[1]
        )
        if done.returncode:
            return Seen(step, done.stdout.splitlines(), f"exit status 0, not {done.returncode}")
        text, _, place = done.stdout.rpartition(f"{END} ")
        self._where = Path(place.strip())
        printed = text.splitlines()
        return _compared(step, printed)

    def _leave(self) -> None:
        while self._terminals:
            self._terminals.pop().leave()


def _waited(look: Callable[[], Seen], patience: float) -> Seen:
    until = time.monotonic() + patience
    while True:
        seen = look()
        if not seen.missing or time.monotonic() >= until:
            return seen
        threading.Event().wait(LOOK)


def _compared(step: Step, printed: list[str]) -> Seen:
    return Seen(step, printed, differs(printed, step.expected) if step.expected is not None else "")


class Terminal:
    """A pseudo-terminal: the first line starts a shell somewhere, the others are typed into it."""

    def __init__(self, commands: str, where: Path, environ: dict[str, str]) -> None:
        first, *typed = commands.strip().splitlines()
        self._master, slave = pty.openpty()
        command = ["bash", "-c", first]
        self._process = subprocess.Popen(command, cwd=where, env=environ, start_new_session=True, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self._ended = threading.Event()
        self._read_so_far = b""
        self._drain = threading.Thread(target=self._read)
        self._drain.start()
        for line in typed:
            os.write(self._master, f"{line}\n".encode())

    def printed(self) -> list[str]:
        """Its whole lines so far, without colours."""
        whole = self._read_so_far.rpartition(b"\n")[0].decode(errors="replace")
        return COLOURS.sub("", whole).replace("\r", "").split("\n")

    def leave(self) -> None:
        """Ctrl-C, and out of the shell."""
        os.write(self._master, b"\x03")
        with contextlib.suppress(OSError):
            os.write(self._master, b"exit\n")
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended.set()
        self._drain.join()
        os.close(self._master)

    def _read(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                if select.select([self._master], [], [], 0.1)[0]:
                    self._read_so_far += os.read(self._master, 65536)


@contextlib.contextmanager
def sandbox(folder: Path, control_plane: str, programs: list[Path]) -> Iterator[dict[str, str]]:
    """`gitops-canary sandbox` in a terminal of its own; the environment of the other one. `programs`: folders of kubectl and helm."""
    path = os.pathsep.join([str(Path(sys.executable).parent), *map(str, programs), os.environ["PATH"]])
    home = folder / "home"
    home.mkdir()
    environ = {**os.environ, "PATH": path, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "TERM": "xterm"}
    command = [sys.executable, "-m", "gitops_canary", "sandbox", f"--dir={folder / 'world'}", f"--control-plane={control_plane}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            printed: list[str] = []
            while not (printed and printed[-1].startswith("Ctrl-C")):
                line = process.stdout.readline()
                assert line, "the sandbox ended: " + "".join(printed)
                printed.append(line)
            given = dict(line.removeprefix("export ").strip().split("=", 1) for line in printed if line.startswith("export "))
            yield {**environ, **given}
        finally:
            process.terminate()
            process.wait(60)
