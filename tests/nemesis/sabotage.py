"""Promises broken on purpose, in a gateway of the nemesis's own, to see that breaking them is noticed."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gateway.v1 import intake_pb2
from gateway.wire import intake as wire
from reconciliation.store import landing

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


SABOTAGES: Mapping[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        acknowledge_before_commit,
        ignore_the_ledger,
        trust_the_sender_clock,
        land_half,
        overwrite_by_late_versions,
        land_for_another,
    )
}
