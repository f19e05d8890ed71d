"""Which records a cell of a balance counts: their receipts and rows, never whom they are about."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import State
from reconciliation.store.conservation import day_of, former_units_of
from reconciliation.store.conservation_losses import named, stateless
from reconciliation.store.lifecycle_moves import is_pending
from reconciliation.store.tables import ROWS_PER_BATCH, batch, quarantine, update_state

MISSING = "missing"
UNPUBLISHED = "unpublished"
GROUPS = ("accepted", "pending", "quarantined", "superseded")
CELLS = (*GROUPS, MISSING, UNPUBLISHED, *State)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a balance. `name` is one of CELLS; what is None is not asked for.

    `former_unit` and `published_in` are unit codes, for records that stand; "" is that of no former unit.
    """

    name: str
    kind: RecordKind | None = None
    source_id: str | None = None
    day: date | None = None
    former_unit: str | None = None
    published_in: str | None = None


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One record of a cell. `state` is None where it is in none; `codes` say why it is in quarantine."""

    record_id: int
    source_id: str
    receipt_id: UUID
    state: str | None
    codes: str | None

    @property
    def row(self) -> int:
        """Its place in the batch of its receipt, from 0."""
        return self.record_id % ROWS_PER_BATCH


def drill(
    engine: sa.Engine, province_code: str, cell: Cell, *, after: int = -1, limit: int = 100
) -> tuple[Counted, ...]:
    """The records of a cell in the order of their ids, from the one after `after` on, at most `limit`.

    Raises ValueError for a cell that is none.
    """
    if cell.name not in CELLS:
        raise ValueError(f"a cell is one of {', '.join(CELLS)}")
    rows = named(_records(cell, province_code)).subquery()
    record = rows.c.record_id
    query = (
        sa.select(rows, update_state.c.state, quarantine.c.codes)
        .join(batch, batch.c.receipt_id == rows.c.receipt_id)
        .outerjoin(update_state, update_state.c.record_id == record)
        .outerjoin(
            quarantine,
            sa.and_(quarantine.c.batch_id == batch.c.batch_id, quarantine.c.row == record % ROWS_PER_BATCH),
        )
        .where(batch.c.province_code == province_code, record > after, *_asked(cell))
        .order_by(record)
        .limit(limit)
    )
    with engine.connect() as connection:
        return tuple(Counted(**row) for row in connection.execute(query).mappings())


def _asked(cell: Cell) -> list[sa.ColumnElement[bool]]:
    asked: list[sa.ColumnElement[bool]] = []
    if cell.kind is not None:
        asked.append(batch.c.kind == str(cell.kind))
    if cell.source_id is not None:
        asked.append(batch.c.source_id == cell.source_id)
    if cell.day is not None:
        asked.append(day_of(batch.c.landed_at) == cell.day)
    return asked


def _records(cell: Cell, province_code: str) -> sa.Select[Any]:
    """`record_id` of what a cell counts."""
    if cell.name == UNPUBLISHED or cell.former_unit is not None or cell.published_in is not None:
        return _standing(cell, province_code)
    if cell.name == "quarantined":
        return sa.select((quarantine.c.batch_id * ROWS_PER_BATCH + quarantine.c.row).label("record_id"))
    if cell.name == MISSING:
        return sa.select(stateless(province_code).subquery().c.record_id)
    first = batch.c.batch_id * ROWS_PER_BATCH
    of_batch = sa.and_(update_state.c.record_id >= first, update_state.c.record_id < first + ROWS_PER_BATCH)
    updates = sa.select(update_state.c.record_id).join(batch, of_batch)
    return updates.where(batch.c.province_code == province_code, _in_group(cell.name), *_asked(cell))


def _standing(cell: Cell, province_code: str) -> sa.Select[Any]:
    """What the rows of the former units count."""
    kinds = RecordKind if cell.kind is None else (cell.kind,)
    queries = []
    for kind in kinds:
        rows = former_units_of(kind, province_code).subquery()
        query = sa.select(rows.c.record_id)
        if cell.former_unit is not None:
            query = query.where(sa.func.coalesce(rows.c.former_unit_code, "") == cell.former_unit)
        if cell.name == UNPUBLISHED:
            query = query.where(rows.c.is_settled, rows.c.unit_code.is_(None))
        elif cell.name == "accepted":
            query = query.where(rows.c.is_settled, rows.c.unit_code.is_not(None))
        elif cell.name == "pending":
            query = query.where(~rows.c.is_settled, rows.c.state != str(State.WITHDRAWN))
        else:
            query = query.where(rows.c.state == cell.name, ~rows.c.is_settled)
        if cell.published_in is not None:
            query = query.where(rows.c.unit_code == cell.published_in)
        queries.append(query)
    united = sa.union_all(*queries).subquery()
    return sa.select(united.c.record_id)


def _in_group(name: str) -> sa.ColumnElement[bool]:
    is_superseded = update_state.c.state == str(State.SUPERSEDED)
    match name:
        case "accepted":
            return sa.and_(~is_pending(), ~is_superseded)
        case "pending":
            return is_pending()
        case _:
            return update_state.c.state == name
