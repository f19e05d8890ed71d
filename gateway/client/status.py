"""Asking what became of records that were pushed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import grpc

from gateway.client.channel import DEADLINE_SECONDS
from gateway.client.errors import RetryableGatewayError, translated
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire import status as wire
from gateway.wire.values import read_finding
from reconciliation.model import Finding, Move, UpdateStatus

_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of state of the update that row `row` of a receipt became."""

    receipt_id: UUID
    row: int
    move: Move


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Changes in their order, or none while nothing changes; everything up to `resume_token` was told."""

    changes: tuple[Change, ...]
    resume_token: str


class StatusClient:
    """Every method raises RejectedByGatewayError (UPDATE_UNKNOWN …) or RetryableGatewayError."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._stub: status_pb2_grpc.StatusServiceAsyncStub = status_pb2_grpc.StatusServiceStub(channel)
        self._deadline_seconds = deadline_seconds

    async def by_record(self, *, source_id: str, source_record_id: str) -> UpdateStatus:
        """The newest version of a source's record. `record_id` is 0: it does not leave the gateway."""
        record = status_pb2.SourceRecord(source_id=source_id, source_record_id=source_record_id)
        return await self._status(status_pb2.GetUpdateStatusRequest(source_record=record))

    async def by_receipt(self, receipt_id: UUID, *, row: int) -> UpdateStatus:
        """The update that a row of a batch became. `record_id` is 0: it does not leave the gateway."""
        receipt_row = status_pb2.ReceiptRow(receipt_id=str(receipt_id), row=row)
        return await self._status(status_pb2.GetUpdateStatusRequest(receipt_row=receipt_row))

    async def findings(self, receipt_id: UUID, *, page_size: int = 0) -> AsyncGenerator[Finding]:
        """Every finding of a batch, by row, fetched page by page."""
        token = ""
        while True:
            request = status_pb2.ListFindingsRequest(receipt_id=str(receipt_id), page_size=page_size, page_token=token)
            with translated():
                response = await self._stub.ListFindings(request, timeout=self._deadline_seconds)
            for message in response.findings:
                yield read_finding(message)
            token = response.next_page_token
            if not token:
                return

    async def watch(
        self,
        source_id: str = "",
        *,
        receipt_id: UUID | None = None,
        row: int = 0,
        resume_token: str = "",
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncGenerator[Watched]:
        """Changes of state of a source's updates, or of the one that a receipt's row became, as they come.

        The first answer comes at once; what happens after it is told. To know where something stands ask after the
        first answer: nothing is missed in between. Keep the last `resume_token` and begin with it another time. A lost
        gateway is called again, from there. Raises RejectedByGatewayError, after which nothing follows.
        """
        token = resume_token
        while True:
            request = status_pb2.WatchUpdatesRequest(source_id=source_id, resume_token=token)
            if receipt_id is not None:
                row_of_receipt = status_pb2.ReceiptRow(receipt_id=str(receipt_id), row=row)
                request = status_pb2.WatchUpdatesRequest(receipt_row=row_of_receipt, resume_token=token)
            try:
                with translated():
                    async for answer in self._stub.WatchUpdates(request):
                        token = answer.resume_token
                        yield Watched(changes=tuple(map(_change, answer.changes)), resume_token=token)
            except RetryableGatewayError as error:
                await pause(error.fault.retry_seconds or _AGAIN_SECONDS)

    async def _status(self, request: status_pb2.GetUpdateStatusRequest) -> UpdateStatus:
        with translated():
            response = await self._stub.GetUpdateStatus(request, timeout=self._deadline_seconds)
        return wire.read_status(response.status)


def _change(message: status_pb2.UpdateChange) -> Change:
    receipt_id, row, move = wire.read_change(message)
    return Change(receipt_id=receipt_id, row=row, move=move)
