"""FeedService: changes out by signed cursor, acknowledgements and outcomes in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.compute as pc

from gateway import access, caps, identity
from gateway.access import KnownGrants
from gateway.errors import Reason, RejectedCallError
from gateway.tokens import Purpose, open_token, seal
from gateway.v1 import feed_pb2, feed_pb2_grpc
from gateway.wire import feed as wire
from gateway.wire.values import invalid, read_date
from gateway.workers import Workers
from observability import metrics, telemetry
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Cursor, FeedPage
from reconciliation.projecting import with_former_units
from reconciliation.store import feed

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class FeedService(feed_pb2_grpc.FeedServiceServicer):
    """Serves registries. `secret` signs the cursors of this database."""

    workers: Workers
    clock: Callable[[], datetime]
    secret: bytes
    known: KnownGrants

    async def Fetch(self, request: feed_pb2.FetchRequest, context: Context) -> feed_pb2.FetchResponse:  # noqa: N802
        """One page after the cursor; halved until it fits into a message."""
        consumer_id = await self._granted(request.consumer_id, context)
        limit = caps.page_size(request.page_size, default=caps.FEED_PAGE, most=caps.MAX_FEED_PAGE)
        former_on = self._former_day(request)
        after = await self._place(request.cursor, consumer_id)
        while True:
            page = await self.workers.store(
                feed.fetch, consumer_id=consumer_id, after=after, limit=limit, on=self._today()
            )
            if former_on is not None:
                page = await self.workers.columns(with_former_units, page, on=former_on)
            response = await self.workers.columns(
                wire.write_page,
                page,
                next_cursor=self._seal(page.upto, consumer_id),
                compression=request.compression,
            )
            if response.ByteSize() <= caps.MAX_PAYLOAD_BYTES or limit == 1:
                _note_delivery(page, consumer_id)
                return response
            limit //= 2

    async def Acknowledge(  # noqa: N802
        self,
        request: feed_pb2.AcknowledgeRequest,
        context: Context,
    ) -> feed_pb2.AcknowledgeResponse:
        """Notes that the consumer holds everything up to the cursor."""
        consumer_id = await self._granted(request.consumer_id, context)
        upto = self._open(request.cursor, consumer_id)
        moved = await self.workers.store(
            feed.acknowledge, consumer_id=consumer_id, upto=upto, now=self.clock(), on=self._today()
        )
        metrics.FEED_CURSOR.set(upto.sequence, consumer_id=consumer_id)
        return feed_pb2.AcknowledgeResponse(updates_moved=moved)

    async def Report(self, request: feed_pb2.ReportRequest, context: Context) -> feed_pb2.ReportResponse:  # noqa: N802
        """Records what the consumer did with changes."""
        consumer_id = await self._granted(request.consumer_id, context)
        if len(request.outcomes) > caps.MAX_OUTCOMES:
            raise invalid("outcomes", f"has to hold at most {caps.MAX_OUTCOMES}")
        outcomes = wire.read_outcomes(request.outcomes)
        recorded = await self.workers.store(
            feed.report, consumer_id=consumer_id, outcomes=outcomes, now=self.clock(), on=self._today()
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
        consumer_id = await self._granted(request.consumer_id, context)
        acknowledged = await self.workers.store(feed.cursor_of, consumer_id=consumer_id, on=self._today())
        head = await self.workers.store(feed.head)
        return feed_pb2.GetCursorResponse(
            acknowledged_cursor=self._seal(acknowledged, consumer_id),
            beginning_cursor=self._seal(Cursor(epoch=head.epoch, sequence=0), consumer_id),
            acknowledged_sequence=acknowledged.sequence,
            head_sequence=head.sequence,
        )

    async def _granted(self, consumer_id: str, context: Context) -> str:
        """The registry that the caller speaks for. Raises NOT_ENTITLED, or CONSUMER_UNKNOWN without certificates."""
        grants = await self.known.standing()
        return access.consumer(grants, identity.caller(context), consumer_id, on=self._today()).consumer_id

    def _today(self) -> date:
        return self.clock().astimezone(VIETNAM).date()

    async def _place(self, cursor: str, consumer_id: str) -> Cursor:
        if cursor:
            return self._open(cursor, consumer_id)
        return await self.workers.store(feed.cursor_of, consumer_id=consumer_id, on=self._today())

    def _former_day(self, request: feed_pb2.FetchRequest) -> date | None:
        if not request.HasField("former_units_on"):
            return None
        day = read_date(request.former_units_on, field_path="former_units_on")
        if day >= self._today():
            raise invalid("former_units_on", "has to be a day that is past")
        return day

    def _seal(self, cursor: Cursor, consumer_id: str) -> str:
        numbers = (cursor.epoch, cursor.sequence)
        return seal(numbers, secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to=consumer_id)

    def _open(self, cursor: str, consumer_id: str) -> Cursor:
        numbers = open_token(cursor, secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to=consumer_id)
        if numbers is None:
            raise RejectedCallError(
                Reason.CURSOR_INVALID,
                "The cursor is none that this consumer was given.",
                field_path="cursor",
                facts={"field": "cursor"},
            )
        return Cursor(epoch=numbers[0], sequence=numbers[1])


def _note_delivery(page: FeedPage, consumer_id: str) -> None:
    """End the traces that began with a push: one span for each of a page's traces."""
    delivered = pa.chunked_array([table["traceparent"].combine_chunks() for table in page.tables.values()], pa.string())
    for trace in pc.value_counts(delivered.drop_null()).to_pylist():
        about = {"consumer_id": consumer_id, "changes": trace["counts"]}
        with telemetry.span("feed.deliver", parent=trace["values"], attributes=about):
            pass
