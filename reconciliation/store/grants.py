"""Who may say, see, ask and decide what: the grants of a release, all that stand, and what was tried without one."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import Grant, Grants, SecurityEvent, SourceGrant
from reconciliation.store.registers import portals, sources, stewards
from reconciliation.store.tables import batch, consumer, consumer_grant, security_event

SHIPPED_BY: Final = "lienthong"  # who recorded the grants that come with a release


def ship(engine: sa.Engine, grants: Sequence[SourceGrant], *, now: datetime) -> int:
    """Record the grants of a release for sources that have none, or an earlier release's; return how many.

    What an operator granted or revoked stands.
    """
    with engine.begin() as connection:
        sources.lock(connection)
        newest = sources.newest(connection)
        due = [
            grant
            for grant in grants
            if (known := newest.get(grant.source_id)) is None
            or (known.recorded_by == SHIPPED_BY and known.grant != grant)
        ]
        sources.append(connection, due, by=SHIPPED_BY, now=now)
        return len(due)


def standing(engine: sa.Engine) -> Grants:
    """Every grant that stands now, of sources, of registries and of portals."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        query = sa.select(consumer_grant, consumer.c.name).join(consumer)
        rows = connection.execute(query.order_by(consumer_grant.c.consumer_id, consumer_grant.c.kind)).mappings()
        by_consumer = groupby(map(_consumer_grant, rows), key=lambda grant: grant.consumer_id)
        consumers = {consumer_id: tuple(grants) for consumer_id, grants in by_consumer}
        return Grants(
            sources=sources.standing(connection),
            consumers=consumers,
            portals=portals.standing(connection),
            stewards=stewards.standing(connection),
        )


def events(engine: sa.Engine, *, limit: int) -> list[SecurityEvent]:
    """What was tried without a grant, the newest first."""
    query = (
        sa.select(
            security_event.c.event_id,
            security_event.c.occurred_at,
            security_event.c.kind,
            security_event.c.source_id,
            batch.c.receipt_id,
            security_event.c.records,
        )
        .join(batch, batch.c.batch_id == security_event.c.batch_id)
        .order_by(security_event.c.event_id.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        return [SecurityEvent(**row) for row in connection.execute(query).mappings()]


def _consumer_grant(row: sa.RowMapping) -> Grant:
    lists = {name: tuple(row[name]) for name in ("fields", "province_codes")}
    return Grant(**(dict(row) | lists | {"kind": RecordKind(row["kind"])}))
