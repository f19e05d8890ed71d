"""What waits beyond its deadline, and what waits at all: counted by state and owner, never listed by person."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from reconciliation.store.tables import update_state


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Updates in one state with one owner. `deadline` is the earliest of theirs, `since` the longest wait."""

    state: str
    owner: str
    updates: int
    since: datetime
    deadline: datetime


def count(engine: sa.Engine, *, now: datetime | None = None) -> list[Waiting]:
    """Waiting updates by state and owner; with `now`, only those whose deadline has passed by then: the stuck ones."""
    query = (
        sa.select(
            update_state.c.state,
            update_state.c.owner,
            sa.func.count().label("updates"),
            sa.func.min(update_state.c.since).label("since"),
            sa.func.min(update_state.c.deadline).label("deadline"),
        )
        .where(update_state.c.deadline.is_not(None))
        .group_by(update_state.c.state, update_state.c.owner)
        .order_by(update_state.c.state, update_state.c.owner)
    )
    if now is not None:
        query = query.where(update_state.c.deadline < now)
    with engine.connect() as connection:
        return [Waiting(**row) for row in connection.execute(query).mappings()]


def by_state(engine: sa.Engine) -> dict[str, int]:
    """How many updates are in each state."""
    query = (
        sa.select(update_state.c.state, sa.func.count()).group_by(update_state.c.state).order_by(update_state.c.state)
    )
    with engine.connect() as connection:
        return dict(connection.execute(query).all())
