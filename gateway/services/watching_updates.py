"""WatchUpdates: one caller's changes of state, for as long as it may hear of them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime

from adapters.catalogue import Catalogue
from gateway import access
from gateway.access import Asker
from gateway.errors import Reason, RejectedCallError
from gateway.following import Tail, Whose
from gateway.identity import Caller
from gateway.tokens import Purpose, open_token, seal
from gateway.v1 import status_pb2
from gateway.wire.status import read_place, write_place
from gateway.wire.values import read_receipt_id
from gateway.workers import Workers
from observability import metrics
from reconciliation.model import Grants, MovePlace, Sight, UpdateAsked
from reconciliation.store import status

_NUMBERS = 4  # of a resume token


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What one WatchUpdates needs. `standing` and `asker` say what holds now, at every call anew."""

    caller: Caller
    standing: Callable[[], Awaitable[Grants]]
    asker: Callable[[Caller], Awaitable[Asker]]
    today: Callable[[], date]
    clock: Callable[[], datetime]
    catalogue: Catalogue
    workers: Workers
    tail: Tail
    secret: bytes


async def watch_updates(
    watch: Watch, request: status_pb2.WatchUpdatesRequest
) -> AsyncGenerator[status_pb2.WatchUpdatesResponse]:
    """The answers to one watch. What the caller may hear is asked before each of them.

    Raises RejectedCallError NOT_ENTITLED, SOURCE_UNKNOWN, UPDATE_UNKNOWN, RESUME_TOKEN_INVALID, RESUME_TOKEN_EXPIRED or
    DRAINING, and RetryableStoreError.
    """
    whose, bound_to, sight = await _whose(watch, request)
    place = _place(watch, request.resume_token, bound_to)
    async with aclosing(watch.tail.follow(whose, place)) as answers:
        async for changes, reached in answers:
            await _check(watch, request, sight)
            metrics.MOVES_TOLD.add(len(changes))
            token = seal(write_place(reached), secret=watch.secret, purpose=Purpose.WATCH_PLACE, bound_to=bound_to)
            yield status_pb2.WatchUpdatesResponse(changes=changes, resume_token=token)


async def _whose(watch: Watch, request: status_pb2.WatchUpdatesRequest) -> tuple[Whose, str, Sight]:
    """What is followed, what its tokens are bound to, and the sight in which it lies."""
    sight = (await watch.asker(watch.caller)).sight
    if request.WhichOneof("whose") == "source_id":
        await _check(watch, request, sight)
        return request.source_id, f"source {request.source_id}", sight
    row = request.receipt_row
    receipt_id = read_receipt_id(row.receipt_id, field_path="receipt_row.receipt_id")
    asked = UpdateAsked(sight=sight, receipt_id=receipt_id, row=row.row)
    (found,) = await watch.workers.store(status.find, [asked], now=watch.clock())
    if found is None:
        raise RejectedCallError(Reason.UPDATE_UNKNOWN, "No accepted update is named by that.")
    return found.record_id, f"update {found.record_id}", sight


async def _check(watch: Watch, request: status_pb2.WatchUpdatesRequest, sight: Sight) -> None:
    """Whether the caller may still hear of it: a grant may have been taken away meanwhile."""
    if request.WhichOneof("whose") == "source_id":
        grants = await watch.standing()
        access.watched(watch.catalogue, grants, watch.caller, request.source_id, on=watch.today())
    elif (await watch.asker(watch.caller)).sight != sight:
        raise access.not_entitled()


def _place(watch: Watch, token: str, bound_to: str) -> MovePlace | None:
    if not token:
        return None
    numbers = open_token(token, secret=watch.secret, purpose=Purpose.WATCH_PLACE, bound_to=bound_to, count=_NUMBERS)
    if numbers is None:
        raise RejectedCallError(
            Reason.RESUME_TOKEN_INVALID,
            "The resume token was not given for this watch.",
            field_path="resume_token",
            facts={"field": "resume_token"},
        )
    return read_place(numbers)
