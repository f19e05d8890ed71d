"""Placements as they are kept: what was sent, what it means today, by which law, rules and knowledge.

A run looks at every placement and writes those whose answer changed. They get the version of the rules and tables that
gave the new answer and the day on which that was known; the others keep theirs, because their answer is still that
one. Which version all of a province was last looked at with stands once a province, in `recoding`.
"""

from datetime import date, datetime

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.reference.units import UnitTables
from reconciliation.lifecycle import VIETNAM
from reconciliation.recoding import rule_version
from reconciliation.store import unit_events
from reconciliation.store.copying import upsert
from reconciliation.store.tables import batch, hamlet, placement, recoding, run

RECONCILING = (
    "reconcile_records"  # the job whose runs take up what was said before them; others look at a province, too
)

_ANSWER = (
    *("record_id", "outcome", "unit_code", "basis", "explanation"),
    *("decided_by", "sent_code", "sent_vintage", "sent_name"),
)


def write(
    connection: sa.Connection, placements: pa.Table, units: UnitTables, *, province_code: str, now: datetime
) -> int:
    """Write the placements (recoding.PLACEMENTS) whose answer is another than before; return how many."""
    version, today = rule_version(units), now.astimezone(VIETNAM).date()
    rows = placements.select(list(_ANSWER))
    for name, value in (("province_code", province_code), ("rule_version", version)):
        rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
    rows = rows.append_column("known_on", pa.repeat(pa.scalar(today, pa.date32()), rows.num_rows))
    _, written = upsert(connection, placement, rows, key=["record_id"], silent=["rule_version", "known_on"])
    looked = pg.insert(recoding).values(
        province_code=province_code, rule_version=version, list_begun_on=_list_begun(units, today), looked_at=now
    )
    fresh = {name: looked.excluded[name] for name in ("rule_version", "list_begun_on", "looked_at")}
    differs = [recoding.c[name].is_distinct_from(fresh[name]) for name in ("rule_version", "list_begun_on")]
    connection.execute(
        looked.on_conflict_do_update(index_elements=["province_code"], set_=fresh, where=sa.or_(*differs))
    )
    return written


def one_unit() -> sa.ColumnElement[str | None]:
    """Of grouped placements the unit, where all have one and the same."""
    unit = placement.c.unit_code
    is_one = sa.and_(sa.func.count() == sa.func.count(unit), sa.func.count(sa.distinct(unit)) == 1)
    return sa.case((is_one, sa.func.min(unit)))


def behind(connection: sa.Connection, *, now: datetime | None) -> list[str]:
    """The provinces that were last looked at with other rules, tables or lists, or before hamlets were told of.

    `now` is the database's clock when None.
    """
    moment = now or connection.execute(sa.select(sa.func.now())).scalar_one()
    units = unit_events.read_tables(connection)
    begun = _list_begun(units, moment.astimezone(VIETNAM).date())
    last_run = sa.select(run.c.province_code, sa.func.max(run.c.ran_at).label("ran_at"))
    last_run = last_run.where(run.c.job == RECONCILING).group_by(run.c.province_code)
    ran = last_run.subquery()
    newest = sa.func.max(sa.func.greatest(hamlet.c.recorded_at, hamlet.c.replaced_at))
    told = (
        sa.select(hamlet.c.province_code)
        .join(ran, ran.c.province_code == hamlet.c.province_code)
        .group_by(hamlet.c.province_code, ran.c.ran_at)
        .having(newest > ran.c.ran_at)
    )
    as_now = sa.exists().where(
        recoding.c.province_code == batch.c.province_code,
        recoding.c.rule_version == rule_version(units),
        recoding.c.list_begun_on.is_not_distinct_from(begun),
    )
    otherwise = sa.select(batch.c.province_code).where(~as_now)  # batches and not records: this is asked all the time
    return sorted(connection.scalars(sa.union(told, otherwise)))


def outdated(connection: sa.Connection, *, now: datetime | None) -> list[str]:
    """As `behind`, of the provinces that have been looked at before, and for a change of units or rules alone."""
    moment = now or connection.execute(sa.select(sa.func.now())).scalar_one()
    units = unit_events.read_tables(connection)
    begun = _list_begun(units, moment.astimezone(VIETNAM).date())
    differs = sa.or_(recoding.c.rule_version != rule_version(units), recoding.c.list_begun_on.is_distinct_from(begun))
    return sorted(connection.scalars(sa.select(recoding.c.province_code).where(differs)))


def _list_begun(units: UnitTables, on: date) -> date | None:
    return max((change for change in units.change_dates if change <= on), default=None)
