"""Pulling the feed: fetch, apply, acknowledge, report. At least once: apply each change so that twice is once."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import date

import grpc
import pyarrow as pa

from adapters.canonical import RecordKind
from gateway.client.channel import DEADLINE_SECONDS
from gateway.client.errors import translated
from gateway.v1 import feed_pb2, feed_pb2_grpc
from gateway.wire import feed as wire
from gateway.wire.values import write_date
from reconciliation.model import Outcome


@dataclass(frozen=True, kw_only=True)
class Page:
    """The changes after a place, one table a kind, each ordered by feed_seq. `lag` 0 means nothing is left."""

    tables: dict[RecordKind, pa.Table]
    next_cursor: str
    changes: int
    head: int
    lag: int


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a consumer stands: cursors to fetch from, and the numbers behind them."""

    acknowledged_cursor: str
    beginning_cursor: str
    acknowledged: int
    head: int


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
        return Page(
            tables=wire.read_tables(response),
            next_cursor=response.next_cursor,
            changes=response.changes,
            head=response.head_sequence,
            lag=response.lag,
        )

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

    async def acknowledge(self, cursor: str) -> int:
        """Confirm that everything up to `cursor` is safe with us; return how many updates now await our outcome."""
        request = feed_pb2.AcknowledgeRequest(consumer_id=self._consumer_id, cursor=cursor)
        with translated():
            response = await self._stub.Acknowledge(request, timeout=self._deadline_seconds)
        return response.updates_moved

    async def report(self, outcomes: Sequence[Outcome]) -> int:
        """Say what became of acknowledged changes, at most 10,000 at a time; return how many reports were new."""
        request = feed_pb2.ReportRequest(consumer_id=self._consumer_id, outcomes=wire.write_outcomes(outcomes))
        with translated():
            response = await self._stub.Report(request, timeout=self._deadline_seconds)
        return response.recorded

    async def position(self) -> Position:
        """Where we stand."""
        request = feed_pb2.GetCursorRequest(consumer_id=self._consumer_id)
        with translated():
            response = await self._stub.GetCursor(request, timeout=self._deadline_seconds)
        return Position(
            acknowledged_cursor=response.acknowledged_cursor,
            beginning_cursor=response.beginning_cursor,
            acknowledged=response.acknowledged_sequence,
            head=response.head_sequence,
        )
