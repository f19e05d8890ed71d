"""What is not where it has to be, by name: the receipt and row of each record, never whom it is about.

Asked of one province; proportional to its records, not to the country's. Nothing is looked into whose figures close.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.lifecycle import KEPT_BACK
from reconciliation.model import State
from reconciliation.statement import LedgerDay, Loss, Statement
from reconciliation.store.conservation import former_units_of, per_batch
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    quarantine,
    record_head,
    record_tables,
    update_state,
)

MOST_LOSSES = 1_000  # that are named; the others are counted

# An update in one of these need not be the version of its record that stands.
_NO_HEAD = sorted({*KEPT_BACK, State.SUPERSEDED, State.WITHDRAWN})


@dataclass(frozen=True, kw_only=True)
class Found:
    """How many things are lost, and the first MOST_LOSSES of them by name."""

    lost: int
    losses: tuple[Loss, ...]


def find(connection: sa.Connection, province_code: str, *, before: Statement | None, now: Iterable[LedgerDay]) -> Found:
    """Everything of a province that is lost. `before` is its last balance, `now` what the ledger says.

    state: a record of a receipt that is in no state and not in quarantine. version: an update without its record.
    head: a record of which no version stands. subject: an update that has ended and is published with nobody. batch:
    a batch that the ledger had.
    """
    records = [("state", stateless(province_code))]
    for kind in RecordKind:
        records.append(("version", _versionless(kind, province_code)))
        records.append(("head", _headless(kind, province_code)))
        records.append(("subject", _subjectless(kind, province_code)))
    lost, losses = 0, list[Loss]()
    for what, query in records:
        rows = query.subquery()
        total = sa.func.count().over().label("total")
        first = sa.select(rows, total).order_by(rows.c.record_id).limit(MOST_LOSSES)
        named = connection.execute(first).mappings().all()
        lost += named[0]["total"] if named else 0
        losses += [_loss(what, row) for row in named]
    gone = _gone(connection, before, now)
    return Found(lost=lost + len(gone), losses=(*gone, *losses)[:MOST_LOSSES])


def _loss(what: str, row: Any) -> Loss:
    return Loss(
        what=what, source_id=row["source_id"], receipt_id=row["receipt_id"], row=row["record_id"] % ROWS_PER_BATCH
    )


def named(query: sa.Select[Any]) -> sa.Select[Any]:
    """The `record_id`s of a query with their source and receipt."""
    rows = query.subquery()
    return sa.select(rows.c.record_id, batch.c.source_id, batch.c.receipt_id).join(
        batch, batch.c.batch_id == (rows.c.record_id // ROWS_PER_BATCH)
    )


def stateless(province_code: str) -> sa.Select[Any]:
    """Rows of receipts that are nowhere. Only batches of which too few lie anywhere are looked through."""
    counted = per_batch(province_code).subquery()
    short = sa.select(counted).where(counted.c.missing > 0).subquery()
    row = sa.func.generate_series(0, short.c.received - 1).table_valued("row").render_derived()
    record_id = short.c.batch_id * ROWS_PER_BATCH + row.c.row
    held = sa.exists().where(quarantine.c.batch_id == short.c.batch_id, quarantine.c.row == row.c.row)
    stated = sa.exists().where(update_state.c.record_id == record_id)
    return (
        sa.select(record_id.label("record_id"), short.c.source_id, short.c.receipt_id)
        .select_from(short.join(row, sa.true()))
        .where(~held, ~stated)
    )


def _updates(kind: RecordKind, province_code: str) -> sa.Select[Any]:
    first = batch.c.batch_id * ROWS_PER_BATCH
    of_batch = sa.and_(update_state.c.record_id >= first, update_state.c.record_id < first + ROWS_PER_BATCH)
    return (
        sa.select(update_state.c.record_id, batch.c.source_id, batch.c.receipt_id, update_state.c.state)
        .join(batch, of_batch)
        .where(batch.c.province_code == province_code, batch.c.kind == str(kind))
    )


def _versionless(kind: RecordKind, province_code: str) -> sa.Select[Any]:
    version = record_tables[kind]
    updates = _updates(kind, province_code)
    return updates.where(~sa.exists().where(version.c.record_id == update_state.c.record_id))


def _headless(kind: RecordKind, province_code: str) -> sa.Select[Any]:
    version = record_tables[kind]
    stands = sa.exists().where(
        record_head.c.source_id == version.c.source_id, record_head.c.source_record_id == version.c.source_record_id
    )
    updates = _updates(kind, province_code).where(update_state.c.state.not_in(_NO_HEAD))
    return updates.join(version, version.c.record_id == update_state.c.record_id).where(~stands)


def _subjectless(kind: RecordKind, province_code: str) -> sa.Select[Any]:
    standing = former_units_of(kind, province_code).subquery()
    unpublished = sa.select(standing.c.record_id).where(standing.c.is_settled, standing.c.unit_code.is_(None))
    return named(unpublished)


def _gone(connection: sa.Connection, before: Statement | None, now: Iterable[LedgerDay]) -> list[Loss]:
    """The batches that a day of a spool had and no longer has, those that had been found before among them."""
    if before is None:
        return []
    present = {(one.source_id, one.epoch, one.day): one.batches for one in now}
    ranges = [
        (was.source_id, was.epoch, was.first, was.last)
        for was in before.ledger
        if present.get((was.source_id, was.epoch, was.day), 0) < was.batches
    ]
    ranges += [
        (one.source_id, one.epoch or "", one.sequence or 0, one.sequence or 0) for one in before.losses if one.epoch
    ]
    gone = {one for places in ranges for one in _absent(connection, *places)}
    return sorted(gone, key=lambda one: (one.source_id, one.epoch or "", one.sequence or 0))


def _absent(connection: sa.Connection, source_id: str, epoch: str, first: int, last: int) -> list[Loss]:
    number = sa.func.generate_series(first, last).table_valued("number").render_derived()
    is_there = sa.exists().where(
        batch.c.source_id == source_id, batch.c.epoch == epoch, batch.c.sequence == number.c.number
    )
    missing = sa.select(number.c.number).where(~is_there).order_by(number.c.number).limit(MOST_LOSSES)
    return [
        Loss(what="batch", source_id=source_id, epoch=epoch, sequence=sequence)
        for sequence in connection.scalars(missing)
    ]
