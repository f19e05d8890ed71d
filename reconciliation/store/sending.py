"""What the systems of a province have sent: their last batches and what became of the records of the last days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables import batch, finding

DAYS = 30
LAST_BATCHES = 20
MOST_FINDINGS = 50_000  # of the last batches: no more are counted


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one source sent in the last DAYS days."""

    source_id: str
    batches: int
    received: int
    accepted: int
    superseded: int
    quarantined: int
    landed_at: datetime  # the last one


@dataclass(frozen=True, kw_only=True)
class Landed:
    """One batch."""

    batch_id: int
    receipt_id: UUID
    source_id: str
    epoch: str
    sequence: int
    landed_at: datetime
    received: int
    accepted: int
    superseded: int
    quarantined: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """A code that the last batches were found to have, in how many records."""

    code: str
    severity: str
    records: int


def by_source(engine: sa.Engine, source_ids: Sequence[str], *, now: datetime) -> dict[str, Sent]:
    """What each of the sources sent of late; one that sent nothing is not among them."""
    figures = ("received", "accepted", "superseded", "quarantined")
    query = (
        sa.select(
            batch.c.source_id,
            sa.func.count().label("batches"),
            *(sa.cast(sa.func.sum(batch.c[name]), sa.BigInteger).label(name) for name in figures),
            sa.func.max(batch.c.landed_at).label("landed_at"),
        )
        .where(batch.c.source_id.in_(source_ids), batch.c.landed_at >= now - timedelta(days=DAYS))
        .group_by(batch.c.source_id)
        .order_by(batch.c.source_id)
    )
    with engine.connect() as connection:
        return {row["source_id"]: Sent(**row) for row in connection.execute(query).mappings()}


def last(engine: sa.Engine, source_ids: Sequence[str]) -> list[Landed]:
    """The LAST_BATCHES last batches of all the sources together, the newest first."""
    given = sa.func.unnest(sa.cast(list(source_ids), pg.ARRAY(sa.Text)))
    wanted = given.table_valued("source_id").render_derived(name="wanted")
    newest = (
        sa.select(*(batch.c[name] for name in Landed.__dataclass_fields__))
        .where(batch.c.source_id == wanted.c.source_id)
        .order_by(batch.c.landed_at.desc())
        .limit(LAST_BATCHES)
        .lateral("newest")
    )
    query = (
        sa.select(newest)
        .select_from(wanted)
        .join(newest, sa.true())
        .order_by(newest.c.landed_at.desc(), newest.c.batch_id.desc())
        .limit(LAST_BATCHES)
    )
    with engine.connect() as connection:
        return [Landed(**row) for row in connection.execute(query).mappings()]


def findings(engine: sa.Engine, batches: Sequence[Landed]) -> list[Found]:
    """What was found in these batches, the most frequent first."""
    counted = (
        sa.select(finding.c.code, finding.c.severity)
        .where(finding.c.batch_id.in_([one.batch_id for one in batches]))
        .limit(MOST_FINDINGS)
        .subquery()
    )
    number = sa.func.count().label("records")
    query = (
        sa.select(counted.c.code, counted.c.severity, number)
        .group_by(counted.c.code, counted.c.severity)
        .order_by(number.desc(), counted.c.code)
    )
    with engine.connect() as connection:
        return [Found(**row) for row in connection.execute(query).mappings()]
