"""The built-in HTTP load generator: runs a Load and counts what came back."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from gitops_canary.loadtester.hey import Load

SAMPLES = 50_000
"""Latencies kept for the percentiles."""


@dataclass
class Tally:
    """`statuses` by code, `errors` by kind, `latencies` in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.statuses.total() + self.errors.total()

    def sentence(self) -> str:
        """`612 requests: 600 with 200, 12 with 500; 50 % within 3 ms, 99 % within 20 ms`."""
        parts = [f"{count} with {status}" for status, count in sorted(self.statuses.items())]
        parts += [f"{count} failed ({kind})" for kind, count in self.errors.most_common(3)]
        ordered = sorted(self.latencies)
        marks = [f"{share} % within {ordered[len(ordered) * share // 100] * 1000:.0f} ms" for share in (50, 99)] if ordered else []
        return f"{self.requests} requests: {', '.join(parts) or 'none'}" + (f"; {', '.join(marks)}" if marks else "")


async def run_load(load: Load, tally: Tally, limit: float) -> None:
    """Until the duration is over or the requests are made, `limit` seconds at most. Proxies come from the environment."""
    connector = aiohttp.TCPConnector(limit=load.workers, force_close=not load.keep_alive)
    timeout = aiohttp.ClientTimeout(total=load.timeout or None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True, auto_decompress=False) as session:
        until = time.monotonic() + min(load.duration or limit, limit)
        budget = [load.requests if not load.duration else -1]
        workers = [asyncio.create_task(_worker(session, load, tally, until, budget)) for _ in range(load.workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _worker(session: aiohttp.ClientSession, load: Load, tally: Tally, until: float, budget: list[int]) -> None:
    due = time.monotonic()
    while time.monotonic() < until and budget[0] != 0:
        budget[0] -= 1
        await _one(session, load, tally)
        if load.rate:
            due = max(due + 1 / load.rate, time.monotonic() - 1 / load.rate)
            await asyncio.sleep(max(0.0, min(due, until) - time.monotonic()))


async def _one(session: aiohttp.ClientSession, load: Load, tally: Tally) -> None:
    began = time.monotonic()
    headers = dict(load.headers) | ({} if load.compress else {"Accept-Encoding": "identity"})
    try:
        async with session.request(
            load.method, load.url, headers=headers, data=load.body.encode() or None, allow_redirects=load.redirects
        ) as answer:
            async for _ in answer.content.iter_chunked(64 * 1024):
                pass
            tally.statuses[answer.status] += 1
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        tally.errors[type(error).__name__] += 1
    if len(tally.latencies) < SAMPLES:
        tally.latencies.append(time.monotonic() - began)
