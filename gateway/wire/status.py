"""The messages of StatusService ◄─► update states and findings."""

from uuid import UUID

from gateway.v1 import status_pb2
from gateway.wire.values import read_time, write_time
from reconciliation.model import Move, Moved, MovePlace, State, UpdateStatus

_STATES = {
    status_pb2.UPDATE_STATE_AWAITING_RECONCILIATION: State.AWAITING_RECONCILIATION,
    status_pb2.UPDATE_STATE_AWAITING_PREDECESSOR: State.AWAITING_PREDECESSOR,
    status_pb2.UPDATE_STATE_AWAITING_SIGNATURE: State.AWAITING_SIGNATURE,
    status_pb2.UPDATE_STATE_AWAITING_UNIT: State.AWAITING_UNIT,
    status_pb2.UPDATE_STATE_AWAITING_MATCH: State.AWAITING_MATCH,
    status_pb2.UPDATE_STATE_AWAITING_STEWARD: State.AWAITING_STEWARD,
    status_pb2.UPDATE_STATE_AWAITING_PULL: State.AWAITING_PULL,
    status_pb2.UPDATE_STATE_AWAITING_OUTCOME: State.AWAITING_OUTCOME,
    status_pb2.UPDATE_STATE_APPLIED: State.APPLIED,
    status_pb2.UPDATE_STATE_REFUSED: State.REFUSED,
    status_pb2.UPDATE_STATE_SUPERSEDED: State.SUPERSEDED,
    status_pb2.UPDATE_STATE_WITHDRAWN: State.WITHDRAWN,
}
_STATE_NUMBERS = {state: number for number, state in _STATES.items()}


def write_status(status: UpdateStatus, *, shows_key: bool = True) -> status_pb2.GetUpdateStatusResponse:
    """One update's status on the wire. Our record id stays with us: a receipt and a row name the update.

    Without `shows_key` the source's key and version stay with us, too.
    """
    message = status_pb2.UpdateStatus(
        source_id=status.source_id,
        source_record_id=status.source_record_id if shows_key else "",
        source_version=status.source_version if shows_key else 0,
        receipt_id=str(status.receipt_id),
        state=_STATE_NUMBERS[status.state],
        cause=status.cause,
        since=write_time(status.since),
        owner=status.owner or "",
        deadline=write_time(status.deadline) if status.deadline else None,
        is_stuck=status.is_stuck,
        history=map(_write_move, status.history),
        raised_to=status.raised_to or "",
    )
    return status_pb2.GetUpdateStatusResponse(status=message)


def read_status(message: status_pb2.UpdateStatus) -> UpdateStatus:
    """One update's status as a client was told it; `record_id` is 0, since it does not leave the gateway."""
    return UpdateStatus(
        record_id=0,
        source_id=message.source_id,
        source_record_id=message.source_record_id,
        source_version=message.source_version,
        receipt_id=UUID(message.receipt_id),
        state=_STATES[message.state],
        cause=message.cause,
        since=read_time(message.since),
        owner=message.owner or None,
        deadline=read_time(message.deadline) if message.HasField("deadline") else None,
        is_stuck=message.is_stuck,
        history=tuple(map(_read_move, message.history)),
        raised_to=message.raised_to or None,
    )


def write_change(moved: Moved) -> status_pb2.UpdateChange:
    """A move on the wire, named as receipts name updates."""
    return status_pb2.UpdateChange(receipt_id=str(moved.receipt_id), row=moved.row, move=_write_move(moved.move))


def read_change(message: status_pb2.UpdateChange) -> tuple[UUID, int, Move]:
    """A change as a client was told it: the receipt, the row, and the move."""
    return UUID(message.receipt_id), message.row, _read_move(message.move)


def write_place(place: MovePlace) -> tuple[int, int, int, int]:
    """The numbers of a resume token."""
    return place.epoch, place.lower, place.upper, place.after


def read_place(numbers: tuple[int, ...]) -> MovePlace:
    """A place, of the numbers of a resume token."""
    epoch, lower, upper, after = numbers
    return MovePlace(epoch=epoch, lower=lower, upper=upper, after=after)


def _write_move(move: Move) -> status_pb2.StateMove:
    return status_pb2.StateMove(
        moved_at=write_time(move.moved_at),
        from_state=_STATE_NUMBERS[move.from_state] if move.from_state else status_pb2.UPDATE_STATE_UNSPECIFIED,
        to_state=_STATE_NUMBERS[move.to_state],
        cause=move.cause,
    )


def _read_move(message: status_pb2.StateMove) -> Move:
    return Move(
        moved_at=read_time(message.moved_at),
        from_state=_STATES.get(message.from_state),
        to_state=_STATES[message.to_state],
        cause=message.cause,
    )
