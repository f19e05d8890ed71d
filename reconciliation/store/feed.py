"""The feed: changes in one dense order that no reader can overtake, cut to what each registry may see.

Changes are written unordered, each in the transaction that makes it. One sequencer numbers those whose transactions
are older than every transaction still running, so a number once published never gets an earlier neighbour. Reading
`change_id > cursor` instead would lose what commits late: ids are given out before commit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Cursor, FeedPage, Grant, Outcome, OutcomeKind, State
from reconciliation.store import epochs, feed_pages, lifecycle_moves, refusals
from reconciliation.store.copying import staged
from reconciliation.store.feed_pages import Granted
from reconciliation.store.tables import (
    Xid8,
    change,
    change_record,
    consumer,
    consumer_grant,
    feed_entry,
    feed_head,
    feed_outcome,
    feed_replay,
    installation,
)

SEQUENCER_LOCK, GRANTS_LOCK = 7_405_002, 7_405_003  # any numbers that nothing else locks
MAXIMUM_CHANGES = 50_000  # of one page
_SNAPSHOT_SECONDS = 7_200  # of one statement: a whole country is read in one

_BEGINNING = sa.literal_column("'0'::xid8", Xid8())  # before every transaction


def sequence(engine: sa.Engine, *, failover_keeps_all: bool = False) -> int:
    """Publish every change that no running transaction can still precede; return how many.

    At most one sequencer works at a time; a second returns 0 at once. On another server than the last time a new epoch
    begins first, see epochs.arrive.
    """
    moved = sa.select(feed_head.c.horizon > _newest_xid()).scalar_subquery()
    with engine.begin() as connection:
        lock = sa.func.pg_try_advisory_xact_lock(SEQUENCER_LOCK)
        is_ours, has_moved, is_elsewhere = connection.execute(sa.select(lock, moved, epochs.elsewhere())).one()
        if not is_ours:
            return 0
        if is_elsewhere:
            epochs.arrive(connection, failover_keeps_all=failover_keeps_all)
        if has_moved:
            _count_anew(connection)
        horizon = sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot(), type_=Xid8())
        reach = sa.select(horizon.label("horizon")).cte("reach").prefix_with("MATERIALIZED", dialect="postgresql")
        ready = (
            sa.select(
                change.c.change_id,
                (feed_head.c.feed_seq + sa.func.row_number().over(order_by=(change.c.xid, change.c.change_id))).label(
                    "seq"
                ),
            )
            .where(change.c.xid >= feed_head.c.horizon, change.c.xid < reach.c.horizon)
            .where(~sa.exists().where(feed_entry.c.change_id == change.c.change_id))
            .cte("ready")
        )
        published = (
            feed_entry.insert()
            .from_select(
                ["feed_seq", "change_id", "published_at"],
                sa.select(ready.c.seq, ready.c.change_id, sa.func.now()).order_by(ready.c.seq),
            )
            .returning(feed_entry.c.feed_seq)
            .cte("published")
        )
        count = sa.select(sa.func.count()).select_from(published).scalar_subquery()
        advanced = (
            feed_head.update()
            .values(feed_seq=feed_head.c.feed_seq + count, horizon=sa.select(reach.c.horizon).scalar_subquery())
            .where(sa.or_(count > 0, feed_head.c.horizon == _BEGINNING))  # an idle feed writes nothing
            .returning(count)
        )
        return int(connection.scalar(advanced) or 0)


def _newest_xid() -> sa.ColumnElement[int]:
    return sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot(), type_=Xid8())


def _count_anew(connection: sa.Connection) -> None:
    """Forget the transaction ids of another server, from which this database was restored: they order nothing here.

    Without this, every change would lie below the horizon of before, and none would be published.
    """
    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # once, over all changes
    connection.execute(change.update().values(xid=_BEGINNING).where(change.c.xid >= _newest_xid()))
    connection.execute(feed_head.update().values(horizon=_BEGINNING))


def head(engine: sa.Engine) -> Cursor:
    """The last published place."""
    with engine.connect() as connection:
        return _head(connection)


def cursor_secret(engine: sa.Engine) -> bytes:
    """The key that signs this database's cursors."""
    with engine.connect() as connection:
        return bytes(connection.execute(sa.select(installation.c.cursor_secret)).scalar_one())


def grant(engine: sa.Engine, grants: Sequence[Grant]) -> None:
    """Make `grants` what stands: registries and their entitlements are data, replaced as a whole."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(GRANTS_LOCK)))  # several gateways may start at once
        connection.execute(consumer_grant.delete())
        for entitlement in grants:
            known = pg.insert(consumer).values(
                consumer_id=entitlement.consumer_id,
                name=entitlement.name,
                acknowledged_epoch=sa.select(feed_head.c.epoch).scalar_subquery(),
            )
            connection.execute(
                known.on_conflict_do_update(index_elements=["consumer_id"], set_={"name": entitlement.name})
            )
            connection.execute(
                consumer_grant.insert().values(
                    consumer_id=entitlement.consumer_id,
                    kind=str(entitlement.kind),
                    fields=list(entitlement.fields),
                    of_record=entitlement.of_record,
                    purpose=entitlement.purpose,
                    legal_reference=entitlement.legal_reference,
                    identity_uri=entitlement.identity_uri,
                    province_codes=list(entitlement.province_codes),
                    granted_from=entitlement.granted_from,
                    granted_until=entitlement.granted_until,
                )
            )


def fetch(engine: sa.Engine, *, consumer_id: str, after: Cursor, limit: int, on: date | None = None) -> FeedPage:
    """The next changes after `after`, at most `limit`, with the consumer's fields only. Reads, and changes nothing.

    `on` is the day on which grants have to hold, here and below; without it the database's today in Việt Nam.

    Raises RejectedRequestError CONSUMER_UNKNOWN, CURSOR_EPOCH or CURSOR_EXPIRED (take a snapshot), or CURSOR_INVALID.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        granted = _granted(connection, consumer_id, on)
        newest = _head(connection)
        _check_cursor(after, newest)
        _check_kept(connection, after)
        upto = min(newest.sequence, after.sequence + max(0, min(limit, MAXIMUM_CHANGES)))
        within = feed_pages.stretch(connection, after=after.sequence, upto=upto)
        tables = {kind: feed_pages.changes(connection, grant, within) for kind, grant in granted.items()}
    return FeedPage(
        tables=tables,
        upto=Cursor(epoch=newest.epoch, sequence=upto),
        head=newest.sequence,
        changes=sum(table.num_rows for table in tables.values()),
    )


def snapshot(
    engine: sa.Engine, *, consumer_id: str, on: date | None = None
) -> tuple[Cursor, dict[RecordKind, pa.Table]]:
    """Every subject as the feed has published it up to the returned cursor, with the consumer's fields only.

    The feed read from that cursor on continues it exactly.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        granted = _granted(connection, consumer_id, on)
        newest = _head(connection)
        return newest, {
            kind: feed_pages.published(connection, grant, upto=newest.sequence) for kind, grant in granted.items()
        }


@dataclass(frozen=True)
class SnapshotReading:
    """A snapshot that is being read: where it stands, what may be seen of each kind, and the rows of one, in parts."""

    cursor: Cursor
    granted: Mapping[RecordKind, Granted]
    parts: Callable[[RecordKind], tuple[pa.Schema, Iterator[pa.Table]]]


@contextmanager
def open_snapshot(engine: sa.Engine, *, consumer_id: str, on: date | None = None) -> Iterator[SnapshotReading]:
    """As `snapshot`, for as many subjects as there are: nothing is held in memory but a part of one kind."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_SNAPSHOT_SECONDS}s'"))
        granted = _granted(connection, consumer_id, on)
        newest = _head(connection)

        def parts(kind: RecordKind) -> tuple[pa.Schema, Iterator[pa.Table]]:
            return feed_pages.published_in_parts(connection, granted[kind], upto=newest.sequence)

        yield SnapshotReading(newest, granted, parts)


def cursor_of(engine: sa.Engine, *, consumer_id: str, on: date | None = None) -> Cursor:
    """How far the consumer has acknowledged, in the epoch in which it did."""
    with engine.connect() as connection:
        _granted(connection, consumer_id, on)
        return _acknowledged(connection, consumer_id)


def acknowledge(engine: sa.Engine, *, consumer_id: str, upto: Cursor, now: datetime, on: date | None = None) -> int:
    """Note that the consumer holds everything up to `upto`; return how many updates now await its outcome.

    A cursor below the last acknowledged one changes nothing; one beyond the head is CURSOR_INVALID. The first one of a
    new epoch stands, wherever it is: the consumer has begun anew there.
    """
    with engine.begin() as connection:
        granted = _granted(connection, consumer_id, on)
        newest = _head(connection)
        _check_cursor(upto, newest)
        before = _acknowledged(connection, consumer_id, for_update=True)
        if (upto.epoch, upto.sequence) <= (before.epoch, before.sequence):
            return 0
        connection.execute(
            consumer.update()
            .where(consumer.c.consumer_id == consumer_id)
            .values(acknowledged=upto.sequence, acknowledged_epoch=upto.epoch, acknowledged_at=now)
        )
        carried = _carried(connection, consumer_id).where(
            feed_entry.c.feed_seq > before.sequence,
            feed_entry.c.feed_seq <= upto.sequence,
            change.c.kind.in_(list(granted)),
        )
        return lifecycle_moves.move(
            connection, carried, to=State.AWAITING_OUTCOME, cause="PULLED", now=now, consumer_id=consumer_id
        )


def replay(
    engine: sa.Engine, *, consumer_id: str, to: Cursor, by: str, why: str, now: datetime, on: date | None = None
) -> tuple[int, int]:
    """Set back how far the consumer has acknowledged; return the feed_seq it was at and the one it is at.

    Kept for ever, with who asked and why. What was reported stands. A place ahead of the acknowledged one is
    CURSOR_INVALID, one that is no longer kept CURSOR_EXPIRED. Who has acknowledged nothing in this epoch is told
    CURSOR_EPOCH.
    """
    with engine.begin() as connection:
        _granted(connection, consumer_id, on)
        newest = _head(connection)
        _check_cursor(to, newest)
        _check_kept(connection, to)
        acknowledged = _acknowledged(connection, consumer_id, for_update=True)
        _check_epoch(acknowledged, newest)
        before = acknowledged.sequence
        if to.sequence > before:
            raise RejectedRequestError(
                "CURSOR_INVALID",
                f"{consumer_id} has acknowledged up to {before}, and cannot be set back to {to.sequence}.",
                next_step="acknowledge what is safe instead.",
            )
        if to.sequence < before:
            connection.execute(
                consumer.update().where(consumer.c.consumer_id == consumer_id).values(acknowledged=to.sequence)
            )
            connection.execute(
                feed_replay.insert().values(
                    consumer_id=consumer_id,
                    epoch=to.epoch,
                    from_seq=before,
                    to_seq=to.sequence,
                    asked_at=now,
                    asked_by=by,
                    why=why,
                )
            )
        return before, to.sequence


def report(
    engine: sa.Engine,
    *,
    consumer_id: str,
    outcomes: Sequence[Outcome],
    now: datetime,
    read_at: Cursor | None = None,
    on: date | None = None,
) -> int:
    """Record what the consumer did with changes it acknowledged; return how many reports were new.

    A refusal by the registry of record opens a case for the province's steward. The first report on a change stands.
    Raises RejectedRequestError OUTCOME_INVALID when a change was not acknowledged or a refusal has no reason, and
    CURSOR_EPOCH when nothing was acknowledged yet in the feed's present epoch, or the changes were read (`read_at`, if
    the consumer says it) in another one.
    """
    if any(outcome.kind is OutcomeKind.REFUSED and not outcome.reason for outcome in outcomes):
        raise RejectedRequestError(
            "OUTCOME_INVALID", "A refusal needs a reason code.", next_step="name why each refused change was refused."
        )
    with engine.begin() as connection:
        _granted(connection, consumer_id, on)
        acknowledged = _acknowledged(connection, consumer_id, for_update=True)
        newest = _head(connection)
        _check_epoch(acknowledged, newest)  # the numbers it names may be other changes by now
        if read_at is not None:
            _check_cursor(read_at, newest)
        if any(not 0 < outcome.feed_seq <= acknowledged.sequence for outcome in outcomes):
            raise RejectedRequestError(
                "OUTCOME_INVALID",
                f"An outcome names a change that {consumer_id} has not acknowledged"
                f" (acknowledged: {acknowledged.sequence}).",
                next_step="acknowledge what was pulled first, then report on it.",
            )
        return _record_outcomes(connection, consumer_id, outcomes, now)


def _record_outcomes(connection: sa.Connection, consumer_id: str, outcomes: Sequence[Outcome], now: datetime) -> int:
    told = staged(
        connection,
        "told",
        pa.table(
            {
                "position": pa.array(range(len(outcomes)), pa.int32()),
                "feed_seq": pa.array([outcome.feed_seq for outcome in outcomes], pa.int64()),
                "outcome": pa.array([str(outcome.kind) for outcome in outcomes], pa.string()),
                "reason": pa.array([outcome.reason for outcome in outcomes], pa.string()),
            }
        ),
    )
    insert = pg.insert(feed_outcome).from_select(
        ["consumer_id", "feed_seq", "outcome", "reason", "reported_at"],
        sa.select(
            sa.cast(sa.literal(consumer_id), sa.Text),
            told.c.feed_seq,
            told.c.outcome,
            told.c.reason,
            sa.literal(now, sa.DateTime(timezone=True)),
        )
        .ext(pg.distinct_on(told.c.feed_seq))
        .order_by(told.c.feed_seq, told.c.position),
    )
    new = connection.scalars(insert.on_conflict_do_nothing().returning(feed_outcome.c.feed_seq)).all()
    if not new:
        return 0
    fresh = staged(connection, "fresh", pa.table({"feed_seq": pa.array(new, pa.int64())}))
    ours = _carried(connection, consumer_id).join(fresh, fresh.c.feed_seq == feed_entry.c.feed_seq)
    ours = ours.join(
        feed_outcome,
        sa.and_(feed_outcome.c.feed_seq == feed_entry.c.feed_seq, feed_outcome.c.consumer_id == consumer_id),
    )
    applied = ours.where(feed_outcome.c.outcome == str(OutcomeKind.APPLIED))
    lifecycle_moves.move(
        connection, applied, to=State.APPLIED, cause="APPLIED_BY_REGISTRY", now=now, consumer_id=consumer_id
    )
    refusals.open_cases(connection, consumer_id=consumer_id, fresh=fresh, now=now)
    return len(new)


def _carried(connection: sa.Connection, consumer_id: str) -> sa.Select[tuple[int]]:
    """The updates carried by changes of the kinds for which `consumer_id` is the registry of record."""
    kinds = connection.scalars(
        sa.select(consumer_grant.c.kind).where(consumer_grant.c.consumer_id == consumer_id, consumer_grant.c.of_record)
    ).all()
    return (
        sa.select(change_record.c.record_id)
        .join(change, change.c.change_id == change_record.c.change_id)
        .join(feed_entry, feed_entry.c.change_id == change.c.change_id)
        .where(change.c.kind.in_(kinds))
    )


def _granted(connection: sa.Connection, consumer_id: str, on: date | None) -> Mapping[RecordKind, Granted]:
    day = sa.literal(on, sa.Date) if on else sa.cast(sa.func.timezone("Asia/Ho_Chi_Minh", sa.func.now()), sa.Date)
    rows = connection.execute(
        sa.select(consumer_grant.c.kind, consumer_grant.c.fields, consumer_grant.c.province_codes).where(
            consumer_grant.c.consumer_id == consumer_id,
            sa.func.coalesce(consumer_grant.c.granted_from, day) <= day,
            sa.func.coalesce(consumer_grant.c.granted_until, day) >= day,
        )
    ).all()
    if not rows:
        raise RejectedRequestError(
            "CONSUMER_UNKNOWN",
            "No such registry, or it has no grant.",
            next_step="check the registry's name, or have its grant entered.",
        )
    granted = (Granted(RecordKind(row.kind), row.fields, row.province_codes) for row in rows)
    return {one.kind: one for one in sorted(granted, key=lambda one: one.kind)}


def _acknowledged(connection: sa.Connection, consumer_id: str, *, for_update: bool = False) -> Cursor:
    query = sa.select(consumer.c.acknowledged_epoch, consumer.c.acknowledged).where(
        consumer.c.consumer_id == consumer_id
    )
    epoch, sequence = connection.execute(query.with_for_update() if for_update else query).one()
    return Cursor(epoch=epoch, sequence=sequence)


def _head(connection: sa.Connection) -> Cursor:
    row = connection.execute(sa.select(feed_head.c.epoch, feed_head.c.feed_seq)).one()
    return Cursor(epoch=row.epoch, sequence=row.feed_seq)


def _check_epoch(cursor: Cursor, newest: Cursor) -> None:
    if cursor.epoch != newest.epoch:
        raise RejectedRequestError(
            "CURSOR_EPOCH",
            f"The cursor is of epoch {cursor.epoch}; the feed is in epoch {newest.epoch}.",
            next_step="take a snapshot and go on from its cursor.",
        )


def _check_cursor(cursor: Cursor, newest: Cursor) -> None:
    _check_epoch(cursor, newest)
    if not 0 <= cursor.sequence <= newest.sequence:
        raise RejectedRequestError(
            "CURSOR_INVALID",
            f"The cursor points to {cursor.sequence}; the feed reaches from 0 to {newest.sequence}.",
            next_step="use a cursor that this feed gave out.",
        )


def _check_kept(connection: sa.Connection, cursor: Cursor) -> None:
    """A place in the feed has to be one after which no change was let go."""
    earliest = feed_pages.earliest(connection)
    if cursor.sequence < earliest:
        raise RejectedRequestError(
            "CURSOR_EXPIRED",
            f"The cursor points to {cursor.sequence}; the feed is kept from {earliest} on.",
            next_step="take a snapshot and go on from its cursor.",
        )
