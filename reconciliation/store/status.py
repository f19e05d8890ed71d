"""Where one update is, with its history: read by key, never by searching for people."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import Move, State, UpdateStatus
from reconciliation.store import lifecycle_moves
from reconciliation.store.isolation import speak_for
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    kept_version,
    record_head,
    record_tables,
    update_move,
    update_state,
)


def status_by_record(
    engine: sa.Engine, *, source_id: str, source_record_id: str, now: datetime, own: Sequence[str] | None = None
) -> UpdateStatus | None:
    """The status of the newest version of a source's record, kept back or not; None when none was accepted.

    With `own`, updates of other sources than these are none.
    """
    versions = sa.union_all(
        *(
            sa.select(table.c.record_id, table.c.source_version).where(
                table.c.source_id == source_id, table.c.source_record_id == source_record_id
            )
            for table in (record_head, kept_version)
        )
    ).subquery()
    newest = (versions.c.source_version.desc(), versions.c.record_id.desc())
    query = sa.select(versions.c.record_id).order_by(*newest).limit(1)
    with _reading(engine, own) as connection:
        record_id = connection.scalar(query)
        return None if record_id is None else _status(connection, record_id, now=now)


def status_by_receipt(
    engine: sa.Engine, *, receipt_id: UUID, row: int, now: datetime, own: Sequence[str] | None = None
) -> UpdateStatus | None:
    """The status of the update that row `row` of the receipt's batch became; None when that row was not accepted.

    With `own`, updates of other sources than these are none.
    """
    if not 0 <= row < ROWS_PER_BATCH:
        return None
    with _reading(engine, own) as connection:
        batch_id = connection.scalar(sa.select(batch.c.batch_id).where(batch.c.receipt_id == receipt_id))
        return None if batch_id is None else _status(connection, batch_id * ROWS_PER_BATCH + row, now=now)


def last_landed_at(engine: sa.Engine, *, source_id: str) -> datetime | None:
    """When a batch of the source last landed; None when none has."""
    with _reading(engine, [source_id]) as connection:
        newest = sa.select(batch.c.landed_at).where(batch.c.source_id == source_id)
        return connection.scalar(newest.order_by(batch.c.batch_id.desc()).limit(1))


@contextmanager
def _reading(engine: sa.Engine, own: Sequence[str] | None) -> Iterator[sa.Connection]:
    # One snapshot: a move made between two of the statements would show a state that the history does not end in.
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        if own is not None:
            speak_for(connection, own)
        yield connection


def _status(connection: sa.Connection, record_id: int, *, now: datetime) -> UpdateStatus | None:
    state = connection.execute(
        sa.select(update_state, batch.c.receipt_id, batch.c.landed_at)
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
    ).all()
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
        history=_history(moves, landed_at=state.landed_at),
    )


def _history(moves: Sequence[sa.Row[Any]], *, landed_at: datetime) -> tuple[Move, ...]:
    """Every move, from the landing on: that has a row only where it did not lead to the usual first state."""
    told = tuple(
        Move(
            moved_at=move.moved_at,
            from_state=None if move.from_state is None else State(move.from_state),
            to_state=State(move.to_state),
            cause=move.cause,
        )
        for move in moves
    )
    if told and told[0].from_state is None:
        return told
    first = Move(
        moved_at=landed_at, from_state=None, to_state=State.AWAITING_RECONCILIATION, cause=lifecycle_moves.LANDED
    )
    return (first, *told)
