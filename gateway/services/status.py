"""StatusService: the one state an update is in, its changes as they come, and the findings of a batch."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import grpc

from adapters.catalogue import Catalogue
from gateway import access, caps, identity
from gateway.access import Asker, KnownGrants
from gateway.errors import Reason, RejectedCallError
from gateway.following import Tail
from gateway.identity import Caller
from gateway.lookups import Lookups
from gateway.quotas import Quotas
from gateway.services.watching_updates import Watch, watch_updates
from gateway.settings import Settings
from gateway.tokens import Purpose, open_token, seal
from gateway.v1 import status_pb2, status_pb2_grpc
from gateway.wire.values import invalid, read_key, read_receipt_id, write_codes, write_finding
from gateway.workers import Workers
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Grants, UpdateAsked
from reconciliation.store import landing

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class StatusService(status_pb2_grpc.StatusServiceServicer):
    """Answers sources, portals and operators. `secret` signs the page and resume tokens of this database."""

    workers: Workers
    clock: Callable[[], datetime]
    secret: bytes
    known: KnownGrants
    catalogue: Catalogue
    settings: Settings
    _askers: dict[str | None, Asker] = field(default_factory=dict)
    _askers_by: tuple[Grants, date] | None = None

    def __post_init__(self) -> None:
        self.lookups = Lookups(self.workers, self.settings, self.clock)
        self.quotas = Quotas(self.settings)
        self.tail = Tail(self.workers, self.settings)

    def drain(self) -> None:
        """End every watch with DRAINING; questions are answered for as long as the server takes them."""
        self.tail.drain()

    async def GetUpdateStatus(  # noqa: N802
        self,
        request: status_pb2.GetUpdateStatusRequest,
        context: Context,
    ) -> status_pb2.GetUpdateStatusResponse:
        """The status of the named update. Raises UPDATE_UNKNOWN, RATE_EXCEEDED, and NOT_ENTITLED to some portals."""
        caller = identity.caller(context)
        asker = await self._asker(caller)
        self.quotas.ask(caller.uri or "")
        asked = self._asked(request, asker)
        names = asker.portal if asked.receipt_id is None else None
        if names is not None:
            if not names.by_record:
                raise access.not_entitled()
            self.quotas.name(names.portal_id)
        found = await self.lookups.find(asked)
        if found is None:
            if names is not None:
                self.quotas.miss(names.portal_id)
            raise RejectedCallError(Reason.UPDATE_UNKNOWN, "No accepted update is named by that.")
        return found

    async def WatchUpdates(  # noqa: N802
        self,
        request: status_pb2.WatchUpdatesRequest,
        context: Context,
    ) -> AsyncGenerator[status_pb2.WatchUpdatesResponse]:
        """Follows changes of state; see status.proto."""
        caller = identity.caller(context)
        watch = Watch(
            caller=caller,
            standing=self.known.standing,
            asker=self._asker,
            today=self._today,
            clock=self.clock,
            catalogue=self.catalogue,
            workers=self.workers,
            tail=self.tail,
            secret=self.secret,
        )
        with self.quotas.watch(caller.uri or request.source_id):
            async with aclosing(watch_updates(watch, request)) as answers:
                async for answer in answers:
                    yield answer

    async def _asker(self, caller: Caller) -> Asker:
        """Whose updates the caller may ask about; worked out once for as long as the grants that stand are the same."""
        grants, today = await self.known.standing(), self._today()
        if self._askers_by is None or self._askers_by[0] is not grants or self._askers_by[1] != today:
            self._askers_by, self._askers = (grants, today), {}
        found = self._askers.get(caller.uri)
        if found is None:
            found = self._askers[caller.uri] = access.asker(grants, caller, on=today)
        return found

    def _today(self) -> date:
        return self.clock().astimezone(VIETNAM).date()

    def _asked(self, request: status_pb2.GetUpdateStatusRequest, asker: Asker) -> UpdateAsked:
        match request.WhichOneof("update"):
            case "receipt_row":
                receipt_id = read_receipt_id(request.receipt_row.receipt_id, field_path="receipt_row.receipt_id")
                return UpdateAsked(sight=asker.sight, receipt_id=receipt_id, row=request.receipt_row.row)
            case "source_record":
                record = request.source_record
                source_id = read_key(record.source_id, field_path="source_record.source_id")
                key = read_key(record.source_record_id, field_path="source_record.source_record_id")
                # What is not the caller's is asked for under no name, so that it costs what is not there.
                named = source_id if access.may_name(self.catalogue, asker.sight, source_id) else ""
                return UpdateAsked(sight=asker.sight, source_id=named, source_record_id=key)
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
        own = access.sources(await self.known.standing(), identity.caller(context), on=self._today())
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
