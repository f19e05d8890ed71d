"""Promises broken on purpose, in a gateway of the nemesis's own, to see that breaking them is noticed."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gateway.v1 import intake_pb2
from gateway.wire import intake as wire
from reconciliation.model import Cursor, FeedPage, Outcome
from reconciliation.store import feed, landing

LATE_SECONDS = 0.15


class _LateEngine:
    """An engine whose transactions say that they are committed a while before they are."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        connection = self._engine.connect()
        transaction = connection.begin()
        try:
            yield connection
        except BaseException:
            transaction.rollback()
            connection.close()
            raise

        def commit() -> None:
            transaction.commit()
            connection.close()

        threading.Timer(LATE_SECONDS, commit).start()


Land = Callable[..., Any]


def _around(wrap: Callable[[Land], Land]) -> None:
    """Put something around what lands batches, alone or together. All take the engine first."""
    for name in ("land", "land_many"):
        if hasattr(landing, name):
            setattr(landing, name, wrap(getattr(landing, name)))


def _afterwards(statement: str) -> None:
    """Do this to the database after each landing."""

    def wrap(land: Land) -> Land:
        def spoiled(engine: sa.Engine, *arguments: Any, **named: Any) -> Any:
            verdict = land(engine, *arguments, **named)
            with engine.begin() as connection:
                connection.execute(sa.text(statement))
            return verdict

        return spoiled

    _around(wrap)


def acknowledge_before_commit() -> None:
    """The receipt leaves first, and its COMMIT follows if nothing happens."""

    def wrap(land: Land) -> Land:
        return lambda engine, *arguments, **named: land(_LateEngine(engine), *arguments, **named)

    _around(wrap)


def ignore_the_ledger() -> None:
    """Whether a batch has landed before is not asked, and the table does not mind."""

    def wrap(land: Land) -> Land:
        def unasked(engine: sa.Engine, *arguments: Any, **named: Any) -> Any:
            with engine.begin() as connection:
                for one in sa.inspect(connection).get_unique_constraints("batch"):
                    if "sequence" in one["column_names"]:
                        connection.execute(sa.DDL(f"ALTER TABLE batch DROP CONSTRAINT IF EXISTS {one['name']}"))
            return land(engine, *arguments, **named)

        return unasked

    _around(wrap)
    for name, nothing in (("_stored_receipt", None), ("find_known", {})):
        if hasattr(landing, name):
            setattr(landing, name, lambda *_, __nothing=nothing, **__: __nothing)


def trust_the_sender_clock() -> None:
    """A batch is dated by the clock of who sent it, and what shares its transaction with it."""
    read_hello = wire.read_hello
    skews: dict[str, timedelta] = {}

    def listening(message: intake_pb2.PushRequest) -> intake_pb2.Hello:
        hello = read_hello(message)
        if hello.HasField("client_time"):
            skews[hello.source_id] = hello.client_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)
        return hello

    def wrap(land: Land) -> Land:
        def believing(engine: sa.Engine, what: Any, *more: Any, now: datetime, **named: Any) -> Any:
            first = what[0].batch if isinstance(what, Sequence) else what
            return land(engine, what, *more, now=now + skews.get(first.source_id, timedelta()), **named)

        return believing

    wire.read_hello = listening
    _around(wrap)


def land_half() -> None:
    """Of what has landed a record is gone."""
    _afterwards("DELETE FROM person_record WHERE record_id = (SELECT max(record_id) FROM person_record)")


def overwrite_by_late_versions() -> None:
    """Whatever comes last stands."""
    _afterwards(
        """UPDATE record_head h SET record_id = r.record_id, source_version = r.source_version
           FROM (SELECT DISTINCT ON (source_id, source_record_id) * FROM person_record
                 ORDER BY source_id, source_record_id, record_id DESC) r
           WHERE (h.source_id, h.source_record_id) = (r.source_id, r.source_record_id)"""
    )


def land_for_another() -> None:
    """What has landed waits in the province next door."""
    _afterwards("UPDATE update_state SET province_code = '79'")


def read_by_number() -> None:
    """The feed is whatever has a higher change_id than what was read: ids are given out before commit."""
    newer = """
        WITH added AS (
            INSERT INTO feed_entry (feed_seq, change_id, published_at)
            SELECT change_id, change_id, now() FROM change, feed_head WHERE change_id > feed_seq RETURNING feed_seq)
        UPDATE feed_head SET feed_seq = greatest(feed_seq, (SELECT max(feed_seq) FROM added))"""

    def numbered(engine: sa.Engine, **_: Any) -> int:
        with engine.begin() as connection:
            if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(feed.SEQUENCER_LOCK))):
                connection.execute(sa.text(newer))
        return 0

    feed.sequence = numbered


def skip_the_horizon() -> None:
    """What is committed is given its place at once, whoever is still at work."""
    sequence = feed.sequence

    def impatient(engine: sa.Engine, **named: Any) -> int:
        if not sa.event.contains(engine, "before_cursor_execute", _without_horizon):
            sa.event.listen(engine, "before_cursor_execute", _without_horizon, retval=True)
        return sequence(engine, **named)

    feed.sequence = impatient


def _without_horizon(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
    return statement.replace("pg_snapshot_xmin(", "pg_snapshot_xmax("), parameters


def acknowledge_beyond_what_was_sent() -> None:
    """Whatever is acknowledged, all that there is counts as read."""
    acknowledge = feed.acknowledge

    def beyond(engine: sa.Engine, *, upto: Cursor, **named: Any) -> int:
        acknowledge(engine, upto=upto, **named)
        return acknowledge(engine, upto=feed.head(engine), **named)

    feed.acknowledge = beyond


def believe_what_is_reported() -> None:
    """An outcome of a change that was never sent is taken: whatever is asked of it is skipped."""

    def believing(_: sa.Engine, *, outcomes: Sequence[Outcome], **__: Any) -> int:
        return len(outcomes)

    feed.report = believing


def give_more_than_granted() -> None:
    """Every registry is given an address, too."""
    fetch = feed.fetch

    def generous(engine: sa.Engine, **named: Any) -> FeedPage:
        page = fetch(engine, **named)
        tables = {
            kind: table if "address" in table.column_names else table.append_column("address", table["subject_id"])
            for kind, table in page.tables.items()
        }
        return replace(page, tables=tables)

    feed.fetch = generous


def forget_the_changes_of_a_page() -> None:
    """Of each page the last change is missing, and the cursor goes on all the same."""
    fetch = feed.fetch

    def forgetful(engine: sa.Engine, **named: Any) -> FeedPage:
        page = fetch(engine, **named)
        tables = {kind: table.slice(0, max(0, table.num_rows - 1)) for kind, table in page.tables.items()}
        return replace(page, tables=tables)

    feed.fetch = forgetful


SABOTAGES: Mapping[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        acknowledge_before_commit,
        ignore_the_ledger,
        trust_the_sender_clock,
        land_half,
        overwrite_by_late_versions,
        land_for_another,
        read_by_number,
        skip_the_horizon,
        acknowledge_beyond_what_was_sent,
        believe_what_is_reported,
        give_more_than_granted,
        forget_the_changes_of_a_page,
    )
}
