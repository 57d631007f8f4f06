"""`gitops-canary sandbox --operator` on a terminal: it shows the key, waits for a person, and has something to use afterwards."""

import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

CONTROL_D, ENTER = b"\x04", b"\n"


class Terminal:
    """The command on a pseudo-terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-m", "gitops_canary", *words]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.printed = ""

    def until(self, words: str) -> str:
        """All that was printed so far, when these words have come."""
        while words not in self.printed:
            try:
                read = os.read(self._master, 65536)
            except OSError:
                read = b""  # the other side has closed it
            assert read, f"it ended without {words!r}: {self.printed}"
            self.printed += read.decode()
        return self.printed

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        os.close(self._master)


@pytest.fixture(params=[ENTER, CONTROL_D], ids=["Enter", "Ctrl-D"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Terminal, Path]]:
    made = Terminal("sandbox", "--operator", f"--dir={tmp_path / 'world'}")
    made.until("Press Enter to give it write access")
    made.type(request.param)
    yield made, tmp_path / "world"
    made.close()


def test_the_operator_gets_its_access_and_the_page_answers_until_ctrl_c(terminal: tuple[Terminal, Path]) -> None:
    shown, world = terminal
    said = shown.until("Ctrl-C ends it.")
    assert re.search(r"ssh-ed25519 \S+ gitops-canary", said)
    page = re.search(r"status page (http://\S+)", said)
    assert page, said
    with urllib.request.urlopen(page[1], timeout=30) as answer:
        assert b"gitops-canary" in answer.read()
    assert "export GIT_URL=ssh://" in (world / "env").read_text()
    shown.process.send_signal(signal.SIGINT)
    assert shown.process.wait(60) == 0
    assert "Traceback" not in shown.printed
