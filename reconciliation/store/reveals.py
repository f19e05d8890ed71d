"""Looks at values that are masked by default: each is written down before the value is shown, and they are counted."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from reconciliation.store.tables import reveal


@dataclass(frozen=True, kw_only=True)
class Reveal:
    """Who looked at which field of whose record, when, on which case, and for what."""

    reveal_id: int
    revealed_at: datetime
    user_id: str
    province_code: str
    case_id: int
    record_key: str = field(repr=False)
    field: str
    purpose: str


def spend(
    engine: sa.Engine,
    *,
    user_id: str,
    province_code: str,
    case_id: int,
    record_key: str,
    field: str,
    purpose: str,
    since: datetime,
    budget: int,
    now: datetime,
) -> bool:
    """Write a look down; False, and nothing written, when the user has spent `budget` of them since then."""
    row = {
        "revealed_at": now,
        "user_id": user_id,
        "province_code": province_code,
        "case_id": case_id,
        "record_key": record_key,
        "field": field,
        "purpose": purpose,
    }
    with engine.begin() as connection:
        # Two looks at once count one after the other.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(user_id, 0))))
        if connection.execute(_spent(user_id, since)).scalar_one() >= budget:
            return False
        connection.execute(reveal.insert().values(row))
    return True


def spent(engine: sa.Engine, user_id: str, *, since: datetime) -> int:
    """How many looks the user has spent since then."""
    with engine.connect() as connection:
        return connection.execute(_spent(user_id, since)).scalar_one()


def looked(engine: sa.Engine, user_id: str, case_id: int, *, since: datetime) -> set[tuple[str, str]]:
    """What the user has looked at of a case since then, each as (record_key, field)."""
    query = sa.select(reveal.c.record_key, reveal.c.field).where(
        reveal.c.user_id == user_id, reveal.c.case_id == case_id, reveal.c.revealed_at >= since
    )
    with engine.connect() as connection:
        return {(row.record_key, row.field) for row in connection.execute(query)}


def listed(
    engine: sa.Engine,
    *,
    province_codes: Collection[str] | None,
    user_id: str | None = None,
    purpose: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Reveal]:
    """Looks in these provinces (None: all), the latest first; `before` is the reveal_id of the last one seen."""
    query = sa.select(reveal).order_by(reveal.c.reveal_id.desc()).limit(limit)
    if province_codes is not None:
        query = query.where(reveal.c.province_code.in_(sorted(province_codes)))
    if user_id is not None:
        query = query.where(reveal.c.user_id == user_id)
    if purpose is not None:
        query = query.where(reveal.c.purpose == purpose)
    if before is not None:
        query = query.where(reveal.c.reveal_id < before)
    with engine.connect() as connection:
        return [Reveal(**row) for row in connection.execute(query).mappings()]


def _spent(user_id: str, since: datetime) -> sa.Select[int]:
    return sa.select(sa.func.count()).where(reveal.c.user_id == user_id, reveal.c.revealed_at >= since)
