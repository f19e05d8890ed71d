"""Batches are hashed and normalised on threads; those of one source that wait are normalised together.

A small batch costs mostly what every batch costs, so that several at once are much cheaper. None waits for others to
come, and sources take turns.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import date

from adapters.normalise import Normalised
from gateway import receiving
from gateway.receiving import Received
from gateway.workers import Workers
from reconciliation.model import BatchFormat

TOGETHER_BATCHES = 8
TOGETHER_BYTES = 4 * 1024 * 1024  # as much as one batch may have

_Likeness = tuple[str, BatchFormat, date]


@dataclass(eq=False)
class _Waiting:
    received: Received
    normalised: "asyncio.Future[Normalised]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def tell(self, found: Normalised | Exception) -> None:
        if self.normalised.done():
            return
        if isinstance(found, Exception):
            self.normalised.set_exception(found)
        else:
            self.normalised.set_result(found)


class Preparer:
    """Normalises what all streams of one gateway bring, on so many threads at once."""

    def __init__(self, workers: Workers, *, threads: int) -> None:
        self._workers = workers
        self._idle = threads
        self._waiting: dict[_Likeness, deque[_Waiting]] = {}  # the first has its turn next
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, received: Received) -> Normalised:
        """The canonical rows of a batch; raises what receiving.check_hash and receiving.normalise raise."""
        batch = received.batch
        waiting = _Waiting(received)
        self._waiting.setdefault((batch.source_id, batch.format, batch.exported_on), deque()).append(waiting)
        if self._idle:
            self._idle -= 1
            running = asyncio.create_task(self._run())
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return await waiting.normalised

    async def _run(self) -> None:
        try:
            while together := self._next():
                try:
                    found = await self._workers.columns(receiving.prepare, [one.received for one in together])
                except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                    found = [error] * len(together)
                for one, normalised in zip(together, found, strict=True):
                    one.tell(normalised)
        finally:
            self._idle += 1

    def _next(self) -> list[_Waiting]:
        """Some that wait of the source whose turn it is; empty when nothing waits."""
        while self._waiting:
            likeness = next(iter(self._waiting))
            its = self._waiting.pop(likeness)
            together: list[_Waiting] = []
            size = 0
            while its and len(together) < TOGETHER_BATCHES:
                size += len(its[0].received.batch.payload)
                if together and size > TOGETHER_BYTES:
                    break
                if not (first := its.popleft()).normalised.done():  # else whoever waited has gone
                    together.append(first)
            if its:
                self._waiting[likeness] = its
            if together:
                return together
        return []
