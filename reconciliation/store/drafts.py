"""Decisions that stewards have begun to fill in, one a steward and a case, and the queues they keep under a name."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables import case, draft, saved_filter


def save(engine: sa.Engine, user_id: str, case_id: int, filled: Mapping[str, str], *, now: datetime) -> bool:
    """Keep what is filled in so far, in place of what was before; False when there is no such case."""
    row = {"user_id": user_id, "case_id": case_id, "filled": dict(filled), "saved_at": now}
    statement = pg.insert(draft).values(row)
    replaced = {"filled": statement.excluded.filled, "saved_at": statement.excluded.saved_at}
    with engine.begin() as connection:
        if connection.scalar(sa.select(case.c.case_id).where(case.c.case_id == case_id)) is None:
            return False
        connection.execute(statement.on_conflict_do_update(index_elements=["user_id", "case_id"], set_=replaced))
    return True


def find(engine: sa.Engine, user_id: str, case_id: int) -> dict[str, str]:
    """What a user has filled in of a decision; nothing when they have not."""
    query = sa.select(draft.c.filled).where(draft.c.user_id == user_id, draft.c.case_id == case_id)
    with engine.connect() as connection:
        found = connection.scalar(query)
    return {} if found is None else {str(name): str(value) for name, value in found.items()}


def drop(engine: sa.Engine, user_id: str, case_id: int) -> None:
    """Forget it: the decision was sent off."""
    with engine.begin() as connection:
        connection.execute(draft.delete().where(draft.c.user_id == user_id, draft.c.case_id == case_id))


def name_filter(engine: sa.Engine, user_id: str, name: str, query: str) -> None:
    """Keep a queue's filters, a query string, under a name."""
    statement = pg.insert(saved_filter).values(user_id=user_id, label=name, query=query)
    replaced = {"query": statement.excluded.query}
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=["user_id", "label"], set_=replaced))


def drop_filter(engine: sa.Engine, user_id: str, name: str) -> None:
    """Forget a name."""
    with engine.begin() as connection:
        mine = sa.and_(saved_filter.c.user_id == user_id, saved_filter.c.label == name)
        connection.execute(saved_filter.delete().where(mine))


def filters(engine: sa.Engine, user_id: str) -> dict[str, str]:
    """A user's named filters, by name."""
    query = sa.select(saved_filter.c.label, saved_filter.c.query).where(saved_filter.c.user_id == user_id)
    with engine.connect() as connection:
        return {row.label: row.query for row in connection.execute(query.order_by(saved_filter.c.label))}
