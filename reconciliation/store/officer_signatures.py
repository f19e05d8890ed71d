"""Officers' signatures under civil-status events: kept as they came, and what waited for them goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import SignatureOutcome, State
from reconciliation.store import holding, lifecycle_moves
from reconciliation.store.copying import staged
from reconciliation.store.landing import LANDED_CHANNEL
from reconciliation.store.tables import kept_version, officer_signature, record_tables, update_state
from reconciliation.store.versions import take_turns


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A death that an officer signed. `versions` are what the sender's moment of change may mean."""

    source_record_id: str
    versions: tuple[int, ...]
    died_on: date
    jws: str = field(repr=False)
    officer: str
    signed_at: datetime


OFFERED = pa.schema(
    [
        pa.field("place", pa.int32(), nullable=False),
        pa.field("source_record_id", pa.string(), nullable=False),
        pa.field("source_version", pa.int64(), nullable=False),
        pa.field("died_on", pa.date32(), nullable=False),
    ]
)


def take(engine: sa.Engine, offered: Sequence[Offered], *, source_id: str, now: datetime) -> list[SignatureOutcome]:
    """Keep each signature whose update waits for it, and let the update go on; return one outcome each, in order.

    Every signature has been verified. The same again changes nothing.
    """
    with engine.begin() as connection:
        take_turns(connection, [source_id])
        asked = staged(connection, "offered", _table(offered))
        signed = set(connection.scalars(_signed(asked, source_id)))
        waiting: dict[int, list[sa.Row[int, int, bool]]] = {}
        for row in connection.execute(_waiting(asked, source_id)):
            waiting.setdefault(row.place, []).append(row)
        outcomes, released = [], dict[int, Offered]()
        for place, one in enumerate(offered):
            meant = {row.record_id for row in waiting.get(place, []) if row.is_meant}
            if meant - released.keys():
                outcomes.append(SignatureOutcome.RELEASED)
                released |= dict.fromkeys(meant, one)
            elif meant or place in signed:
                outcomes.append(SignatureOutcome.REPEATED)
            else:
                outcomes.append(SignatureOutcome.INVALID if place in waiting else SignatureOutcome.NOT_WAITING)
        if released:
            _keep(connection, released, source_id=source_id, now=now)
            freed = {lifecycle_moves.SIGNED: sorted(released)}
            holding.let_go(connection, freed, kind=RecordKind.PERSON, now=now)
            province = sa.select(update_state.c.province_code).where(update_state.c.record_id == min(released))
            connection.execute(sa.select(sa.func.pg_notify(LANDED_CHANNEL, province.scalar_subquery())))
    return outcomes


def _table(offered: Sequence[Offered]) -> pa.Table:
    rows = [
        {
            "place": place,
            "source_record_id": one.source_record_id,
            "source_version": version,
            "died_on": one.died_on,
        }
        for place, one in enumerate(offered)
        for version in dict.fromkeys(one.versions)
    ]
    return pa.Table.from_pylist(rows, schema=OFFERED)


def _signed(asked: sa.Table, source_id: str) -> sa.Select[int]:
    """The places of those that have been signed."""
    record = record_tables[RecordKind.PERSON]
    return (
        sa.select(asked.c.place)
        .distinct()
        .join(
            record,
            sa.and_(
                record.c.source_id == source_id,
                record.c.source_record_id == asked.c.source_record_id,
                record.c.source_version == asked.c.source_version,
                record.c.died_on == asked.c.died_on,
                record.c.died_on.is_not(None),
            ),
        )
        .join(officer_signature, officer_signature.c.record_id == record.c.record_id)
    )


def _waiting(asked: sa.Table, source_id: str) -> sa.Select[int, int, bool]:
    """place, record_id and is_meant of the versions that wait, is_meant where the day of death is the same."""
    return (
        sa.select(
            asked.c.place, kept_version.c.record_id, (kept_version.c.died_on == asked.c.died_on).label("is_meant")
        )
        .join(
            kept_version,
            sa.and_(
                kept_version.c.source_id == source_id,
                kept_version.c.source_record_id == asked.c.source_record_id,
                kept_version.c.source_version == asked.c.source_version,
            ),
        )
        .join(update_state, update_state.c.record_id == kept_version.c.record_id)
        .where(update_state.c.state == str(State.AWAITING_SIGNATURE))
        .order_by(asked.c.place, kept_version.c.record_id)
    )


def _keep(connection: sa.Connection, released: dict[int, Offered], *, source_id: str, now: datetime) -> None:
    rows = [
        {
            "record_id": record_id,
            "source_id": source_id,
            "jws": one.jws,
            "officer": one.officer,
            "signed_at": one.signed_at,
            "received_at": now,
        }
        for record_id, one in sorted(released.items())
    ]
    connection.execute(officer_signature.insert(), rows)
