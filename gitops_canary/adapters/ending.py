"""SIGTERM and SIGINT as one pipe that a process waits on: how every long-running command of ours is told to end."""

import os
import signal
import threading
from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def told_to_end() -> Callable[[], int]:
    """Take the signals from now on; calling the result blocks until one has come, and gives its number."""
    return _told()


def when_told(act: Callable[[], None]) -> threading.Event:
    """Call `act` in a thread of its own once the process is told to end; the Event says whether it was.

    A second signal raises KeyboardInterrupt in the main thread: whoever asks twice does not want to wait for a graceful end."""
    asked = threading.Event()

    def attend(told: Callable[[], int]) -> None:
        told()
        asked.set()
        act()

    threading.Thread(target=attend, args=(_told(impatient=True),), name="told-to-end", daemon=True).start()
    return asked


def _told(*, impatient: bool = False) -> Callable[[], int]:
    """Python's handlers run in the main thread, between two instructions: a signal that comes just before that thread blocks in a lock is
    seen when the lock is free, which may be never. The wake-up pipe is written by the signal itself, whatever the threads are at."""
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    signal.set_wakeup_fd(sending, warn_on_full_buffer=False)

    came: list[int] = []

    def handle(number: int, _: object) -> None:
        came.append(number)
        if impatient and len(came) > 1:
            raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, handle)
    return lambda: next(number for number in iter(lambda: os.read(receiving, 1)[0], 0) if number in SIGNALS)
