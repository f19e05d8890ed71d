"""Updates past their deadline as lists and bounded counts, for pages: by receipt and row, never by person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from reconciliation.model import State
from reconciliation.store.cases import is_open
from reconciliation.store.tables import ROWS_PER_BATCH, batch, case, update_state
from reconciliation.store.weekly import Late

MOST_COUNTED = 200_000  # of what waits: a page counts no further and says so
MOST_CASES_COUNTED = 200_000
PAGE = 50

# How long open cases have waited, in days: the upper ends of the bands, the last one open.
AGES = (1, 5, 10, 30)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a list goes on: behind this update."""

    deadline: datetime
    record_id: int


@dataclass(frozen=True, kw_only=True)
class LatePage:
    """One page of late updates, and where the next begins; None at the end."""

    updates: list[Late]
    next: Place | None


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """Late updates in one state with one owner in one province."""

    province_code: str
    state: State
    owner: str
    updates: int
    deadline: datetime  # the earliest


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits in one province, and what of it is late."""

    province_code: str
    updates: int
    stuck: int


def page(
    engine: sa.Engine,
    *,
    now: datetime,
    province_codes: Collection[str] | None,
    state: State | None = None,
    owner: str | None = None,
    after: Place | None = None,
) -> LatePage:
    """The next PAGE late updates, the longest overdue first. `province_codes` None is the whole country."""
    where = [update_state.c.deadline < now, *_among(province_codes)]
    if state is not None:
        where.append(update_state.c.state == str(state))
    if owner is not None:
        where.append(update_state.c.owner == owner)
    if after is not None:
        place = sa.tuple_(update_state.c.deadline, update_state.c.record_id)
        where.append(place > sa.tuple_(sa.literal(after.deadline), sa.literal(after.record_id)))
    names = ("record_id", "province_code", "source_id", "kind", "state", "cause", "owner", "since", "deadline")
    late = (
        sa.select(*(update_state.c[name] for name in names))
        .where(*where)
        .order_by(update_state.c.deadline, update_state.c.record_id)
        .limit(PAGE + 1)
        .subquery()
    )
    row = sa.func.mod(late.c.record_id, ROWS_PER_BATCH).label("row")
    of_batch = sa.cast(sa.func.div(late.c.record_id, ROWS_PER_BATCH), sa.BigInteger)
    query = (
        sa.select(late, batch.c.receipt_id, row)
        .join(batch, batch.c.batch_id == of_batch)
        .order_by(late.c.deadline, late.c.record_id)
    )
    with engine.connect() as connection:
        found = connection.execute(query).mappings().all()
    shown = found[:PAGE]
    last = shown[-1] if len(found) > PAGE else None
    return LatePage(
        updates=[_late(dict(one)) for one in shown],
        next=None if last is None else Place(deadline=last["deadline"], record_id=last["record_id"]),
    )


def groups(engine: sa.Engine, *, now: datetime, province_codes: Collection[str] | None) -> list[Stuck]:
    """Late updates by province, state and owner, most first; the MOST_COUNTED longest overdue are counted."""
    names = ("province_code", "state", "owner", "deadline")
    counted = (
        sa.select(*(update_state.c[name] for name in names))
        .where(update_state.c.deadline < now, *_among(province_codes))
        .order_by(update_state.c.deadline)
        .limit(MOST_COUNTED)
        .subquery()
    )
    keys = (counted.c.province_code, counted.c.state, counted.c.owner)
    number = sa.func.count().label("updates")
    query = (
        sa.select(*keys, number, sa.func.min(counted.c.deadline).label("deadline"))
        .group_by(*keys)
        .order_by(number.desc(), *keys)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [Stuck(**{**row, "state": State(row["state"])}) for row in rows]


def waiting(engine: sa.Engine, *, now: datetime) -> list[Waiting]:
    """What waits and what is late, by province; the MOST_COUNTED with the earliest deadlines are counted.

    One look along an index: no update's own row is read.
    """
    counted = (
        sa.select(update_state.c.province_code, update_state.c.deadline)
        .where(update_state.c.deadline.is_not(None))
        .order_by(update_state.c.deadline)
        .limit(MOST_COUNTED)
        .subquery()
    )
    query = (
        sa.select(
            counted.c.province_code,
            sa.func.count().label("updates"),
            sa.func.count().filter(counted.c.deadline < now).label("stuck"),
        )
        .group_by(counted.c.province_code)
        .order_by(counted.c.province_code)
    )
    with engine.connect() as connection:
        return [Waiting(**row) for row in connection.execute(query).mappings()]


def ages(engine: sa.Engine, *, now: datetime, province_codes: Collection[str] | None) -> dict[str, tuple[int, ...]]:
    """Open cases by kind, and of each how many have waited up to AGES[0] days, AGES[1] …, and longer than the last."""
    opened = sa.select(case.c.kind, case.c.opened_at).where(is_open())
    if province_codes is not None:
        opened = opened.where(case.c.province_code.in_(sorted(province_codes)))
    counted = opened.limit(MOST_CASES_COUNTED).subquery()
    days = sa.extract("epoch", sa.literal(now, sa.DateTime(timezone=True)) - counted.c.opened_at) / 86_400
    bounds = [-1, *AGES, 10**6]
    bands = [
        sa.func.count().filter(days > lower, days <= upper).label(f"band_{place}")
        for place, (lower, upper) in enumerate(pairwise(bounds))
    ]
    query = sa.select(counted.c.kind, *bands).group_by(counted.c.kind).order_by(counted.c.kind)
    with engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(query)}


def _among(province_codes: Collection[str] | None) -> list[sa.ColumnElement[bool]]:
    return [] if province_codes is None else [update_state.c.province_code.in_(sorted(province_codes))]


def _late(row: dict[str, Any]) -> Late:
    row.pop("record_id")
    return Late(**{**row, "state": State(row["state"])})
