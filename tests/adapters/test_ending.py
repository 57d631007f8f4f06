"""How a process is told to end: in a process of its own, because signal handlers belong to a main thread."""

import subprocess
import sys

import pytest

WAITS = """
import os, signal
from gitops_canary.adapters.ending import told_to_end
told = told_to_end()
os.kill(os.getpid(), signal.{name})
assert told() == signal.{name}
print("ended")
"""

# Told to a thread that is not the main one, a signal interrupts no wait of the main thread; neither does one that comes just before it.
ELSEWHERE = """
import signal, threading
from gitops_canary.adapters.ending import told_to_end
told = told_to_end()
threading.Timer(0.3, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
assert told() == signal.SIGTERM
print("ended")
"""

# The handler runs while the main thread holds the very lock that Event.set() needs: the moment that a signal hits by chance.
IN_THE_LOCK = """
import os, signal, threading
from gitops_canary.adapters.ending import when_told
stopping = threading.Event()
asked = when_told(stopping.set)
with stopping._cond:
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass
stopping.wait()
print("ended", asked.is_set())
"""

TWICE = """
import os, signal, threading
from gitops_canary.adapters.ending import when_told
first = threading.Event()
when_told(first.set)
os.kill(os.getpid(), signal.SIGINT)
first.wait()
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
except KeyboardInterrupt:
    print("interrupted")
"""


def _run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_came_before_the_wait_ends_it(name: str) -> None:
    assert _run(WAITS.format(name=name)) == "ended"


def test_a_signal_that_interrupts_no_wait_ends_it_all_the_same() -> None:
    assert _run(ELSEWHERE) == "ended"


def test_a_signal_inside_a_held_lock_does_not_block_the_process() -> None:
    assert _run(IN_THE_LOCK) == "ended True"


def test_a_second_signal_interrupts_the_graceful_end() -> None:
    assert _run(TWICE) == "interrupted"
