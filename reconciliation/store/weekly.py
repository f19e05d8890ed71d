"""What a week did and what it left, counted by province and unit: the figures of the weekly report."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.catalogue import Source
from reconciliation.model import State
from reconciliation.store import ages, attestations, balance
from reconciliation.store.ages import Age
from reconciliation.store.attestations import Hearing
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    case,
    judgement,
    placement,
    record_head,
    update_escalation,
    update_move,
    update_state,
    weekly_report,
)

OLDEST = 10


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Updates of one province in one state with one owner; those past their deadline are stuck."""

    province_code: str
    state: State
    owner: str
    updates: int
    stuck: int
    since: datetime  # of the one that waits longest
    deadline: datetime  # the earliest
    raised_to: str | None = None  # the highest of those whom some of them have gone up to


@dataclass(frozen=True, kw_only=True)
class UnitWaiting:
    """Updates of one of today's units that wait, by why. A `unit_code` of None: which unit is the question itself."""

    province_code: str
    unit_code: str | None
    cause: str
    owner: str
    updates: int
    stuck: int
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Late:
    """One update past its deadline, named by its receipt: never by whom it is about."""

    province_code: str
    source_id: str
    kind: str
    receipt_id: UUID
    row: int
    state: State
    cause: str
    owner: str
    since: datetime
    deadline: datetime


@dataclass(frozen=True, kw_only=True)
class Week:
    """Everything the report of [since, until) is made of. What stands is as at the moment it was read.

    Counts by province code: `received` (and accepted, superseded, quarantined) of the week's batches, `moved` by
    (province, state entered), `left` reconciliation, `placed` standing records by (province, has a unit), `opened`,
    `open`, `late` and `closed` cases.
    """

    batches: dict[str, dict[str, int]]
    reconciled: dict[str, int]
    moved: dict[tuple[str, State], int]
    placed: dict[tuple[str, bool], int]
    opened: dict[str, int]
    open: dict[str, int]
    late_cases: dict[str, int]
    closed: dict[str, int]
    waiting: list[Waiting]
    units: list[UnitWaiting]
    oldest: list[Late]
    hearings: list[Hearing]
    ages: list[Age]  # of what was applied in the week
    unbalanced: frozenset[str]  # provinces of which a record is unaccounted for


def read(engine: sa.Engine, *, since: datetime, until: datetime, now: datetime, sources: Iterable[Source] = ()) -> Week:
    """Count the week [since, until); what stands and what is late is as of `now`. Reads one snapshot."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        counted = _count(connection, since=since, until=until, now=now)
    closed = balance.conservation(engine)
    return Week(
        **counted,
        hearings=attestations.hearings(engine, sources, now=now),
        unbalanced=frozenset(row.province_code for row in closed if not row.closed),
    )


def _count(connection: sa.Connection, *, since: datetime, until: datetime, now: datetime) -> dict[str, Any]:
    # A week is counted by its moves: in the table of moves they lie together, at the end.
    of_week = sa.and_(update_move.c.moved_at >= since, update_move.c.moved_at < until)
    moves = update_move.join(update_state, update_state.c.record_id == update_move.c.record_id)
    province = update_state.c.province_code
    left = update_move.c.from_state == str(State.AWAITING_RECONCILIATION)
    moved = sa.select(province, update_move.c.to_state, sa.func.count()).select_from(moves).where(of_week)
    reconciled = sa.select(province, sa.func.count(sa.distinct(update_move.c.record_id))).select_from(moves)
    return {
        "batches": _batches(connection, since=since, until=until),
        "reconciled": _pairs(connection, reconciled.where(of_week, left).group_by(province)),
        "moved": {
            (code, State(state)): number
            for code, state, number in connection.execute(moved.group_by(province, update_move.c.to_state))
        },
        "placed": _placed(connection),
        **_cases(connection, since=since, until=until, now=now),
        "waiting": _waiting(connection, now=now),
        "units": _units(connection, now=now),
        "oldest": _oldest(connection, now=now),
        "ages": ages.read(connection, since=since, until=until),
    }


def _pairs(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, int]:
    return {str(key): int(number) for key, number in connection.execute(query)}


def _batches(connection: sa.Connection, *, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
    figures = ("received", "accepted", "superseded", "quarantined")
    sums = [sa.func.sum(batch.c[name]).label(name) for name in figures]
    query = sa.select(batch.c.province_code, *sums).where(batch.c.landed_at >= since, batch.c.landed_at < until)
    rows = connection.execute(query.group_by(batch.c.province_code)).mappings()
    return {row["province_code"]: {name: int(row[name]) for name in figures} for row in rows}


def _placed(connection: sa.Connection) -> dict[tuple[str, bool], int]:
    has_unit = placement.c.unit_code.is_not(None)
    query = (
        sa.select(placement.c.province_code, has_unit, sa.func.count())
        .join(record_head, record_head.c.record_id == placement.c.record_id)
        .group_by(placement.c.province_code, has_unit)
    )
    return {(code, placed): number for code, placed, number in connection.execute(query)}


def _cases(connection: sa.Connection, *, since: datetime, until: datetime, now: datetime) -> dict[str, dict[str, int]]:
    """A case is closed by a judgement in force or by its records; one judged and reversed is open again."""
    by_province = sa.select(case.c.province_code, sa.func.count()).group_by(case.c.province_code)
    reversal = judgement.alias("reversal")
    standing = (
        sa.select(judgement.c.fingerprint, sa.func.max(judgement.c.judged_at).label("judged_at"))
        .where(judgement.c.reverses.is_(None))
        .where(~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id))
        .group_by(judgement.c.fingerprint)
        .subquery()
    )
    closed_at = sa.func.coalesce(standing.c.judged_at, case.c.obsolete_since)
    ended = (
        sa.select(case.c.province_code, sa.func.count())
        .select_from(case.outerjoin(standing, standing.c.fingerprint == case.c.fingerprint))
        .group_by(case.c.province_code)
    )
    return {
        "opened": _pairs(connection, by_province.where(case.c.opened_at >= since, case.c.opened_at < until)),
        "open": _pairs(connection, ended.where(closed_at.is_(None))),
        "late_cases": _pairs(connection, ended.where(closed_at.is_(None), case.c.deadline < now)),
        "closed": _pairs(connection, ended.where(closed_at >= since, closed_at < until)),
    }


def _stuck(now: datetime) -> sa.ColumnElement[int]:
    return sa.func.count().filter(update_state.c.deadline < now)


def _waiting(connection: sa.Connection, *, now: datetime) -> list[Waiting]:
    keys = (update_state.c.province_code, update_state.c.state, update_state.c.owner)
    query = (
        sa.select(
            *keys,
            sa.func.count().label("updates"),
            _stuck(now).label("stuck"),
            sa.func.min(update_state.c.since).label("since"),
            sa.func.min(update_state.c.deadline).label("deadline"),
        )
        .where(update_state.c.deadline.is_not(None))
        .group_by(*keys)
        .order_by(*keys)
    )
    raised = _raised(connection)
    return [
        Waiting(
            **{**row, "state": State(row["state"])},
            raised_to=raised.get((row["province_code"], row["state"], row["owner"])),
        )
        for row in connection.execute(query).mappings()
    ]


def _raised(connection: sa.Connection) -> dict[tuple[str, str, str], str]:
    """The highest whom something late has gone up to, by province, state and owner."""
    keys = (update_state.c.province_code, update_state.c.state, update_state.c.owner)
    of_wait = (
        update_escalation.c.record_id == update_state.c.record_id,
        update_escalation.c.deadline == update_state.c.deadline,
    )
    query = (
        sa.select(*keys, update_escalation.c.to_owner)
        .ext(pg.distinct_on(*keys))
        .join(update_escalation, sa.and_(*of_wait))
        .order_by(*keys, update_escalation.c.rung.desc())
    )
    return {(code, state, owner): to_owner for code, state, owner, to_owner in connection.execute(query)}


def _units(connection: sa.Connection, *, now: datetime) -> list[UnitWaiting]:
    """What waits to be decided, by today's unit; a registry's part is not a unit's."""
    asked = [str(state) for state in (State.AWAITING_UNIT, State.AWAITING_MATCH, State.AWAITING_STEWARD)]
    keys = (update_state.c.province_code, placement.c.unit_code, update_state.c.cause, update_state.c.owner)
    query = (
        sa.select(
            *keys,
            sa.func.count().label("updates"),
            _stuck(now).label("stuck"),
            sa.func.min(update_state.c.since).label("since"),
        )
        .select_from(update_state.outerjoin(placement, placement.c.record_id == update_state.c.record_id))
        .where(update_state.c.state.in_(asked))
        .group_by(*keys)
        .order_by(*keys)
    )
    return [UnitWaiting(**row) for row in connection.execute(query).mappings()]


def _oldest(connection: sa.Connection, *, now: datetime) -> list[Late]:
    of_batch = sa.cast(sa.func.div(update_state.c.record_id, ROWS_PER_BATCH), sa.BigInteger)
    names = ("province_code", "source_id", "kind", "state", "cause", "owner", "since", "deadline")
    query = (
        sa.select(
            *(update_state.c[name] for name in names),
            batch.c.receipt_id,
            sa.func.mod(update_state.c.record_id, ROWS_PER_BATCH).label("row"),
        )
        .join(batch, batch.c.batch_id == of_batch)
        .where(update_state.c.deadline < now)
        .order_by(update_state.c.deadline, update_state.c.record_id)
        .limit(OLDEST)
    )
    return [Late(**{**row, "state": State(row["state"])}) for row in connection.execute(query).mappings()]


def keep(engine: sa.Engine, figures: dict[str, Any], *, week: str, now: datetime) -> None:
    """Keep a week's figures; made again, they replace those of before."""
    made = pg.insert(weekly_report).values(week=week, made_at=now, figures=figures)
    said = made.on_conflict_do_update(
        index_elements=["week"], set_={"made_at": made.excluded.made_at, "figures": made.excluded.figures}
    )
    with engine.begin() as connection:
        connection.execute(said)


def kept(engine: sa.Engine, week: str) -> dict[str, Any] | None:
    """The figures that were kept of a week ("2026-W47"); None when none were."""
    with engine.connect() as connection:
        found = connection.scalar(sa.select(weekly_report.c.figures).where(weekly_report.c.week == week))
    return dict(found) if found is not None else None


def totals(engine: sa.Engine, *, before: str, weeks: int) -> list[dict[str, Any]]:
    """The totals that were kept of the last `weeks` weeks before one, oldest first: {"week", "received", …}."""
    query = (
        sa.select(weekly_report.c.week, weekly_report.c.figures["totals"].label("totals"))
        .where(weekly_report.c.week < before)
        .order_by(weekly_report.c.week.desc())
        .limit(weeks)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [{"week": row.week, **row.totals} for row in reversed(rows)]
