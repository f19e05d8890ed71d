"""What is late goes up, rung by rung, and what was a unit's that has ended goes to its successor: both leave an event.

The deadline stays: what has gone up is as late as before. An event names the wait by its deadline, so that a new wait
of the same update begins at the bottom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation import lifecycle
from reconciliation.directory import Directory
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import cases
from reconciliation.store.copying import staged
from reconciliation.store.tables import (
    case,
    case_escalation,
    run,
    succession,
    unit_event,
    update_escalation,
    update_state,
)

JOB = "escalate"
_LOCK = 7_204_402
_CLOCKS_DIFFER = timedelta(days=1)  # of a gateway and of a job, at the most
_OWNERS = pa.schema(
    [pa.field("owner", pa.string()), pa.field("from_owner", pa.string()), pa.field("to_owner", pa.string())]
)


@dataclass(frozen=True, kw_only=True)
class Raised:
    """Updates in one state that went up to `to_owner` and are there still; `raised_at` is of the first of them."""

    state: str
    owner: str
    to_owner: str
    updates: int
    raised_at: datetime


def last_run(engine: sa.Engine) -> datetime | None:
    """The `now` of the newest run that ended."""
    with engine.connect() as connection:
        ran_at: datetime | None = connection.scalar(sa.select(sa.func.max(run.c.ran_at)).where(run.c.job == JOB))
        return ran_at


def escalate(engine: sa.Engine, offices: Directory, *, since: datetime | None, now: datetime) -> dict[str, int]:
    """Let everything go up that became late for a rung in (since, now]; return how many went up, by rung.

    Reads by deadline, so it takes the time of what became late. Once more, it does nothing more.
    """
    counts = {}
    for rung, days in enumerate(lifecycle.RUNGS, start=1):
        until = lifecycle.late_before(now, days)
        begin = None if since is None else lifecycle.late_before(since, days) - _CLOCKS_DIFFER
        with engine.begin() as connection:
            for name, target, waiting in (
                ("updates", update_escalation, _late(update_state, begin, until)),
                ("cases", case_escalation, _late(case, begin, until).where(cases.is_open())),
            ):
                if raised := _raise(connection, target, waiting.subquery("late"), offices, rung=rung, now=now):
                    counts[f"{name}.{rung}"] = raised
    return counts


def _late(of: sa.Table, begin: datetime | None, until: datetime) -> sa.Select[tuple[int, str, datetime]]:
    key = of.c.record_id if of is update_state else of.c.case_id
    late = sa.select(key.label("key"), of.c.owner, of.c.deadline).where(of.c.deadline < until)
    late = late.where(of.c.deadline.is_not(None) if of is update_state else of.c.obsolete_since.is_(None))
    return late if begin is None else late.where(of.c.deadline >= begin)


def _raise(
    connection: sa.Connection, target: sa.Table, late: sa.Subquery, offices: Directory, *, rung: int, now: datetime
) -> int:
    owners = connection.scalars(sa.select(late.c.owner).distinct().order_by(late.c.owner)).all()
    ladders = {owner: offices.ladder(owner) for owner in owners}
    steps = [(owner, ladder[rung - 1], ladder[rung]) for owner, ladder in ladders.items() if len(ladder) > rung]
    if not steps:
        return 0
    known = _staged_owners(connection, f"rung_{rung}_{target.name}", steps)
    rows = sa.select(
        late.c.key,
        late.c.deadline,
        sa.literal(rung, sa.SmallInteger),
        sa.literal(now, sa.DateTime(timezone=True)),
        known.c.from_owner,
        known.c.to_owner,
    ).join(known, known.c.owner == late.c.owner)
    names = [column.name for column in target.c]
    return connection.execute(
        pg.insert(target).from_select(names, rows.order_by(late.c.key)).on_conflict_do_nothing()
    ).rowcount


def units_changed(engine: sa.Engine, offices: Directory, since: datetime | None) -> bool:
    """Whether a unit may have ended since a run at `since`: by a day that came, or by an event loaded or taken back."""
    if since is None:
        return True
    begun: set[date] = {*offices.tables.change_dates, *offices.tables.province_crosswalk["effective_on"].to_pylist()}
    if any(since.astimezone(VIETNAM).date() < day <= offices.on for day in begun):
        return True
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(sa.exists().where(unit_event.c.recorded_at > since - _CLOCKS_DIFFER))))


def owners(engine: sa.Engine) -> list[str]:
    """Everybody who owns something that waits or is asked, ascending."""
    with engine.connect() as connection:
        return _owners(connection)


def _owners(connection: sa.Connection) -> list[str]:
    waiting = sa.select(update_state.c.owner).where(update_state.c.deadline.is_not(None)).distinct()
    asked = sa.select(case.c.owner).where(case.c.obsolete_since.is_(None)).distinct()
    return sorted(connection.scalars(sa.union(waiting, asked)))


def hand_over(engine: sa.Engine, offices: Directory, *, now: datetime) -> dict[str, int]:
    """Give what is owned by a unit that has ended to its successor, clocks and all; return how many went.

    What goes up already goes up from there. Afterwards nobody owns anything out of reach.
    """
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))  # two copies would tell of it twice
        gone = {owner: offices.successor(owner) for owner in _owners(connection) if not offices.is_reachable(owner)}
        if not gone:
            return {}
        known = _staged_owners(connection, "succeeded", [(owner, owner, heir) for owner, heir in gone.items()])
        updates = _give(connection, update_state, update_state.c.deadline.is_not(None), known)
        asked = _give(connection, case, case.c.obsolete_since.is_(None), known)
        rows = [
            {"happened_at": now, "from_owner": owner, "to_owner": heir}
            | {"updates": updates.get(owner, 0), "cases": asked.get(owner, 0)}
            for owner, heir in sorted(gone.items())
        ]
        connection.execute(succession.insert(), rows)
    return {"handed_over.updates": sum(updates.values()), "handed_over.cases": sum(asked.values())}


def _give(connection: sa.Connection, of: sa.Table, where: sa.ColumnElement[bool], known: sa.Table) -> Mapping[str, int]:
    key = next(iter(of.primary_key))
    before = (
        sa.select(key.label("key"), known.c.from_owner, known.c.to_owner)
        .join(known, known.c.owner == of.c.owner)
        .where(where)
        .order_by(key)  # everyone locks in one order, so that nobody deadlocks
        .with_for_update(of=of)
        .cte("before")
    )
    given = (
        of.update()
        .where(key == before.c.key)
        .values(owner=before.c.to_owner)
        .returning(before.c.from_owner)
        .cte("given")
    )
    counts = sa.select(given.c.from_owner, sa.func.count()).group_by(given.c.from_owner)
    return dict(connection.execute(counts).all())


def _staged_owners(connection: sa.Connection, name: str, rows: Sequence[tuple[str, str, str]]) -> sa.Table:
    columns = zip(*rows, strict=True)
    table = pa.table({one.name: pa.array(column, pa.string()) for one, column in zip(_OWNERS, columns, strict=True)})
    return staged(connection, name, table)


def standing(engine: sa.Engine) -> list[Raised]:
    """What has gone up and is late still, by state, owner and who it is with now; the highest rung counts."""
    of_wait = sa.and_(
        update_escalation.c.record_id == update_state.c.record_id,
        update_escalation.c.deadline == update_state.c.deadline,
    )
    highest = (
        sa.select(
            update_state.c.state, update_state.c.owner, update_escalation.c.to_owner, update_escalation.c.raised_at
        )
        .ext(pg.distinct_on(update_escalation.c.record_id))
        .join(update_state, of_wait)
        .order_by(update_escalation.c.record_id, update_escalation.c.rung.desc())
        .subquery()
    )
    keys = (highest.c.state, highest.c.owner, highest.c.to_owner)
    query = sa.select(
        *keys, sa.func.count().label("updates"), sa.func.min(highest.c.raised_at).label("raised_at")
    ).group_by(*keys)
    with engine.connect() as connection:
        return [Raised(**row) for row in connection.execute(query.order_by(*keys)).mappings()]
