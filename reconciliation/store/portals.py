"""Which updates portals may ask about, as it stands and as it came about: entries are appended, the newest stands."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.model import PortalGrant, PortalGrantEntry
from reconciliation.store.feed import GRANTS_LOCK
from reconciliation.store.tables import portal_grant

_LISTS = ("kinds", "province_codes", "identity_uris")
_SAID = tuple(
    column for column in portal_grant.c if column.name not in {"entry_id", "is_revoked", "recorded_at", "recorded_by"}
)


def give(engine: sa.Engine, grant: PortalGrant, *, by: str, now: datetime) -> None:
    """Make `grant` what stands for its portal."""
    with engine.begin() as connection:
        _lock(connection)
        connection.execute(portal_grant.insert(), _row(grant, by=by, now=now))


def revoke(engine: sa.Engine, portal_id: str, *, by: str, now: datetime) -> bool:
    """Take the portal's grant away; False when none stood."""
    with engine.begin() as connection:
        _lock(connection)
        grant = standing(connection).get(portal_id)
        if grant is None:
            return False
        connection.execute(portal_grant.insert(), _row(grant, by=by, now=now) | {"is_revoked": True})
        return True


def standing(connection: sa.Connection) -> dict[str, PortalGrant]:
    """Every portal's grant that stands now, those of days to come or gone among them."""
    query = (
        sa.select(portal_grant)
        .ext(pg.distinct_on(portal_grant.c.portal_id))
        .order_by(portal_grant.c.portal_id, portal_grant.c.entry_id.desc())
    )
    entries = _entries(connection.execute(query).mappings())
    return {entry.grant.portal_id: entry.grant for entry in entries if not entry.is_revoked}


def history(engine: sa.Engine, portal_id: str) -> list[PortalGrantEntry]:
    """Every entry of a portal, the oldest first."""
    query = sa.select(portal_grant).where(portal_grant.c.portal_id == portal_id).order_by(portal_grant.c.entry_id)
    with engine.connect() as connection:
        return list(_entries(connection.execute(query).mappings()))


def _lock(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(GRANTS_LOCK)))


def _entries(rows: sa.MappingResult) -> Iterator[PortalGrantEntry]:
    for row in rows:
        said: dict[str, Any] = {column.name: row[column.name] for column in _SAID}
        said |= {name: tuple(row[name]) for name in _LISTS}
        said |= {"kinds": tuple(map(RecordKind, row["kinds"]))}
        yield PortalGrantEntry(
            entry_id=row["entry_id"],
            grant=PortalGrant(**said),
            is_revoked=row["is_revoked"],
            recorded_at=row["recorded_at"],
            recorded_by=row["recorded_by"],
        )


def _row(grant: PortalGrant, *, by: str, now: datetime) -> dict[str, Any]:
    said: dict[str, Any] = {column.name: getattr(grant, column.name) for column in _SAID}
    said |= {name: list(map(str, said[name])) for name in _LISTS}
    return said | {"is_revoked": False, "recorded_at": now, "recorded_by": by}
