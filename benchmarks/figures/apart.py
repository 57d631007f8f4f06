"""A server of ours in a process of its own, so that its work is not counted as the client's."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection

Serving = Callable[[], AbstractContextManager[str]]
"""A module-level function whose context serves; its value is what a client needs to know."""


@contextmanager
def apart(serving: Serving) -> Iterator[tuple[str, int]]:
    """What the server said of itself and its process id; it ends with the context."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(serving, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield str(ours.recv()), process.pid or 0
    finally:
        ours.close()
        process.join(10)


def _serve(serving: Serving, pipe: "Connection[str, str]") -> None:
    with serving() as said:
        pipe.send(said)
        try:
            pipe.recv()
        except EOFError:
            return
