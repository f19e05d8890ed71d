"""The only statements that change an update's state. Every move is checked against lifecycle.py and appended."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation import lifecycle
from reconciliation.model import State
from reconciliation.store.tables import update_move, update_state

LANDED = "LANDED"  # why an update waits that no run has seen yet
REFUSED_BY_REGISTRY = "REFUSED_BY_REGISTRY"  # why an update waits for a steward after it was published


def begin(
    connection: sa.Connection,
    records: sa.Select[tuple[int]],
    *,
    kind: str,
    province_code: str,
    source_id: str,
    now: datetime,
) -> None:
    """Give the accepted `records` (record_id) their first state."""
    state = State.AWAITING_RECONCILIATION
    incoming = records.subquery()
    connection.execute(
        update_state.insert().from_select(
            ["record_id", "kind", "province_code", "source_id", "state", "cause", "since", "owner", "deadline"],
            sa.select(
                incoming.c.record_id,
                *_text(kind, province_code, source_id, state, LANDED),
                sa.literal(now, sa.DateTime(timezone=True)),
                *_text(str(lifecycle.owner(state, province_code=province_code))),
                sa.literal(lifecycle.deadline(state, since=now), sa.DateTime(timezone=True)),
            ),
        )
    )
    connection.execute(
        update_move.insert().from_select(
            ["record_id", "moved_at", "to_state", "cause"],
            sa.select(incoming.c.record_id, sa.literal(now, sa.DateTime(timezone=True)), *_text(state, LANDED)),
        )
    )


def move(
    connection: sa.Connection,
    records: sa.Select[tuple[int]],
    *,
    to: State,
    cause: str,
    now: datetime,
    province_code: str = "",
    consumer_id: str | None = None,
) -> int:
    """Move those of `records` (record_id) to `to` from where that is legal; return how many moved.

    An update that is in `to` already, for the same cause and owner, keeps its clock: a nightly run must not push
    deadlines away. One whose present state does not allow the move is left alone.
    """
    owner = lifecycle.owner(to, province_code=province_code, consumer_id=consumer_id)
    before = (
        sa.select(update_state.c.record_id, update_state.c.state)
        .where(update_state.c.record_id.in_(records))
        .where(update_state.c.state.in_(sorted(lifecycle.may_come_from(to))))
        .where(
            sa.tuple_(update_state.c.state, update_state.c.cause, sa.func.coalesce(update_state.c.owner, ""))
            != sa.tuple_(*_text(to, cause, owner or ""))
        )
        .order_by(update_state.c.record_id)  # everyone locks in one order, so that nobody deadlocks
        .with_for_update()
        .cte("before")
    )
    moved = (
        update_state.update()
        .where(update_state.c.record_id == before.c.record_id)
        .values(
            state=str(to),
            cause=cause,
            since=now,
            owner=owner,
            deadline=lifecycle.deadline(to, since=now),
        )
        .returning(update_state.c.record_id, before.c.state)
        .cte("moved")
    )
    appended = update_move.insert().from_select(
        ["record_id", "moved_at", "from_state", "to_state", "cause"],
        sa.select(
            moved.c.record_id,
            sa.literal(now, sa.DateTime(timezone=True)),
            moved.c.state,
            *_text(to, cause),
        ),
    )
    return connection.execute(appended.add_cte(moved)).rowcount


def is_pending() -> sa.ColumnElement[bool]:
    """Whether an update waits for something before it may be published. What a registry refused has been published."""
    return sa.and_(
        update_state.c.state.in_([str(state) for state in sorted(lifecycle.PENDING)]),
        update_state.c.cause != REFUSED_BY_REGISTRY,
    )


def _text(*values: str) -> list[sa.ColumnElement[str]]:
    # The driver would send a bare parameter as "unknown", which a SELECT list cannot resolve.
    return [sa.cast(sa.literal(str(value)), pg.TEXT) for value in values]
