"""How old updates were when their registry had applied them, from the province's export on, and which hop held them.

The line is the hop before the landing: from the beginning of the day of export, in Vietnam, which is all that a batch
says of it. Every other hop is a state.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from reconciliation.lifecycle import VIETNAM
from reconciliation.model import State
from reconciliation.store.tables import ROWS_PER_BATCH, batch, update_move, update_state

LINE = "line"


@dataclass(frozen=True, kw_only=True)
class Age:
    """Of updates of one province that were applied: ages from export to *applied*, in seconds.

    `hop` (LINE or a state) is where they spent most of that time together, `hop_share` of 1 how much.
    """

    province_code: str
    updates: int
    median_seconds: float
    p95_seconds: float
    hop: str
    hop_share: float


def of_applied(engine: sa.Engine, *, since: datetime, until: datetime) -> list[Age]:
    """The ages of what was applied in [since, until), by province. Reads that time's moves and those updates' own."""
    with engine.connect() as connection:
        return read(connection, since=since, until=until)


def read(connection: sa.Connection, *, since: datetime, until: datetime) -> list[Age]:
    """As `of_applied`, in the caller's transaction."""
    ended = _ended(since, until)
    longest = _hops_that_took_longest(ended)
    age = _seconds(ended.c.applied_at - ended.c.exported_at)
    whole = (
        sa.select(
            ended.c.province_code,
            sa.func.count().label("updates"),
            sa.func.percentile_cont(0.5).within_group(age).label("median_seconds"),
            sa.func.percentile_cont(0.95).within_group(age).label("p95_seconds"),
        )
        .group_by(ended.c.province_code)
        .subquery("whole")
    )
    query = (
        sa.select(whole, longest.c.hop, sa.func.coalesce(longest.c.share, 0.0).label("hop_share"))
        .join(longest, sa.and_(longest.c.province_code == whole.c.province_code, longest.c.place == 1))
        .order_by(whole.c.province_code)
    )
    return [Age(**{**row, "hop_share": float(row["hop_share"])}) for row in connection.execute(query).mappings()]


def _ended(since: datetime, until: datetime) -> sa.CTE:
    """The updates that were applied in that time: exported, landed and applied when."""
    exported = sa.func.timezone(VIETNAM.key, sa.cast(batch.c.exported_on, sa.DateTime))
    return (
        sa.select(
            update_move.c.record_id,
            update_state.c.province_code,
            sa.func.max(update_move.c.moved_at).label("applied_at"),
            sa.func.min(batch.c.landed_at).label("landed_at"),
            sa.func.least(sa.func.min(exported), sa.func.min(batch.c.landed_at)).label("exported_at"),
        )
        .join(update_state, update_state.c.record_id == update_move.c.record_id)
        .join(batch, batch.c.batch_id == update_move.c.record_id // ROWS_PER_BATCH)
        .where(update_move.c.to_state == str(State.APPLIED))
        .where(update_move.c.moved_at >= since, update_move.c.moved_at < until)
        .group_by(update_move.c.record_id, update_state.c.province_code)
        .cte("ended")
    )


def _hops_that_took_longest(ended: sa.CTE) -> sa.Subquery:
    """By province and place: where its updates spent their time together, and which share of it."""
    before = sa.func.lag(update_move.c.moved_at).over(
        partition_by=update_move.c.record_id, order_by=update_move.c.move_id
    )
    steps = (
        sa.select(
            ended.c.province_code,
            update_move.c.from_state.label("hop"),
            _seconds(update_move.c.moved_at - sa.func.coalesce(before, ended.c.landed_at)).label("took"),
        )
        .join(ended, ended.c.record_id == update_move.c.record_id)
        .where(update_move.c.from_state.is_not(None), update_move.c.moved_at <= ended.c.applied_at)
    )
    lines = sa.select(
        ended.c.province_code,
        sa.literal(LINE).label("hop"),
        _seconds(ended.c.landed_at - ended.c.exported_at).label("took"),
    )
    hops = sa.union_all(steps, lines).subquery("hops")
    spent = (
        sa.select(hops.c.province_code, hops.c.hop, sa.func.sum(hops.c.took).label("took"))
        .group_by(hops.c.province_code, hops.c.hop)
        .cte("spent")
    )
    together = sa.func.sum(spent.c.took).over(partition_by=spent.c.province_code)
    return sa.select(
        spent.c.province_code,
        spent.c.hop,
        (spent.c.took / sa.func.nullif(together, 0)).label("share"),
        sa.func.row_number()
        .over(partition_by=spent.c.province_code, order_by=(spent.c.took.desc(), spent.c.hop))
        .label("place"),
    ).subquery("longest")


def _seconds(interval: sa.ColumnElement[object]) -> sa.ColumnElement[float]:
    return sa.cast(sa.extract("epoch", interval), sa.Double)
