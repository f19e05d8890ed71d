"""Who was heard of and who was not: a source that says it has nothing to send is quiet, a silent one is late."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.catalogue import Cadence, Source
from reconciliation.errors import RejectedRequestError
from reconciliation.store.tables import batch as ledger
from reconciliation.store.tables import source_attestation

# A period of the source and a day more, so that a holiday or a slow evening is not told as a fault.
_SPANS = {
    Cadence.DAILY: timedelta(days=2),
    Cadence.WEEKLY: timedelta(days=8),
    Cadence.MONTHLY: timedelta(days=32),
}


class Heard(StrEnum):
    """When a source last sent or attested, held against its cadence."""

    SENT = "sent"  # a batch landed in time
    QUIET = "quiet"  # none did, and the source attested in time that there was none
    LATE = "late"  # neither: somebody has to look what is broken
    NEVER = "never"  # nothing has ever come: it is not connected yet


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What was last heard of a source. `expected_by` is None while nothing ever was."""

    source_id: str
    province_code: str
    state: Heard
    landed_at: datetime | None
    attested_at: datetime | None
    expected_by: datetime | None


def expected_by(cadence: Cadence, heard_at: datetime) -> datetime:
    """By when a source is to be heard of again."""
    return heard_at + _SPANS[cadence]


def attest(
    engine: sa.Engine, *, source: Source, epoch: str, up_to_sequence: int, stated_at: datetime | None, now: datetime
) -> datetime:
    """Note that `source` has nothing to send after batch `up_to_sequence`; returns by when it is expected again.

    Raises RejectedRequestError SILENCE_PREMATURE when a batch until that one is not durable, or one after it is: then
    the sender's spool is not what it was.
    """
    ours = sa.and_(ledger.c.source_id == source.source_id, ledger.c.epoch == epoch)
    held = sa.select(
        sa.func.count().filter(ledger.c.sequence <= up_to_sequence), sa.func.coalesce(sa.func.max(ledger.c.sequence), 0)
    ).where(ours)
    with engine.begin() as connection:
        durable, last = connection.execute(held).one()
        if durable < up_to_sequence or last > up_to_sequence:
            raise RejectedRequestError(
                "SILENCE_PREMATURE",
                f"{source.source_id} attests silence after batch {up_to_sequence} of epoch {epoch}; "
                f"{durable} of these are durable here, and the last one here is {last}.",
                next_step="compare the batches, send what is missing, then attest again.",
            )
        row = {
            "source_id": source.source_id,
            "epoch": epoch,
            "up_to_sequence": up_to_sequence,
            "stated_at": stated_at,
            "noted_at": now,
        }
        connection.execute(source_attestation.insert().values(row))
    return expected_by(source.cadence, now)


def hearings(engine: sa.Engine, sources: Iterable[Source], *, now: datetime) -> list[Hearing]:
    """What was last heard of each of `sources`, in their order."""
    known = {source.source_id: source for source in sources if not source.is_citizens}  # nobody owes a correction
    wanted = sa.func.unnest(sa.cast(list(known), pg.ARRAY(sa.Text)))
    asked = wanted.table_valued("source_id").render_derived(name="asked")
    landed = sa.select(sa.func.max(ledger.c.landed_at)).where(ledger.c.source_id == asked.c.source_id)
    attested = sa.select(sa.func.max(source_attestation.c.noted_at)).where(
        source_attestation.c.source_id == asked.c.source_id
    )
    # One look at the end of an index for each source, however many batches there are.
    query = sa.select(asked.c.source_id, landed.scalar_subquery(), attested.scalar_subquery())
    with engine.connect() as connection:
        heard = {source_id: (landed_at, attested_at) for source_id, landed_at, attested_at in connection.execute(query)}
    return [_hearing(source, *heard[source_id], now) for source_id, source in known.items()]


def _hearing(source: Source, landed_at: datetime | None, attested_at: datetime | None, now: datetime) -> Hearing:
    heard = [moment for moment in (landed_at, attested_at) if moment]
    due = expected_by(source.cadence, max(heard)) if heard else None
    if due is None:
        state = Heard.NEVER
    elif due < now:
        state = Heard.LATE
    else:
        has_sent = landed_at is not None and expected_by(source.cadence, landed_at) >= now
        state = Heard.SENT if has_sent else Heard.QUIET
    return Hearing(
        source_id=source.source_id,
        province_code=source.province_code,
        state=state,
        landed_at=landed_at,
        attested_at=attested_at,
        expected_by=due,
    )
