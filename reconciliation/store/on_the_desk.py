"""Which cases lie on the stewards' desk: raised, and with no judgement that stands or is about to."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from reconciliation.store.tables import approval, case, judgement, outbox


def note(
    connection: sa.Connection,
    judgement_id: int,
    *,
    fingerprint: str,
    reverses: int | None,
    undo_until: datetime | None,
) -> None:
    """Take the case of a new judgement from the desk, or put it back when the judgement is a reversal."""
    if reverses is None:
        connection.execute(case.update().where(case.c.fingerprint == fingerprint).values(judged_by=judgement_id))
        if undo_until is not None:
            connection.execute(outbox.insert().values(judgement_id=judgement_id, due_at=undo_until))
        return
    connection.execute(outbox.delete().where(outbox.c.judgement_id == reverses))
    reversal = judgement.alias("reversal")
    connection.execute(
        case.update()
        .where(case.c.fingerprint == fingerprint)
        .values(
            judged_by=sa.select(sa.func.max(judgement.c.judgement_id))
            .where(judgement.c.fingerprint == fingerprint, judgement.c.reverses.is_(None))
            .where(judgement.c.judgement_id > reverses)
            .where(~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id))
            .scalar_subquery()
        )
    )


def put_back(connection: sa.Connection, raised: sa.Table, *, standing: sa.Select[Any]) -> None:
    """Put the cases of `raised` (fingerprint) back whose judgement no longer holds: it withdrew an older version."""
    holds = standing.subquery()
    approved = sa.exists().where(approval.c.judgement_id == judgement.c.judgement_id)
    waits = sa.exists().where(outbox.c.judgement_id == case.c.judged_by)
    connection.execute(
        case.update()
        .where(case.c.fingerprint == raised.c.fingerprint, case.c.judged_by.is_not(None), ~waits)
        .where(~sa.exists().where(judgement.c.judgement_id == case.c.judged_by, judgement.c.needs_approval, ~approved))
        .where(~sa.exists().where(holds.c.fingerprint == case.c.fingerprint))
        .values(judged_by=None)
    )
