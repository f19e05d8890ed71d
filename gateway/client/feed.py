"""Following the feed: fetch or watch, apply, acknowledge, report. At least once: apply so that twice is once."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import grpc
import pyarrow as pa

from adapters.canonical import RecordKind
from gateway.client.channel import DEADLINE_SECONDS
from gateway.client.errors import RetryableGatewayError, translated
from gateway.v1 import feed_pb2, feed_pb2_grpc
from gateway.wire import feed as wire
from gateway.wire.values import read_time, write_date
from reconciliation.model import Outcome

_LONGEST_PAUSE = 30.0  # between two tries to take a broken stream up again


@dataclass(frozen=True, kw_only=True)
class Page:
    """The changes after a place, one table a kind, each ordered by feed_seq. `lag` 0 means nothing is left."""

    tables: dict[RecordKind, pa.Table]
    next_cursor: str
    changes: int
    head: int
    lag: int


@dataclass(frozen=True, kw_only=True)
class Bookmark:
    """Everything up to `next_cursor` has been sent; that is all there was `as_of` then."""

    next_cursor: str
    head: int
    as_of: datetime
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a consumer stands: cursors to fetch from, and the numbers behind them."""

    acknowledged_cursor: str
    beginning_cursor: str
    earliest_cursor: str
    acknowledged: int
    head: int
    lag: int
    lag_age: timedelta


class FeedClient:
    """One registry's view of the feed. Every method raises RejectedByGatewayError or RetryableGatewayError."""

    def __init__(
        self, channel: grpc.aio.Channel, *, consumer_id: str, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._stub: feed_pb2_grpc.FeedServiceAsyncStub = feed_pb2_grpc.FeedServiceStub(channel)
        self._consumer_id = consumer_id
        self._deadline_seconds = deadline_seconds

    async def fetch(self, cursor: str = "", *, page_size: int = 0, former_units_on: date | None = None) -> Page:
        """The changes after `cursor`, or after the last acknowledged place when it is empty.

        With `former_units_on` each unit is also said in the codes of that day, see KindChanges in feed.proto.
        """
        request = feed_pb2.FetchRequest(
            consumer_id=self._consumer_id,
            cursor=cursor,
            page_size=page_size,
            compression=feed_pb2.COMPRESSION_LZ4_FRAME,
            former_units_on=None if former_units_on is None else write_date(former_units_on),
        )
        with translated():
            response = await self._stub.Fetch(request, timeout=self._deadline_seconds)
        return _page(response)

    async def pages(
        self, cursor: str = "", *, page_size: int = 0, former_units_on: date | None = None
    ) -> AsyncGenerator[Page]:
        """Page after page from `cursor` until nothing is left. Pages without a change of ours are passed over."""
        while True:
            page = await self.fetch(cursor, page_size=page_size, former_units_on=former_units_on)
            if page.changes or not page.lag:
                yield page
            if not page.lag:
                return
            cursor = page.next_cursor

    async def stream(
        self, cursor: str = "", *, until_current: bool = False, former_units_on: date | None = None
    ) -> AsyncGenerator[Page | Bookmark]:
        """What one stream sends from `cursor` on, until the gateway ends it with a bookmark that `is_last`.

        With `until_current` that is as soon as nothing is left: the quickest way to pull much.
        """
        request = feed_pb2.WatchRequest(
            consumer_id=self._consumer_id,
            cursor=cursor,
            compression=feed_pb2.COMPRESSION_LZ4_FRAME,
            former_units_on=None if former_units_on is None else write_date(former_units_on),
            until_current=until_current,
        )
        call = self._stub.Watch(request)
        try:
            with translated():
                async for response in call:
                    if response.WhichOneof("event") == "page":
                        yield _page(response.page)
                    elif response.WhichOneof("event") == "bookmark":
                        yield _bookmark(response.bookmark)
        finally:
            call.cancel()

    async def watch(
        self,
        cursor: str = "",
        *,
        former_units_on: date | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncGenerator[Page | Bookmark]:
        """Everything from `cursor` on, for as long as it is asked for: over lines that break and gateways that restart.

        Raises RejectedByGatewayError when going on would be refused, as with CURSOR_EXPIRED: take a snapshot then.
        """
        tries = 0
        while True:
            try:
                async with aclosing(self.stream(cursor, former_units_on=former_units_on)) as answers:
                    async for one in answers:
                        yield one
                        cursor, tries = one.next_cursor, 0
            except RetryableGatewayError as error:
                await pause(_spread(max(error.fault.retry_seconds or 0.0, min(_LONGEST_PAUSE, 0.2 * 2**tries))))
                tries += 1

    async def acknowledge(self, cursor: str) -> int:
        """Confirm that everything up to `cursor` is safe with us; return how many updates now await our outcome."""
        request = feed_pb2.AcknowledgeRequest(consumer_id=self._consumer_id, cursor=cursor)
        with translated():
            response = await self._stub.Acknowledge(request, timeout=self._deadline_seconds)
        return response.updates_moved

    async def report(self, outcomes: Sequence[Outcome], *, cursor: str = "") -> int:
        """Say what became of acknowledged changes, at most 10,000 at a time; return how many reports were new.

        `cursor` is that of their page or of a later one: with it a report that an epoch has overtaken is refused.
        """
        request = feed_pb2.ReportRequest(
            consumer_id=self._consumer_id, outcomes=wire.write_outcomes(outcomes), cursor=cursor
        )
        with translated():
            response = await self._stub.Report(request, timeout=self._deadline_seconds)
        return response.recorded

    async def replay(self, cursor: str, *, reason: str) -> tuple[int, int]:
        """Set our acknowledged place back to `cursor`; return the feed_seq it was at and the one it is at."""
        request = feed_pb2.ReplayRequest(consumer_id=self._consumer_id, cursor=cursor, reason=reason)
        with translated():
            response = await self._stub.Replay(request, timeout=self._deadline_seconds)
        return response.from_sequence, response.to_sequence

    async def position(self) -> Position:
        """Where we stand."""
        request = feed_pb2.GetCursorRequest(consumer_id=self._consumer_id)
        with translated():
            response = await self._stub.GetCursor(request, timeout=self._deadline_seconds)
        return Position(
            acknowledged_cursor=response.acknowledged_cursor,
            beginning_cursor=response.beginning_cursor,
            earliest_cursor=response.earliest_cursor,
            acknowledged=response.acknowledged_sequence,
            head=response.head_sequence,
            lag=response.lag,
            lag_age=response.lag_age.ToTimedelta(),
        )

    async def snapshot(self) -> feed_pb2.GetSnapshotResponse:
        """The newest snapshot of what we may see. Download it with gateway.client.snapshots."""
        request = feed_pb2.GetSnapshotRequest(consumer_id=self._consumer_id)
        with translated():
            return await self._stub.GetSnapshot(request, timeout=self._deadline_seconds)

    async def snapshot_file(self, snapshot_id: str, file: str, *, offset: int = 0) -> AsyncGenerator[bytes]:
        """The bytes of a file of a snapshot from `offset` on, piece by piece and in order."""
        request = feed_pb2.DownloadSnapshotRequest(
            consumer_id=self._consumer_id, snapshot_id=snapshot_id, file=file, offset=offset
        )
        call = self._stub.DownloadSnapshot(request)
        try:
            with translated():
                async for piece in call:
                    yield piece.data
        finally:
            call.cancel()


def _page(response: feed_pb2.FetchResponse) -> Page:
    return Page(
        tables=wire.read_tables(response),
        next_cursor=response.next_cursor,
        changes=response.changes,
        head=response.head_sequence,
        lag=response.lag,
    )


def _bookmark(message: feed_pb2.Bookmark) -> Bookmark:
    return Bookmark(
        next_cursor=message.cursor,
        head=message.head_sequence,
        as_of=read_time(message.as_of),
        is_last=message.is_last,
    )


def _spread(seconds: float) -> float:
    """Whoever was cut off together does not come back together."""
    return seconds * (1.0 + 0.5 * secrets.SystemRandom().random())
