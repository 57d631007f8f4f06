"""What a container said, line by line with the moment, in memory and bounded; readers may follow."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

KEPT_LINES = 20_000
"""Per run of a container; older ones go, as a kubelet rotates files."""


@dataclass(frozen=True)
class Line:
    number: int
    at: datetime
    text: bytes


@dataclass(frozen=True)
class Wanted:
    """What a reader asks for: `tail` None = all; `since` None = from the start; `limit` in bytes."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit: int | None = None


class Log:
    """One run of one container; used on the node's loop only."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self._count = 0
        self._closed = False
        self._moved = asyncio.Event()

    def write(self, text: str | bytes) -> None:
        line = text.encode() if isinstance(text, str) else text
        self._lines.append(Line(self._count, self._now(), line.rstrip(b"\r\n")))
        self._count += 1
        self._wake()

    def close(self) -> None:
        """Nothing more will come: followers end."""
        self._closed = True
        self._wake()

    async def read(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """Whole lines with their newline, cut at the limit."""
        left = wanted.limit
        async for line in self._chosen(wanted):
            stamp = line.at.isoformat(timespec="microseconds").replace("+00:00", "Z").encode() + b" " if wanted.timestamps else b""
            text = (stamp + line.text + b"\n")[:left]
            if text:
                yield text
            if left is not None and (left := left - len(text)) <= 0:
                return

    async def _chosen(self, wanted: Wanted) -> AsyncIterator[Line]:
        kept = [line for line in self._lines if wanted.since is None or line.at >= wanted.since]
        chosen = kept if wanted.tail is None else kept[max(0, len(kept) - wanted.tail) :]
        seen = self._count
        for line in chosen:
            yield line
        while wanted.follow:
            moved = self._moved
            for line in [line for line in self._lines if line.number >= seen]:
                seen = line.number + 1
                yield line
            if seen < self._count:
                continue
            if self._closed:
                return
            await moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
