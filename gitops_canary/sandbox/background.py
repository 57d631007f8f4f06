"""One asyncio loop in one thread: what node, mesh and metrics endpoint stand on so that their callers need no asyncio."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from gitops_canary.adapters.accepting import a_few_turns

T = TypeVar("T")


class Background:
    """A running loop; `stop` cancels what still runs on it, waits for that, and leaves neither thread nor open loop behind."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = 60.0) -> T:
        """Runs it on the loop and waits for its result; TimeoutError after `timeout` seconds."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls it on the loop, from any thread; nothing happens once the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        if self._loop.is_closed():
            return
        self.soon(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())

    async def _end(self) -> None:
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await a_few_turns()
        await self._loop.shutdown_default_executor()
