"""StatusService: the one state an update is in, and the findings of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc

from gateway import access, caps, identity
from gateway.access import KnownGrants
from gateway.errors import Reason, RejectedCallError
from gateway.tokens import Purpose, open_token, seal
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire import status as wire
from gateway.wire.values import invalid, read_key, read_receipt_id, write_codes, write_finding
from gateway.workers import Workers
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import UpdateStatus
from reconciliation.store import landing, status

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class StatusService(status_pb2_grpc.StatusServiceServicer):
    """Answers sources. `secret` signs the page tokens of this database."""

    workers: Workers
    clock: Callable[[], datetime]
    secret: bytes
    known: KnownGrants

    async def GetUpdateStatus(  # noqa: N802
        self,
        request: status_pb2.GetUpdateStatusRequest,
        context: Context,
    ) -> status_pb2.GetUpdateStatusResponse:
        """The status of the named update. Raises UPDATE_UNKNOWN."""
        found = await self._find(request, await self._own(context))
        if found is None:
            raise RejectedCallError(Reason.UPDATE_UNKNOWN, "No accepted update is named by that.")
        return wire.write_status(found)

    async def _own(self, context: Context) -> tuple[str, ...] | None:
        """The sources whose updates the caller may see; the others' look like unknown ones. None: every source."""
        grants, today = await self.known.standing(), self.clock().astimezone(VIETNAM).date()
        return access.sources(grants, identity.caller(context), on=today)

    async def _find(
        self, request: status_pb2.GetUpdateStatusRequest, own: tuple[str, ...] | None
    ) -> UpdateStatus | None:
        now = self.clock()
        match request.WhichOneof("update"):
            case "receipt_row":
                receipt_id = read_receipt_id(request.receipt_row.receipt_id, field_path="receipt_row.receipt_id")
                return await self.workers.store(
                    status.status_by_receipt,
                    receipt_id=receipt_id,
                    row=request.receipt_row.row,
                    now=now,
                    own=own,
                )
            case "source_record":
                record = request.source_record
                return await self.workers.store(
                    status.status_by_record,
                    source_id=read_key(record.source_id, field_path="source_record.source_id"),
                    source_record_id=read_key(record.source_record_id, field_path="source_record.source_record_id"),
                    now=now,
                    own=own,
                )
            case _:
                raise invalid("update", "has to name a receipt_row or a source_record")

    async def ListFindings(  # noqa: N802
        self,
        request: status_pb2.ListFindingsRequest,
        context: Context,
    ) -> status_pb2.ListFindingsResponse:
        """One page of the findings of a batch."""
        receipt_id = read_receipt_id(request.receipt_id, field_path="receipt_id")
        size = caps.page_size(request.page_size, default=caps.FINDINGS_PAGE, most=caps.MAX_FINDINGS_PAGE)
        after = self._position(request.page_token, str(receipt_id))
        own = await self._own(context)
        found = await self.workers.store(landing.list_findings, receipt_id, after=after, limit=size + 1, source_ids=own)
        page = found[:size]
        return status_pb2.ListFindingsResponse(
            findings=map(write_finding, page),
            codes=write_codes(page),
            next_page_token=self._seal(after + size, str(receipt_id)) if len(found) > size else "",
        )

    def _seal(self, position: int, receipt_id: str) -> str:
        return seal((position, 0), secret=self.secret, purpose=Purpose.FINDINGS_PAGE, bound_to=receipt_id)

    def _position(self, token: str, receipt_id: str) -> int:
        if not token:
            return 0
        numbers = open_token(token, secret=self.secret, purpose=Purpose.FINDINGS_PAGE, bound_to=receipt_id)
        if numbers is None:
            raise RejectedCallError(
                Reason.PAGE_TOKEN_INVALID,
                "The page token was not given for this receipt.",
                field_path="page_token",
                facts={"field": "page_token"},
            )
        return numbers[0]
