"""The figures of a province's balance, each counted from the tables that hold it, all of one snapshot."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.model import State
from reconciliation.statement import CurrentUnit, FormerUnit, LedgerDay, SourceDay
from reconciliation.store import balance
from reconciliation.store.lifecycle_moves import is_pending
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    cluster_member,
    golden_head,
    golden_tables,
    installation,
    placement,
    quarantine,
    record_head,
    update_state,
)

IN_UNITS = (RecordKind.PERSON, RecordKind.HOUSEHOLD)  # books belong to people, and people to units


def sources(connection: sa.Connection, province_code: str) -> tuple[SourceDay, ...]:
    """What landed by source and day, and where its records lie now; ordered by both."""
    counted = per_batch(province_code).subquery()
    key = (counted.c.source_id, counted.c.kind, counted.c.day)
    names = ("received", "accepted", "quarantined", "superseded", "pending")
    query = sa.select(*key, *(_sum(counted.c[name]) for name in names)).group_by(*key).order_by(*key)
    return tuple(SourceDay(**row) for row in connection.execute(query).mappings())


def ledger(connection: sa.Connection, province_code: str) -> tuple[LedgerDay, ...]:
    """What the receipts of each spool and day say, in order."""
    key = (batch.c.source_id, batch.c.epoch, day_of(batch.c.landed_at).label("day"))
    names = ("received", "accepted", "superseded", "quarantined")
    nothing = sa.cast(sa.literal(b""), sa.LargeBinary)
    whole = sa.func.string_agg(batch.c.sha256, pg.aggregate_order_by(nothing, batch.c.sequence))
    query = (
        sa.select(
            *key,
            sa.func.count().label("batches"),
            sa.func.min(batch.c.sequence).label("first"),
            sa.func.max(batch.c.sequence).label("last"),
            *(_sum(batch.c[name]) for name in names),
            sa.func.encode(sa.func.sha256(whole), sa.literal_column("'hex'")).label("digest"),
        )
        .where(batch.c.province_code == province_code)
        .group_by(*key)
        .order_by(*key)
    )
    return tuple(LedgerDay(**row) for row in connection.execute(query).mappings())


def former_units(connection: sa.Connection, province_code: str) -> tuple[FormerUnit, ...]:
    """Where the records of each former unit are today, by kind and former unit.

    The records are counted by themselves, the published ones over what is published: so that closing proves something.
    """
    found = []
    for kind in RecordKind:
        stands = former_units_of(kind, province_code).subquery()
        former = stands.c.former_unit_code
        current = sa.select(former, stands.c.unit_code, sa.func.count()).where(
            stands.c.is_settled, stands.c.unit_code.is_not(None)
        )
        waiting = sa.select(former, stands.c.state, sa.func.count()).where(~stands.c.is_settled)
        units = _nested(connection, current.group_by(former, stands.c.unit_code).order_by(stands.c.unit_code))
        exceptions = _nested(connection, waiting.group_by(former, stands.c.state).order_by(stands.c.state))
        brought = (
            sa.select(record_head.c.former_unit_code, sa.func.count())
            .where(record_head.c.province_code == province_code, record_head.c.kind == str(kind))
            .group_by(record_head.c.former_unit_code)
            .order_by(record_head.c.former_unit_code)
        )
        found += [
            FormerUnit(
                kind=str(kind),
                former_unit_code=unit,
                records=records,
                current=units.get(unit, {}),
                exceptions=exceptions.get(unit, {}),
            )
            for unit, records in connection.execute(brought)
        ]
    return tuple(found)


def current_units(connection: sa.Connection, province_code: str) -> tuple[CurrentUnit, ...]:
    """What each of today's units holds, by kind and unit."""
    return tuple(
        CurrentUnit(
            kind=str(kind),
            unit_code=unit.unit_code,
            former_units=unit.former_units,
            records=unit.records,
            waiting=unit.waiting,
            doubles=unit.doubles,
            subjects=unit.subjects,
        )
        for kind in IN_UNITS
        for unit in balance.units_of(connection, kind, province_code=province_code)
    )


def per_batch(province_code: str) -> sa.Select[Any]:
    """A row for each batch: its key, its day, what its receipt says was received, and what of it lies where."""
    first = batch.c.batch_id * ROWS_PER_BATCH
    of_batch = sa.and_(update_state.c.record_id >= first, update_state.c.record_id < first + ROWS_PER_BATCH)
    is_superseded = update_state.c.state == str(State.SUPERSEDED)
    counted = (
        sa.select(
            batch.c.batch_id,
            sa.func.count(update_state.c.record_id).filter(is_superseded).label("superseded"),
            sa.func.count(update_state.c.record_id).filter(is_pending()).label("pending"),
            sa.func.count(update_state.c.record_id).filter(~is_pending(), ~is_superseded).label("accepted"),
        )
        .select_from(batch.outerjoin(update_state, of_batch))
        .where(batch.c.province_code == province_code)
        .group_by(batch.c.batch_id)
        .subquery()
    )
    held = (
        sa.select(quarantine.c.batch_id, sa.func.count().label("quarantined"))
        .join(batch, batch.c.batch_id == quarantine.c.batch_id)
        .where(batch.c.province_code == province_code)
        .group_by(quarantine.c.batch_id)
        .subquery()
    )
    quarantined = sa.func.coalesce(held.c.quarantined, 0)
    numbers = (counted.c.accepted, counted.c.superseded, counted.c.pending)
    lying = counted.c.accepted + counted.c.superseded + counted.c.pending + quarantined
    return (
        sa.select(batch.c.batch_id, batch.c.source_id, batch.c.kind, day_of(batch.c.landed_at).label("day"))
        .add_columns(batch.c.receipt_id, batch.c.received, *numbers, quarantined.label("quarantined"))
        .add_columns((batch.c.received - lying).label("missing"))
        .join(counted, counted.c.batch_id == batch.c.batch_id)
        .outerjoin(held, held.c.batch_id == batch.c.batch_id)
    )


def day_of(moment: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The day in Vietnam on which something was."""
    return sa.cast(sa.func.timezone(sa.literal_column("'Asia/Ho_Chi_Minh'"), moment), sa.Date)


def former_units_of(kind: RecordKind, province_code: str) -> sa.Select[Any]:
    """A row for each record that stands: its former unit, its state, and the `unit_code` under which it is published.

    `is_settled` is true of what has to be published: it neither waits for a decision nor was withdrawn. An insured
    person is published with a book, and is in the unit of the book's own record.
    """
    subject, published = balance.subjects(kind), _published(kind, province_code)
    same = sa.and_(
        subject.c.source_id == record_head.c.source_id, subject.c.source_record_id == record_head.c.source_record_id
    )
    unit = sa.func.coalesce(published.c.unit_code, placement.c.unit_code)
    return (
        sa.select(
            record_head.c.record_id,
            record_head.c.source_id,
            record_head.c.former_unit_code,
            update_state.c.state,
            sa.and_(~is_pending(), update_state.c.state != str(State.WITHDRAWN)).label("is_settled"),
            sa.case((published.c.subject_id.is_not(None), unit)).label("unit_code"),
        )
        .select_from(
            record_head.join(update_state, update_state.c.record_id == record_head.c.record_id)
            .outerjoin(subject, same)
            .outerjoin(published, published.c.subject_id == subject.c.subject_id)
            .outerjoin(placement, placement.c.record_id == record_head.c.record_id)
        )
        .where(record_head.c.province_code == province_code, record_head.c.kind == str(kind))
    )


def _published(kind: RecordKind, province_code: str) -> sa.Subquery:
    """The `subject_id`s of what is published and their `unit_code`; of books, the people who have one, without."""
    version = golden_tables[kind]
    stands = sa.and_(golden_head.c.kind == str(kind), golden_head.c.province_code == province_code)
    if kind is not RecordKind.INSURANCE:
        units = sa.select(version.c.subject_id, version.c.unit_code)
        return units.join(golden_head, golden_head.c.change_id == version.c.change_id).where(stands).subquery()
    # A book is published under the id of one of its records, see speaking.py.
    key = record_head.c.source_id + "|" + record_head.c.source_record_id
    book = sa.func.md5(installation.c.namespace + "|insurance|" + key)
    return (
        sa.select(cluster_member.c.subject_id, sa.null().label("unit_code"))
        .select_from(record_head.join(installation, sa.true()))
        .join(cluster_member, cluster_member.c.record_key == key)
        .join(golden_head, golden_head.c.subject_id == sa.cast(sa.cast(book, sa.Uuid), sa.Text))
        .where(stands, record_head.c.kind == str(kind), record_head.c.province_code == province_code)
        .distinct()
        .subquery()
    )


def _nested(connection: sa.Connection, query: sa.Select[Any]) -> dict[str | None, dict[str, int]]:
    """Rows of two keys and a count, by the first key."""
    found: dict[str | None, dict[str, int]] = {}
    for unit, what, records in connection.execute(query):
        found.setdefault(unit, {})[what] = records
    return found


def _sum(column: sa.ColumnElement[Any]) -> sa.Label[int]:
    return sa.cast(sa.func.sum(column), sa.BigInteger).label(str(column.key))
