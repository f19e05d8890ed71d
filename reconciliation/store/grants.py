"""Who may say what, as it stands and as it came about: entries are appended, and of a source the newest stands."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.model import Grant, GrantEntry, Grants, SecurityEvent, SourceGrant
from reconciliation.store import portals, stewards
from reconciliation.store.feed import GRANTS_LOCK
from reconciliation.store.tables import batch, consumer, consumer_grant, security_event, source_grant

SHIPPED_BY: Final = "lienthong"  # who recorded the grants that come with a release

_SAID = tuple(
    column for column in source_grant.c if column.name not in {"entry_id", "is_revoked", "recorded_at", "recorded_by"}
)


def ship(engine: sa.Engine, grants: Sequence[SourceGrant], *, now: datetime) -> int:
    """Record the grants of a release for sources that have none, or an earlier release's; return how many.

    What an operator granted or revoked stands.
    """
    with engine.begin() as connection:
        _lock(connection)
        newest = {entry.grant.source_id: entry for entry in _newest(connection)}
        due = [
            grant
            for grant in grants
            if (known := newest.get(grant.source_id)) is None
            or (known.recorded_by == SHIPPED_BY and known.grant != grant)
        ]
        if due:
            connection.execute(source_grant.insert(), [_row(grant, by=SHIPPED_BY, now=now) for grant in due])
        return len(due)


def give(engine: sa.Engine, grant: SourceGrant, *, by: str, now: datetime) -> None:
    """Make `grant` what stands for its source."""
    with engine.begin() as connection:
        _lock(connection)
        connection.execute(source_grant.insert(), _row(grant, by=by, now=now))


def revoke(engine: sa.Engine, source_id: str, *, by: str, now: datetime) -> bool:
    """Take the source's grant away; False when none stood."""
    with engine.begin() as connection:
        _lock(connection)
        entry = next((one for one in _newest(connection) if one.grant.source_id == source_id), None)
        if entry is None or entry.is_revoked:
            return False
        connection.execute(source_grant.insert(), _row(entry.grant, by=by, now=now) | {"is_revoked": True})
        return True


def standing(engine: sa.Engine) -> Grants:
    """Every grant that stands now, of sources, of registries and of portals."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        sources = {entry.grant.source_id: entry.grant for entry in _newest(connection) if not entry.is_revoked}
        query = sa.select(consumer_grant, consumer.c.name).join(consumer)
        rows = connection.execute(query.order_by(consumer_grant.c.consumer_id, consumer_grant.c.kind)).mappings()
        by_consumer = groupby(map(_consumer_grant, rows), key=lambda grant: grant.consumer_id)
        consumers = {consumer_id: tuple(grants) for consumer_id, grants in by_consumer}
        return Grants(
            sources=sources,
            consumers=consumers,
            portals=portals.standing(connection),
            stewards=stewards.standing(connection),
        )


def history(engine: sa.Engine, source_id: str) -> list[GrantEntry]:
    """Every entry of a source, the oldest first."""
    query = sa.select(source_grant).where(source_grant.c.source_id == source_id).order_by(source_grant.c.entry_id)
    with engine.connect() as connection:
        return list(_entries(connection.execute(query).mappings()))


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


def _lock(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(GRANTS_LOCK)))


def _newest(connection: sa.Connection) -> list[GrantEntry]:
    query = (
        sa.select(source_grant)
        .ext(pg.distinct_on(source_grant.c.source_id))
        .order_by(source_grant.c.source_id, source_grant.c.entry_id.desc())
    )
    return list(_entries(connection.execute(query).mappings()))


def _entries(rows: sa.MappingResult) -> Iterator[GrantEntry]:
    for row in rows:
        said: dict[str, Any] = {column.name: row[column.name] for column in _SAID}
        said |= {"kind": RecordKind(row["kind"])}
        said |= {name: tuple(row[name]) for name in ("province_codes", "identity_uris")}
        yield GrantEntry(
            entry_id=row["entry_id"],
            grant=SourceGrant(**said),
            is_revoked=row["is_revoked"],
            recorded_at=row["recorded_at"],
            recorded_by=row["recorded_by"],
        )


def _row(grant: SourceGrant, *, by: str, now: datetime) -> dict[str, Any]:
    said: dict[str, Any] = {column.name: getattr(grant, column.name) for column in _SAID}
    said |= {"kind": str(grant.kind), "is_revoked": False, "recorded_at": now, "recorded_by": by}
    return said | {name: list(said[name]) for name in ("province_codes", "identity_uris")}


def _consumer_grant(row: sa.RowMapping) -> Grant:
    lists = {name: tuple(row[name]) for name in ("fields", "province_codes")}
    return Grant(**(dict(row) | lists | {"kind": RecordKind(row["kind"])}))
