"""SIGTERM and SIGINT as one queue that a process waits on: how every long-running command of ours is told to end."""

import queue
import signal
import threading
from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def told_to_end() -> Callable[[], int]:
    """Take the signals from now on; calling the result blocks until one has come, and gives its number."""
    return _told().get


def when_told(act: Callable[[], None]) -> threading.Event:
    """Call `act` in a thread of its own once the process is told to end; the Event says whether it was.

    A second signal raises KeyboardInterrupt in the main thread: whoever asks twice does not want to wait for a graceful end."""
    asked = threading.Event()

    def attend(told: queue.SimpleQueue[int]) -> None:
        told.get()
        asked.set()
        act()

    threading.Thread(target=attend, args=(_told(twice=asked.is_set),), name="told-to-end", daemon=True).start()
    return asked


def _told(twice: Callable[[], bool] = lambda: False) -> queue.SimpleQueue[int]:
    """Not an Event: a handler that comes while the main thread holds the Event's own lock, inside wait(), would block for ever.

    `SimpleQueue.put` is the call that Python documents as safe there."""
    told = queue.SimpleQueue[int]()

    def handle(number: int, _: object) -> None:
        if twice():
            raise KeyboardInterrupt
        told.put(number)

    for number in SIGNALS:
        signal.signal(number, handle)
    return told
