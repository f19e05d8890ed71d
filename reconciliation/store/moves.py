"""Following moves of updates so that none is missed, whenever their transactions commit.

Ids are given out before commit, so reading `move_id > the last one seen` would lose what commits late. As the feed's
sequencer does, only moves of transactions below the horizon are read: those older than every transaction that still
runs. They come in rounds: a round is of all transactions between two horizons, and within it moves are ordered by their
id. So the moves of one update keep their order: who made the later one waited for the earlier one to be committed, and
so either stands in a later round, or in the same one with the higher id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.model import Move, Moved, MovePlace, State
from reconciliation.store.tables import ROWS_PER_BATCH, Xid8, batch, feed_head, update_move

WINDOW = 5_000  # ids that one statement looks at, whosever they are

_BEGINNING = sa.literal_column("'0'::xid8", Xid8())  # before every transaction


@dataclass(frozen=True, kw_only=True)
class Round:
    """The moves of all transactions from `lower` on and before `upper`: their ids lie in `first` to `last`, if any."""

    epoch: int
    lower: int
    upper: int
    first: int = 0
    last: int = -1


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Whose moves are read: those of updates of these sources, and of these updates."""

    source_ids: Sequence[str] = ()
    record_ids: Sequence[int] = ()


def horizon(engine: sa.Engine) -> MovePlace:
    """Where one begins who wants to know of what is committed from now on."""
    reach = sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot(), type_=Xid8())
    with _reading(engine) as connection:
        row = connection.execute(sa.select(feed_head.c.epoch, reach.label("horizon"))).one()
        return MovePlace(epoch=row.epoch, lower=int(row.horizon), upper=int(row.horizon))


def round_after(engine: sa.Engine, lower: int, *, upper: int | None = None) -> Round:
    """The round from `lower` on, up to the horizon or to `upper`, which was one; without a move when nothing moved."""
    with _reading(engine) as connection:
        row = connection.execute(_round(), {"lower": str(lower), "upper": None if upper is None else str(upper)}).one()
    found = {} if row.first is None else {"first": row.first, "last": row.last}
    return Round(epoch=row.epoch, lower=lower, upper=max(lower, int(row.upper)), **found)


def read(engine: sa.Engine, one: Round, *, after: int, followed: Followed) -> tuple[list[Moved], int]:
    """Those of a round's next WINDOW moves after the id `after` that are followed, by id; and how far this reaches.

    It reaches `one.last` when the round has no more.
    """
    begin = max(after, one.first - 1)
    end = min(one.last, begin + WINDOW)
    if end <= begin:
        return [], one.last
    said = {
        "lower": str(one.lower),
        "upper": str(one.upper),
        "after": begin,
        "end": end,
        "source_ids": list(followed.source_ids),
        "record_ids": list(followed.record_ids),
    }
    with _reading(engine) as connection:
        return [_moved(row) for row in connection.execute(_window(), said)], end


def begin_anew(engine: sa.Engine) -> int:
    """Forget the transaction ids of another server, from which this database was restored; return of how many moves.

    They order nothing here, and moves that bear them would lie above the horizon for long.
    """
    newest = sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot(), type_=Xid8())
    with engine.begin() as connection:
        if not connection.scalar(sa.select(sa.exists().where(update_move.c.xid >= newest))):
            return 0
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # once, over all moves
        return connection.execute(
            update_move.update().values(xid=_BEGINNING).where(update_move.c.xid >= newest)
        ).rowcount


def _reading(engine: sa.Engine) -> sa.Connection:
    """Each statement is a transaction by itself."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


@cache
def _round() -> sa.Select[Any]:
    lower = sa.bindparam("lower", type_=Xid8())
    given = sa.cast(sa.bindparam("upper", type_=sa.Text()), sa.Text).op("::")(sa.literal_column("xid8"))
    xmin = sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot(), type_=Xid8())
    reach = sa.select(feed_head.c.epoch, sa.func.coalesce(given, xmin, type_=Xid8()).label("upper")).cte("reach")
    reach = reach.prefix_with("MATERIALIZED", dialect="postgresql")
    within = (
        sa.select(sa.func.min(update_move.c.move_id).label("first"), sa.func.max(update_move.c.move_id).label("last"))
        .where(update_move.c.xid >= lower, update_move.c.xid < reach.c.upper)
        .correlate(reach)
        .lateral("within")
    )
    return sa.select(reach, within).select_from(reach.join(within, sa.true()))


@cache
def _window() -> sa.Select[Any]:
    followed = sa.or_(
        batch.c.source_id == sa.any_(sa.bindparam("source_ids", type_=pg.ARRAY(sa.Text))),
        update_move.c.record_id == sa.any_(sa.bindparam("record_ids", type_=pg.ARRAY(sa.BigInteger))),
    )
    return (
        sa.select(update_move, batch.c.receipt_id, batch.c.source_id)
        .join(batch, batch.c.batch_id == update_move.c.record_id // ROWS_PER_BATCH)
        .where(update_move.c.move_id > sa.bindparam("after"), update_move.c.move_id <= sa.bindparam("end"))
        .where(
            update_move.c.xid >= sa.bindparam("lower", type_=Xid8()),
            update_move.c.xid < sa.bindparam("upper", type_=Xid8()),
        )
        .where(followed)
        .order_by(update_move.c.move_id)
    )


def _moved(row: sa.Row[Any]) -> Moved:
    return Moved(
        move_id=row.move_id,
        xid=int(row.xid),
        record_id=row.record_id,
        source_id=row.source_id,
        receipt_id=row.receipt_id,
        row=row.record_id % ROWS_PER_BATCH,
        move=Move(
            moved_at=row.moved_at,
            from_state=None if row.from_state is None else State(row.from_state),
            to_state=State(row.to_state),
            cause=row.cause,
        ),
    )
