"""What the records of a case say and where each came from, by key: a few records for a person to look at."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import Move, State
from reconciliation.store.tables import (
    PLAIN_GOLDEN,
    ROWS_PER_BATCH,
    batch,
    cluster_member,
    golden_head,
    golden_tables,
    placement,
    record_head,
    record_tables,
    update_move,
    update_state,
)

_TECHNICAL = {"record_id", "source_id", "source_record_id", "source_version", "event_date", "follows_version"}


def is_one_of(record_keys: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a head is that of one of the keys."""
    named = [tuple(key.partition("|")[::2]) for key in record_keys]
    return sa.tuple_(record_head.c.source_id, record_head.c.source_record_id).in_(named)


def read(connection: sa.Connection, record_keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By key, of each record that stands: the fields of showing.Side; `placed` is a mapping or None."""
    key = (record_head.c.source_id + "|" + record_head.c.source_record_id).label("record_key")
    query = (
        sa.select(
            key,
            record_head.c.record_id,
            record_head.c.source_id,
            record_head.c.kind,
            record_head.c.province_code,
            record_head.c.former_unit_code,
            record_head.c.source_version,
            batch.c.exported_on,
            batch.c.landed_at,
            batch.c.receipt_id,
            batch.c.signature.is_not(None).label("is_signed"),
            batch.c.signed_by,
            update_state.c.state,
            placement.c.outcome,
            placement.c.unit_code,
            placement.c.basis,
            placement.c.explanation,
        )
        .join(batch, batch.c.batch_id == record_head.c.record_id // ROWS_PER_BATCH)
        .join(update_state, update_state.c.record_id == record_head.c.record_id)
        .outerjoin(placement, placement.c.record_id == record_head.c.record_id)
        .where(is_one_of(record_keys))
    )
    rows = connection.execute(query).mappings().all()
    said = _said(connection, rows)
    moves = _moves(connection, [row["record_id"] for row in rows])
    return {row["record_key"]: _side(row, said[row["record_id"]], moves[row["record_id"]]) for row in rows}


def read_published(connection: sa.Connection, record_key: str) -> dict[str, Any] | None:
    """What is published of a record's subject: the fields of showing.Published; None when nothing is."""
    query = (
        sa.select(golden_head.c.subject_id, golden_head.c.kind, golden_head.c.change_id)
        .join(cluster_member, cluster_member.c.subject_id == golden_head.c.subject_id)
        .where(cluster_member.c.record_key == record_key)
    )
    head = connection.execute(query).one_or_none()
    if head is None:
        return None
    kind = RecordKind(head.kind)
    table = golden_tables[kind]
    row = connection.execute(sa.select(table).where(table.c.change_id == head.change_id)).mappings().one()
    hidden = {"change_id", "subject_id", "provenance"} | (PLAIN_GOLDEN & {"household_id", "person_id"})
    values = {name: value for name, value in row.items() if name not in hidden}
    return {"subject_id": head.subject_id, "kind": kind, "change_id": head.change_id, "values": values}


def read_value(connection: sa.Connection, record_key: str, columns: Sequence[str]) -> dict[str, Any]:
    """Some columns of one record as it stands; nothing when there is none of that name or no such column."""
    head = connection.execute(
        sa.select(record_head.c.kind, record_head.c.record_id).where(is_one_of([record_key]))
    ).one_or_none()
    if head is None:
        return {}
    table = record_tables[RecordKind(head.kind)]
    known = [table.c[name] for name in columns if name in table.c]
    row = connection.execute(sa.select(*known).where(table.c.record_id == head.record_id)).mappings().one_or_none()
    return {} if row is None else dict(row)


def _said(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> dict[int, dict[str, Any]]:
    """By record_id, all columns of a version."""
    found: dict[int, dict[str, Any]] = {}
    for kind in {RecordKind(row["kind"]) for row in rows}:
        table = record_tables[kind]
        ids = [row["record_id"] for row in rows if row["kind"] == str(kind)]
        for row in connection.execute(sa.select(table).where(table.c.record_id.in_(ids))).mappings():
            found[row["record_id"]] = dict(row)
    return found


def _moves(connection: sa.Connection, record_ids: Sequence[int]) -> defaultdict[int, tuple[Move, ...]]:
    query = sa.select(update_move).where(update_move.c.record_id.in_(record_ids)).order_by(update_move.c.move_id)
    moves: defaultdict[int, tuple[Move, ...]] = defaultdict(tuple)
    for row in connection.execute(query):
        came_from = State(row.from_state) if row.from_state else None
        moves[row.record_id] += (
            Move(moved_at=row.moved_at, from_state=came_from, to_state=State(row.to_state), cause=row.cause),
        )
    return moves


def _side(row: sa.RowMapping, said: dict[str, Any], moves: tuple[Move, ...]) -> dict[str, Any]:
    names = ("record_key", "source_id", "province_code", "former_unit_code", "source_version", "exported_on")
    side = {name: row[name] for name in (*names, "landed_at", "receipt_id", "is_signed", "signed_by")}
    placed = ("outcome", "unit_code", "basis", "explanation")
    return side | {
        "kind": RecordKind(row["kind"]),
        "state": State(row["state"]),
        "event_date": said["event_date"],
        "values": {name: value for name, value in said.items() if name not in _TECHNICAL},
        "placed": {name: row[name] for name in placed} if row["outcome"] is not None else None,
        "moves": moves,
    }
