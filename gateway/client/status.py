"""Asking what became of records that were pushed."""

from collections.abc import AsyncGenerator
from uuid import UUID

import grpc

from gateway.client.channel import DEADLINE_SECONDS
from gateway.client.errors import translated
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire import status as wire
from gateway.wire.values import read_finding
from reconciliation.model import Finding, UpdateStatus


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

    async def _status(self, request: status_pb2.GetUpdateStatusRequest) -> UpdateStatus:
        with translated():
            response = await self._stub.GetUpdateStatus(request, timeout=self._deadline_seconds)
        return wire.read_status(response.status)
