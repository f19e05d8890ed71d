"""Watch: pages as they are published, bookmarks when nothing is, and never more in memory than the cap of one stream.

A stream holds neither a thread nor a connection while its reader is slow: what it reads next waits in memory, a stretch
of the feed at a time. Grants are asked again for every stretch. What ends a stream ends it between two answers.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from gateway import caps
from gateway.errors import VERDICTS, Reason, RejectedCallError
from gateway.publishing import Published
from gateway.settings import Settings
from gateway.shares import spread
from gateway.v1 import feed_pb2
from gateway.wire import feed as wire
from gateway.workers import Workers
from observability import metrics
from reconciliation.model import Cursor, FeedPage
from reconciliation.paging import bytes_a_place, parted

FIRST_STRETCH = 2_000  # places, before it is known how much one weighs
MAX_STRETCH = 20_000
_MESSAGE_BYTES = caps.MAX_PAYLOAD_BYTES // 2  # in memory, which is more than on the wire
_GRACE_SHARE = 0.9  # a stream ends by itself before a connection that has to go is cut


@dataclass(frozen=True)
class Reading:
    """What one stream needs: `fetch(after, limit)` reads with the grants of that moment, `seal` makes cursors."""

    fetch: Callable[[Cursor, int], Awaitable[FeedPage]]
    seal: Callable[[Cursor], str]
    deliver: Callable[[FeedPage], None]
    compression: feed_pb2.Compression.ValueType
    until_current: bool


@dataclass
class FeedStreams:
    """The open streams of the feed, counted by whose they are."""

    workers: Workers
    clock: Callable[[], datetime]
    settings: Settings
    published: Published
    draining: bool = False
    _open: Counter[str] = field(default_factory=Counter)

    def drain(self) -> None:
        """End every stream with DRAINING, between two of its answers."""
        self.draining = True
        self.published.wake()

    @contextmanager
    def place(self, consumer_id: str) -> Iterator[None]:
        """A place for one stream of a registry while the context lasts. Raises STREAMS_EXHAUSTED or DRAINING."""
        self._check_open()
        most = self.settings.watches_per_consumer
        if self._open[consumer_id] >= most:
            raise RejectedCallError(
                Reason.STREAMS_EXHAUSTED,
                f"{most} streams of the registry are open.",
                facts={"limitWatchesPerConsumer": str(most)},
                retry_seconds=spread(VERDICTS[Reason.STREAMS_EXHAUSTED].retry_seconds or 0.0),
            )
        self._open[consumer_id] += 1
        metrics.FEED_STREAMS.set(self._open[consumer_id], consumer_id=consumer_id)
        try:
            yield
        finally:
            self._open[consumer_id] -= 1
            metrics.FEED_STREAMS.set(self._open[consumer_id], consumer_id=consumer_id)
            self._open += Counter()  # forgets who has none

    async def follow(self, reading: Reading, after: Cursor) -> AsyncGenerator[feed_pb2.WatchResponse]:
        """What a registry is sent that has seen everything up to `after`."""
        stretches, now = _Stretches(reading, self.settings.watch_bytes), asyncio.get_running_loop().time
        ends_at = now() + self._age()
        silent_since = now()
        try:
            while True:
                self._check_open()
                page = await stretches.after(after)
                is_over = now() >= ends_at
                if page.changes:
                    async for answer in self._answers(page, after, reading):
                        yield answer
                    silent_since = now()
                is_current = page.upto.sequence >= page.head
                after = page.upto
                is_last = is_over or (is_current and reading.until_current)
                if is_last or (is_current and now() - silent_since >= self.settings.watch_bookmark_seconds):
                    yield self._bookmark(page, reading, is_last=is_last)
                    silent_since = now()
                if is_last:
                    return
                if is_current:
                    quiet = silent_since + self.settings.watch_bookmark_seconds - now()
                    seconds = min(quiet, self.settings.grants_seconds, ends_at - now())
                    await self.published.beyond(after, seconds=max(0.0, seconds))
        finally:
            await stretches.close()

    async def _answers(self, page: FeedPage, after: Cursor, reading: Reading) -> AsyncGenerator[feed_pb2.WatchResponse]:
        """The page in parts that fit into messages; one whose rows weigh more than others is parted again."""
        weight = max(1.0, bytes_a_place(page, after=after.sequence))
        size = max(1, min(caps.MAX_FEED_PAGE, int(_MESSAGE_BYTES / weight)))
        begin = after.sequence
        waiting = list(parted(page, after=begin, size=size))
        while waiting:
            part = waiting.pop(0)
            if part.changes:
                self._check_open()
                answer = await self.workers.columns(
                    wire.write_page, part, next_cursor=reading.seal(part.upto), compression=reading.compression
                )
                places = part.upto.sequence - begin
                if answer.ByteSize() > caps.MAX_PAYLOAD_BYTES and places > 1:
                    waiting[:0] = parted(part, after=begin, size=(places + 1) // 2)
                    continue
                yield feed_pb2.WatchResponse(page=answer)
                reading.deliver(part)
            begin = part.upto.sequence

    def _bookmark(self, page: FeedPage, reading: Reading, *, is_last: bool) -> feed_pb2.WatchResponse:
        return wire.write_bookmark(cursor=reading.seal(page.upto), head=page.head, as_of=self.clock(), is_last=is_last)

    def _age(self) -> float:
        """How long a stream may last: connections that are told to go wait for it, but not for ever."""
        return min(self.settings.connection_age_seconds, _GRACE_SHARE * self.settings.connection_grace_seconds)

    def _check_open(self) -> None:
        if self.draining:
            raise RejectedCallError(Reason.DRAINING, "The gateway is shutting down.")


class _Stretches:
    """Reads ahead by one stretch, sized so that two of them weigh what a stream may hold."""

    def __init__(self, reading: Reading, most_bytes: int) -> None:
        self._reading = reading
        self._most_bytes = most_bytes
        self._limit = FIRST_STRETCH
        self._next: tuple[Cursor, asyncio.Task[FeedPage]] | None = None

    async def after(self, place: Cursor) -> FeedPage:
        """The stretch after `place`; the one after it is being read when this returns, if there is any."""
        if self._next is not None and self._next[0] == place:
            page = await self._next[1]
        else:
            page = await self._read(place)
        self._next = None
        weight = max(1.0, bytes_a_place(page, after=place.sequence))
        if page.upto.sequence > place.sequence:
            self._limit = max(1, min(MAX_STRETCH, 2 * self._limit, int(self._most_bytes / 2 / weight)))
        if page.upto.sequence < page.head:
            self._next = page.upto, asyncio.create_task(self._read(page.upto))
        return page

    async def close(self) -> None:
        """Let go of what was read ahead."""
        if self._next is not None:
            self._next[1].cancel()
            await asyncio.gather(self._next[1], return_exceptions=True)

    async def _read(self, place: Cursor) -> FeedPage:
        return await self._reading.fetch(place, self._limit)
