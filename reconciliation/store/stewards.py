"""On what stewards may decide, as it stands and as it came about: entries are appended, the newest stands."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.model import CaseKind, StewardGrant, StewardGrantEntry
from reconciliation.store.feed import GRANTS_LOCK
from reconciliation.store.tables import steward_grant

_LISTS = ("kinds", "province_codes", "identity_uris")
_SAID = tuple(
    column for column in steward_grant.c if column.name not in {"entry_id", "is_revoked", "recorded_at", "recorded_by"}
)


def give(engine: sa.Engine, grant: StewardGrant, *, by: str, now: datetime) -> None:
    """Make `grant` what stands for its steward."""
    with engine.begin() as connection:
        _lock(connection)
        connection.execute(steward_grant.insert(), _row(grant, by=by, now=now))


def revoke(engine: sa.Engine, steward: str, *, by: str, now: datetime) -> bool:
    """Take the steward's grant away; False when none stood."""
    with engine.begin() as connection:
        _lock(connection)
        grant = standing(connection).get(steward)
        if grant is None:
            return False
        connection.execute(steward_grant.insert(), _row(grant, by=by, now=now) | {"is_revoked": True})
        return True


def standing(connection: sa.Connection) -> dict[str, StewardGrant]:
    """Every steward's grant that stands now, those of days to come or gone among them."""
    query = (
        sa.select(steward_grant)
        .ext(pg.distinct_on(steward_grant.c.steward))
        .order_by(steward_grant.c.steward, steward_grant.c.entry_id.desc())
    )
    entries = _entries(connection.execute(query).mappings())
    return {entry.grant.steward: entry.grant for entry in entries if not entry.is_revoked}


def history(engine: sa.Engine, steward: str) -> list[StewardGrantEntry]:
    """Every entry of a steward, the oldest first."""
    query = sa.select(steward_grant).where(steward_grant.c.steward == steward).order_by(steward_grant.c.entry_id)
    with engine.connect() as connection:
        return list(_entries(connection.execute(query).mappings()))


def _lock(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(GRANTS_LOCK)))


def _entries(rows: sa.MappingResult) -> Iterator[StewardGrantEntry]:
    for row in rows:
        said: dict[str, Any] = {column.name: row[column.name] for column in _SAID}
        said |= {name: tuple(row[name]) for name in _LISTS}
        said |= {"kinds": tuple(map(CaseKind, row["kinds"]))}
        yield StewardGrantEntry(
            entry_id=row["entry_id"],
            grant=StewardGrant(**said),
            is_revoked=row["is_revoked"],
            recorded_at=row["recorded_at"],
            recorded_by=row["recorded_by"],
        )


def _row(grant: StewardGrant, *, by: str, now: datetime) -> dict[str, Any]:
    said: dict[str, Any] = {column.name: getattr(grant, column.name) for column in _SAID}
    said |= {name: list(map(str, said[name])) for name in _LISTS}
    return said | {"is_revoked": False, "recorded_at": now, "recorded_by": by}
