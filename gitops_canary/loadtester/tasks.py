"""What the service does for a hook: background loads, and blocking runs that equal asks share while they last."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.errors import UserError
from gitops_canary.loadtester.hey import is_hey, read_load
from gitops_canary.loadtester.load import Tally, run_load
from gitops_canary.loadtester.processes import Ended, arguments_of, read_helm_test, run_helm_test, run_program
from gitops_canary.ports import Log

RUNNING_AT_MOST = 100
"""Tasks at once; more are refused with 429, which a hook with retries asks again."""
HINT = "start the load tester with --allow-commands"


@dataclass(frozen=True)
class Order:
    """One hook's wish: `type` is cmd, bash, helm, helmv3 or kubectl; equal orders of one canary run once at a time."""

    canary: str
    namespace: str
    type: str
    command: str
    shows_output: bool = False
    logs_output: bool = False


class Crowded(Exception):
    """Too many tasks run already."""


@dataclass
class Tasks:
    """`limit` in seconds for each task. Lives in the service's event loop."""

    log: Log
    limit: float
    allow_commands: bool
    _running: dict[Order, asyncio.Task[Ended]] = field(default_factory=dict)

    @property
    def running(self) -> int:
        return len(self._running)

    def begin(self, order: Order) -> asyncio.Task[Ended]:
        """The order's task, the one under way when there is one. UserError when it may not be run, Crowded when there are too many."""
        if order in self._running:
            return self._running[order]
        work = self._work_of(order)
        if len(self._running) >= RUNNING_AT_MOST:
            raise Crowded
        task = asyncio.get_running_loop().create_task(self._said(order, work))
        self._running[order] = task
        task.add_done_callback(lambda _: self._running.pop(order, None))
        return task

    async def stop(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _work_of(self, order: Order) -> Callable[[], Awaitable[Ended]]:
        """Decides here, before anything starts, so that a refusal is the hook's answer."""
        match order.type:
            case "cmd" if is_hey(order.command) and not (self.allow_commands and shutil.which("hey")):
                return self._load(order)
            case "cmd":
                return self._program(order, ["sh", "-c", order.command])
            case "bash":
                return self._program(order, ["bash", "-c", order.command])
            case "kubectl":
                return self._program(order, ["kubectl", *arguments_of(order.command)])
            case _:
                return self._helm(order)

    def _load(self, order: Order) -> Callable[[], Awaitable[Ended]]:
        load, tally = read_load(order.command), Tally()

        async def work() -> Ended:
            try:
                await run_load(load, tally, self.limit)
            finally:
                self.log.info(f"Load of {load.url} has ended: {tally.sentence()}", canary=order.canary)
            return Ended(True, tally.sentence())

        return work

    def _program(self, order: Order, argv: list[str]) -> Callable[[], Coroutine[Any, Any, Ended]]:
        if not self.allow_commands:
            raise UserError(f"cannot run the {order.type} of {order.canary}: commands are off", hint=HINT)
        return lambda: run_program(argv, self.limit)

    def _helm(self, order: Order) -> Callable[[], Coroutine[Any, Any, Ended]]:
        test = read_helm_test(order.command, order.namespace)
        if test is None:
            return self._program(order, ["helm", *arguments_of(order.command)])
        return lambda: run_helm_test(test, self.limit)

    async def _said(self, order: Order, work: Callable[[], Awaitable[Ended]]) -> Ended:
        self.log.info(f"{order.type} of {order.canary} has started: {order.command}", canary=order.canary)
        ended = await work()
        how = "has ended" if ended.ok else "has failed"
        shown = f": {ended.output.strip()}" if order.logs_output or not ended.ok else ""
        (self.log.info if ended.ok else self.log.warning)(f"{order.type} of {order.canary} {how}{shown}", canary=order.canary)
        return ended
