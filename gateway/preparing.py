"""Batches are normalised on threads; those that speak one dialect on one day and wait are normalised together.

A small batch costs mostly what every batch costs, so that several at once are much cheaper, of whatever sources. None
waits for others to come; dialects take turns, and so do the sources of each.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from adapters.normalise import Normalised
from gateway import receiving
from gateway.receiving import Likeness, Received
from gateway.workers import Workers

TOGETHER_BATCHES = 16
TOGETHER_BYTES = 4 * 1024 * 1024  # as much as one batch may have


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
        self._waiting: dict[Likeness, dict[str, deque[_Waiting]]] = {}  # and by source; the first has its turn next
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, received: Received) -> Normalised:
        """The canonical rows of a batch; raises what receiving.normalise raises."""
        waiting = _Waiting(received)
        alike = self._waiting.setdefault(receiving.likeness(received), {})
        alike.setdefault(received.batch.source_id, deque()).append(waiting)
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
        """Some that wait of the dialect whose turn it is, one of each source in turn; empty when nothing waits."""
        while self._waiting:
            likeness = next(iter(self._waiting))
            alike = self._waiting.pop(likeness)
            together: list[_Waiting] = []
            size = 0
            while alike and len(together) < TOGETHER_BATCHES:
                source_id = next(iter(alike))
                its = alike[source_id]
                size += len(its[0].received.batch.payload)
                if together and size > TOGETHER_BYTES:
                    break
                if not (first := its.popleft()).normalised.done():  # else whoever waited has gone
                    together.append(first)
                del alike[source_id]
                if its:
                    alike[source_id] = its  # at the end: it has had its turn
            if alike:
                self._waiting[likeness] = alike
            if together:
                return together
        return []
