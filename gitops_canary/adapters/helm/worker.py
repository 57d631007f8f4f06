"""The child process that runs Helm: one JSON line in, one out; it ends with its parent. It is started by the pool and never forked."""

import ctypes
import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

import orjson

from gitops_canary.adapters.helm.messages import Backend, Reply, capped, to_dict, work_from
from gitops_canary.domain.errors import GitopsCanaryError

CANCEL = b"cancel"
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """`worker KUBECONFIG BACKEND PARENT`: BACKEND is `sdk`, or the path of a helm binary; PARENT is the process that asks."""
    _die_with(int(argv[3]))
    replies = _private_stdout()
    backend = make_backend(argv[1], argv[2])
    asked: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked, backend), daemon=True).start()
    while True:
        reply = _run(backend, asked.get())
        replies.write(orjson.dumps(to_dict(reply)) + b"\n")
        replies.flush()


def _die_with(parent: int) -> None:
    """The kernel ends us when the thread that started us is gone. The end of the input says so too, but nobody reads it while native code
    holds the interpreter (Helm is being loaded, or hangs). Elsewhere than on Linux that is all there is."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def make_backend(kubeconfig: str, backend: str) -> Backend:
    if backend == "sdk":
        from gitops_canary.adapters.helm.sdk import SdkBackend

        return SdkBackend(kubeconfig)
    from gitops_canary.adapters.helm.binary import BinaryBackend

    return BinaryBackend(kubeconfig, backend)


def _run(backend: Backend, line: bytes) -> Reply:
    try:
        return backend.run(work_from(orjson.loads(line)))
    except GitopsCanaryError as error:
        return Reply(False, str(error))
    except Exception as error:
        # The pool must hear of it; a silent worker would be taken for one that hangs.
        return Reply(False, capped(f"cannot run Helm: {type(error).__name__}: {error}"))


def _listen(stream: BinaryIO, asked: "queue.Queue[bytes]", backend: Backend) -> None:
    """The end of the input is the end of the parent, however it died."""
    for line in stream:
        if line.strip() == CANCEL:
            backend.cancel()
        else:
            asked.put(line)
    os._exit(0)


def _private_stdout() -> BinaryIO:
    """Go and plugins may print to the standard streams: replies get a descriptor of their own, file 1 becomes file 2."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv))
