"""How long the feed is kept, for whom, and how far each registry is behind.

A change is let go once a later one of its subject is in everybody's hands and old enough; the newest change of every
subject stays for ever, so that a snapshot is always the feed, folded. What a registry has not acknowledged goes only
where an operator says so; that registry then hears CURSOR_EXPIRED and takes a snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from reconciliation.errors import RejectedRequestError
from reconciliation.model import Following, OutcomeKind, State
from reconciliation.store import feed_pages
from reconciliation.store.tables import (
    change,
    change_record,
    consumer,
    consumer_grant,
    feed_entry,
    feed_head,
    feed_outcome,
    feed_purge,
    golden_head,
    golden_tables,
    update_state,
)

PURGE_LOCK = 7_405_004  # any number that nothing else locks
_STATEMENT_SECONDS = 600

# An update in one of these still needs to know which change carries it.
_OPEN = (State.AWAITING_PULL, State.AWAITING_OUTCOME, State.AWAITING_STEWARD)


@dataclass(frozen=True, kw_only=True)
class Purge:
    """What a purge did: `purged_upto` is where reading begins, `changes` how many were let go now."""

    purged_upto: int
    changes: int
    expired: Sequence[str]  # the registries that have to take a snapshot


def following(engine: sa.Engine, *, consumer_id: str | None = None) -> list[Following]:
    """How far every registry with a grant is, or the one named, by id."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        return _following(connection, consumer_id)


def purge(
    engine: sa.Engine, *, keep: timedelta, now: datetime, by: str, why: str, leaving_behind: Sequence[str] = ()
) -> Purge:
    """Let go what is older than `keep` and acknowledged by every registry but those of `leaving_behind`.

    At most one purge runs at a time; a second does nothing. Running it again does nothing more.
    Raises RejectedRequestError CONSUMER_UNKNOWN when somebody without a grant is to be left behind.
    """
    with engine.begin() as connection:
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'"))
        before = feed_pages.earliest(connection)
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(PURGE_LOCK))):
            return Purge(purged_upto=before, changes=0, expired=())
        upto = _reach(connection, older_than=now - keep, leaving_behind=leaving_behind)
        if upto <= before:
            return Purge(purged_upto=before, changes=0, expired=())
        changes = _let_go(connection, upto)
        connection.execute(
            feed_purge.insert().values(purged_upto=upto, changes=changes, purged_at=now, purged_by=by, why=why)
        )
        expired = [one.consumer_id for one in _following(connection, None) if one.is_expired]
        return Purge(purged_upto=upto, changes=changes, expired=expired)


def _following(connection: sa.Connection, consumer_id: str | None) -> list[Following]:
    head, epoch = connection.execute(sa.select(feed_head.c.feed_seq, feed_head.c.epoch)).one()
    earliest = feed_pages.earliest(connection)
    is_of_now = consumer.c.acknowledged_epoch == epoch
    place = sa.case((is_of_now, consumer.c.acknowledged), else_=0)
    waiting = (
        sa.select(feed_entry.c.published_at)
        .where(feed_entry.c.feed_seq > place)
        .order_by(feed_entry.c.feed_seq)
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(
            consumer.c.consumer_id,
            place.label("acknowledged"),
            is_of_now.label("is_of_now"),
            waiting.label("since"),
        )
        .where(sa.exists().where(consumer_grant.c.consumer_id == consumer.c.consumer_id))
        .order_by(consumer.c.consumer_id)
    )
    if consumer_id is not None:
        query = query.where(consumer.c.consumer_id == consumer_id)
    return [
        Following(
            consumer_id=row.consumer_id,
            acknowledged=row.acknowledged,
            behind=max(0, head - row.acknowledged),
            waiting_since=row.since,
            earliest=earliest,
            is_expired=not row.is_of_now or row.acknowledged < earliest,
        )
        for row in connection.execute(query)
    ]


def _reach(connection: sa.Connection, *, older_than: datetime, leaving_behind: Sequence[str]) -> int:
    """Up to where changes may go: old enough, and acknowledged by all who count."""
    followers = {one.consumer_id: one for one in _following(connection, None)}
    if strange := sorted(set(leaving_behind) - set(followers)):
        raise RejectedRequestError(
            "CONSUMER_UNKNOWN",
            f"{' '.join(name[:80] for name in strange)}: no such registry, or it has no grant.",
            next_step="check the registry's name.",
        )
    old = connection.scalar(sa.select(sa.func.max(feed_entry.c.feed_seq)).where(feed_entry.c.published_at < older_than))
    # Who has to take a snapshot in any case holds nothing any more.
    counted = [one for name, one in followers.items() if name not in leaving_behind and not one.is_expired]
    return min([int(old or 0), *(one.acknowledged for one in counted)])


def _let_go(connection: sa.Connection, upto: int) -> int:
    """Delete the changes up to `upto` that a later one up to there superseded, and all that only they had."""
    later, entry = change.alias("later"), feed_entry.alias("entry")
    superseded = sa.exists().where(
        later.c.previous_change_id == change.c.change_id,
        entry.c.change_id == later.c.change_id,
        entry.c.feed_seq <= upto,
    )
    carried = sa.exists().where(
        change_record.c.change_id == change.c.change_id,
        update_state.c.record_id == change_record.c.record_id,
        update_state.c.state.in_([str(state) for state in _OPEN]),
    )
    refused = sa.exists().where(
        feed_outcome.c.feed_seq == feed_entry.c.feed_seq, feed_outcome.c.outcome == str(OutcomeKind.REFUSED)
    )
    stands = sa.exists().where(golden_head.c.change_id == change.c.change_id)
    gone = (
        sa.select(change.c.change_id, feed_entry.c.feed_seq)
        .join(feed_entry, feed_entry.c.change_id == change.c.change_id)
        .where(feed_entry.c.feed_seq <= upto, superseded, ~carried, ~refused, ~stands)
    )
    going = sa.Table(
        "going",
        sa.MetaData(),
        sa.Column("change_id", sa.BigInteger),
        sa.Column("feed_seq", sa.BigInteger),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    going.create(connection)
    count = connection.execute(going.insert().from_select(["change_id", "feed_seq"], gone)).rowcount
    ids = sa.select(going.c.change_id)
    connection.execute(feed_outcome.delete().where(feed_outcome.c.feed_seq.in_(sa.select(going.c.feed_seq))))
    for table in (feed_entry, change_record, *golden_tables.values(), change):
        connection.execute(table.delete().where(table.c.change_id.in_(ids)))
    return count
