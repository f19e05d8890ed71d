"""Where one update is, with its history: read by key, never by searching for people."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import Move, State, UpdateStatus
from reconciliation.store.tables import ROWS_PER_BATCH, batch, record_head, record_tables, update_move, update_state


def status_by_record(engine: sa.Engine, *, source_id: str, source_record_id: str, now: datetime) -> UpdateStatus | None:
    """The status of the newest version of a source's record; None when no version of it was accepted."""
    query = sa.select(record_head.c.record_id).where(
        record_head.c.source_id == source_id, record_head.c.source_record_id == source_record_id
    )
    with _reading(engine) as connection:
        record_id = connection.scalar(query)
        return None if record_id is None else _status(connection, record_id, now=now)


def status_by_receipt(engine: sa.Engine, *, receipt_id: UUID, row: int, now: datetime) -> UpdateStatus | None:
    """The status of the update that row `row` of the receipt's batch became; None when that row was not accepted."""
    if not 0 <= row < ROWS_PER_BATCH:
        return None
    with _reading(engine) as connection:
        batch_id = connection.scalar(sa.select(batch.c.batch_id).where(batch.c.receipt_id == receipt_id))
        return None if batch_id is None else _status(connection, batch_id * ROWS_PER_BATCH + row, now=now)


def _reading(engine: sa.Engine) -> sa.Connection:
    # One snapshot: a move made between two of the statements would show a state that the history does not end in.
    return engine.connect().execution_options(isolation_level="REPEATABLE READ")


def _status(connection: sa.Connection, record_id: int, *, now: datetime) -> UpdateStatus | None:
    state = connection.execute(
        sa.select(update_state, batch.c.receipt_id)
        .join(batch, batch.c.batch_id == update_state.c.record_id // ROWS_PER_BATCH)
        .where(update_state.c.record_id == record_id)
    ).one_or_none()
    if state is None:
        return None
    record = record_tables[RecordKind(state.kind)]
    said = connection.execute(
        sa.select(record.c.source_record_id, record.c.source_version).where(record.c.record_id == record_id)
    ).one()
    moves = connection.execute(
        sa.select(update_move).where(update_move.c.record_id == record_id).order_by(update_move.c.move_id)
    )
    return UpdateStatus(
        record_id=record_id,
        source_id=state.source_id,
        source_record_id=said.source_record_id,
        source_version=said.source_version,
        receipt_id=state.receipt_id,
        state=State(state.state),
        cause=state.cause,
        since=state.since,
        owner=state.owner,
        deadline=state.deadline,
        is_stuck=state.deadline is not None and state.deadline < now,
        history=tuple(
            Move(
                moved_at=move.moved_at,
                from_state=None if move.from_state is None else State(move.from_state),
                to_state=State(move.to_state),
                cause=move.cause,
            )
            for move in moves
        ),
    )
