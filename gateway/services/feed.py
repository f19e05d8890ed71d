"""FeedService: changes out by signed cursor, acknowledgements and outcomes in."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.compute as pc

from gateway import access, caps, identity
from gateway.access import GrantedConsumer, KnownGrants
from gateway.cursors import Cursors
from gateway.publishing import Published
from gateway.services import feed_snapshots
from gateway.services.feed_streams import FeedStreams, Reading
from gateway.settings import Settings
from gateway.v1 import feed_pb2, feed_pb2_grpc
from gateway.wire import feed as wire
from gateway.wire.values import invalid, read_date
from gateway.workers import Workers
from observability import metrics, telemetry
from observability.logs import get_logger
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Cursor, FeedPage
from reconciliation.paging import parted
from reconciliation.projecting import with_former_units
from reconciliation.store import feed, feed_keeping

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class FeedService(feed_pb2_grpc.FeedServiceServicer):
    """Serves registries. `secret` signs the cursors of this database."""

    workers: Workers
    clock: Callable[[], datetime]
    secret: bytes
    known: KnownGrants
    settings: Settings
    published: Published

    def __post_init__(self) -> None:
        self.cursors = Cursors(self.secret)
        self.holding = feed_snapshots.Holding(
            workers=self.workers, clock=self.clock, hours=self.settings.snapshot_hold_hours
        )
        self.streams = FeedStreams(self.workers, self.clock, self.settings, self.published)

    def drain(self) -> None:
        """End the open streams; what is asked by single calls is still answered."""
        self.streams.drain()

    async def Fetch(self, request: feed_pb2.FetchRequest, context: Context) -> feed_pb2.FetchResponse:  # noqa: N802
        """One page after the cursor; halved until it fits into a message."""
        consumer_id = await self._named(request.consumer_id, context)
        limit = caps.page_size(request.page_size, default=caps.FEED_PAGE, most=caps.MAX_FEED_PAGE)
        former_on = self._former_day(request)
        after = await self._place(request.cursor, consumer_id)
        page = await self._read(consumer_id, after, limit, former_on)
        while True:
            response = await self.workers.columns(
                wire.write_page,
                page,
                next_cursor=self.cursors.seal(page.upto, consumer_id),
                compression=request.compression,
            )
            places = page.upto.sequence - after.sequence
            if response.ByteSize() <= caps.MAX_PAYLOAD_BYTES or places <= 1:
                _note_delivery(page, consumer_id)
                return response
            page = next(parted(page, after=after.sequence, size=places // 2))

    async def Watch(  # noqa: N802
        self, request: feed_pb2.WatchRequest, context: Context
    ) -> AsyncGenerator[feed_pb2.WatchResponse]:
        """Pages as they are published, and bookmarks; see feed_streams."""
        consumer_id = await self._named(request.consumer_id, context)
        former_on = self._former_day(request)
        after = await self._place(request.cursor, consumer_id)

        async def fetch(place: Cursor, limit: int) -> FeedPage:
            await self._named(consumer_id, context)  # a grant may end while a stream is open
            return await self._read(consumer_id, place, limit, former_on)

        reading = Reading(
            fetch=fetch,
            seal=lambda place: self.cursors.seal(place, consumer_id),
            deliver=lambda page: _note_delivery(page, consumer_id),
            compression=request.compression,
            until_current=request.until_current,
        )
        with self.streams.place(consumer_id):
            async for answer in self.streams.follow(reading, after):
                yield answer

    async def Acknowledge(  # noqa: N802
        self,
        request: feed_pb2.AcknowledgeRequest,
        context: Context,
    ) -> feed_pb2.AcknowledgeResponse:
        """Notes that the consumer holds everything up to the cursor."""
        consumer_id = await self._named(request.consumer_id, context)
        upto = self.cursors.open(request.cursor, consumer_id)
        moved = await self.workers.store(
            feed.acknowledge, consumer_id=consumer_id, upto=upto, now=self.clock(), on=self._today()
        )
        metrics.FEED_CURSOR.set(upto.sequence, consumer_id=consumer_id)
        return feed_pb2.AcknowledgeResponse(updates_moved=moved)

    async def Report(self, request: feed_pb2.ReportRequest, context: Context) -> feed_pb2.ReportResponse:  # noqa: N802
        """Records what the consumer did with changes."""
        consumer_id = await self._named(request.consumer_id, context)
        if len(request.outcomes) > caps.MAX_OUTCOMES:
            raise invalid("outcomes", f"has to hold at most {caps.MAX_OUTCOMES}")
        outcomes = wire.read_outcomes(request.outcomes)
        recorded = await self.workers.store(
            feed.report,
            consumer_id=consumer_id,
            outcomes=outcomes,
            read_at=self.cursors.open(request.cursor, consumer_id) if request.cursor else None,
            now=self.clock(),
            on=self._today(),
        )
        for kind in sorted({outcome.kind for outcome in outcomes}):
            told = sum(outcome.kind is kind for outcome in outcomes)
            metrics.OUTCOMES.add(told, consumer_id=consumer_id, outcome=str(kind))
        return feed_pb2.ReportResponse(recorded=recorded)

    async def GetCursor(  # noqa: N802
        self,
        request: feed_pb2.GetCursorRequest,
        context: Context,
    ) -> feed_pb2.GetCursorResponse:
        """Where the consumer stands."""
        consumer_id = await self._named(request.consumer_id, context)
        acknowledged = await self.workers.store(feed.cursor_of, consumer_id=consumer_id, on=self._today())
        head = await self.workers.store(feed.head)
        followed = await self.workers.store(feed_keeping.following, consumer_id=consumer_id)
        return wire.write_position(
            followed[0],
            acknowledged_cursor=self.cursors.seal(acknowledged, consumer_id),
            beginning_cursor=self.cursors.seal(Cursor(epoch=head.epoch, sequence=0), consumer_id),
            earliest_cursor=self.cursors.seal(Cursor(epoch=head.epoch, sequence=followed[0].earliest), consumer_id),
            head=head.sequence,
            now=self.clock(),
        )

    async def Replay(self, request: feed_pb2.ReplayRequest, context: Context) -> feed_pb2.ReplayResponse:  # noqa: N802
        """Sets the consumer back, and keeps who asked and why."""
        consumer_id = await self._named(request.consumer_id, context)
        to = self.cursors.open(request.cursor, consumer_id)
        before, after = await self.workers.store(
            feed.replay,
            consumer_id=consumer_id,
            to=to,
            by=identity.caller(context).uri or consumer_id,
            why=request.reason,
            now=self.clock(),
            on=self._today(),
        )
        metrics.FEED_CURSOR.set(after, consumer_id=consumer_id)
        log.info("feed_replayed", consumer_id=consumer_id, feed_seq=after)
        return feed_pb2.ReplayResponse(from_sequence=before, to_sequence=after)

    async def GetSnapshot(  # noqa: N802
        self, request: feed_pb2.GetSnapshotRequest, context: Context
    ) -> feed_pb2.GetSnapshotResponse:
        """The newest snapshot of what the consumer may see today."""
        granted = await self._granted(request.consumer_id, context)
        snapshot = await feed_snapshots.newest(self.workers, self.settings.snapshot_folder, granted, self.holding)
        return wire.write_snapshot(snapshot, cursor=self.cursors.seal(snapshot.cursor, granted.consumer_id))

    async def DownloadSnapshot(  # noqa: N802
        self, request: feed_pb2.DownloadSnapshotRequest, context: Context
    ) -> AsyncGenerator[feed_pb2.DownloadSnapshotResponse]:
        """One file of a snapshot, in pieces."""
        granted = await self._granted(request.consumer_id, context)
        with self.streams.place(granted.consumer_id):
            pieces = feed_snapshots.pieces(self.workers, self.settings.snapshot_folder, granted, request, self.holding)
            async for piece in pieces:
                yield piece

    async def _granted(self, consumer_id: str, context: Context) -> GrantedConsumer:
        """The registry that the caller speaks for. Raises NOT_ENTITLED, or CONSUMER_UNKNOWN without certificates."""
        grants = await self.known.standing()
        return access.consumer(grants, identity.caller(context), consumer_id, on=self._today())

    async def _named(self, consumer_id: str, context: Context) -> str:
        return (await self._granted(consumer_id, context)).consumer_id

    async def _read(self, consumer_id: str, after: Cursor, limit: int, former_on: date | None) -> FeedPage:
        page = await self.workers.store(feed.fetch, consumer_id=consumer_id, after=after, limit=limit, on=self._today())
        if former_on is not None:
            page = await self.workers.columns(with_former_units, page, on=former_on)
        return page

    def _today(self) -> date:
        return self.clock().astimezone(VIETNAM).date()

    async def _place(self, cursor: str, consumer_id: str) -> Cursor:
        if cursor:
            return self.cursors.open(cursor, consumer_id)
        return await self.workers.store(feed.cursor_of, consumer_id=consumer_id, on=self._today())

    def _former_day(self, request: feed_pb2.FetchRequest | feed_pb2.WatchRequest) -> date | None:
        if not request.HasField("former_units_on"):
            return None
        day = read_date(request.former_units_on, field_path="former_units_on")
        if day >= self._today():
            raise invalid("former_units_on", "has to be a day that is past")
        return day


def _note_delivery(page: FeedPage, consumer_id: str) -> None:
    """End the traces that began with a push: one span for each of a page's traces."""
    delivered = pa.chunked_array([table["traceparent"].combine_chunks() for table in page.tables.values()], pa.string())
    for trace in pc.value_counts(delivered.drop_null()).to_pylist():
        about = {"consumer_id": consumer_id, "changes": trace["counts"]}
        with telemetry.span("feed.deliver", parent=trace["values"], attributes=about):
            pass
