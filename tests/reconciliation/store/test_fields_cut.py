"""Fields are cut in the database: what a registry was not granted is not read on its behalf, not even to drop it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.entitlements import read_grants
from reconciliation.model import FeedPage
from reconciliation.store import feed, tables
from reconciliation.store.engine import connect
from tests.reconciliation.store.changes import cursor, write

REFUSED = (sa.exc.ProgrammingError, psycopg.errors.InsufficientPrivilege)
ALWAYS = ("change_id", "subject_id")
CONSUMERS = sorted({grant.consumer_id for grant in read_grants()})


@contextmanager
def reading_only_what_is_granted(engine: sa.Engine, consumer_id: str) -> Iterator[sa.Engine]:
    """An engine whose sessions may read, of all golden columns, only those that a registry was granted."""
    role = f"reads_{consumer_id.replace('-', '_')}"
    golden = {table.name for table in tables.golden_tables.values()}
    with engine.begin() as connection:
        connection.execute(sa.DDL(f"CREATE ROLE {role}"))
        connection.execute(sa.DDL(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
        for name in golden:
            connection.execute(sa.DDL(f"REVOKE SELECT ON {name} FROM {role}"))
        for grant in (one for one in read_grants() if one.consumer_id == consumer_id):
            columns = ", ".join((*ALWAYS, *grant.fields))
            connection.execute(sa.DDL(f"GRANT SELECT ({columns}) ON golden_{grant.kind} TO {role}"))
    url = engine.url.update_query_dict({"options": f"-c role={role}"})
    reading = connect(url.render_as_string(hide_password=False), pool_size=1)
    try:
        yield reading
    finally:
        reading.dispose()
        with engine.begin() as connection:
            connection.execute(sa.DDL(f"DROP OWNED BY {role}"))
            connection.execute(sa.DDL(f"DROP ROLE {role}"))


def lived(engine: sa.Engine) -> None:
    """Changes of every kind, one of them with a version before it."""
    with engine.begin() as connection:
        first = write(connection, "a", full_name="one", address="Số 1")
        write(connection, "a", cause="UPDATED", previous=first, full_name="two", address="Số 2")
        write(connection, "h", kind=RecordKind.HOUSEHOLD)
        write(connection, "i", kind=RecordKind.INSURANCE)
    assert feed.sequence(engine) == 4


def fetched(engine: sa.Engine, reading: sa.Engine, consumer_id: str) -> FeedPage:
    return feed.fetch(reading, consumer_id=consumer_id, after=cursor(engine, 0), limit=10)


@pytest.mark.parametrize("consumer_id", CONSUMERS)
def test_a_page_and_a_snapshot_need_no_right_to_read_what_is_not_granted(engine: sa.Engine, consumer_id: str) -> None:
    lived(engine)

    with reading_only_what_is_granted(engine, consumer_id) as reading:
        page = fetched(engine, reading, consumer_id)
        _, held = feed.snapshot(reading, consumer_id=consumer_id)

    assert page.changes >= 3
    assert held[RecordKind.PERSON]["full_name"].to_pylist() == ["two"]


def test_cutting_fields_after_everything_was_read_is_noticed(engine: sa.Engine, monkeypatch) -> None:
    """Broken on purpose: all columns leave the database, and Python drops what was not granted."""
    lived(engine)
    granted = feed._granted

    def everything(connection: sa.Connection, consumer_id: str, *more: object) -> dict[RecordKind, object]:
        found = granted(connection, consumer_id, *more)
        names = {
            kind: [one.name for one in tables.golden_tables[kind].c if one.name not in _NO_FIELDS] for kind in found
        }
        return {kind: type(one)(one.kind, names[kind], one.province_codes) for kind, one in found.items()}

    monkeypatch.setattr(feed, "_granted", everything)

    with reading_only_what_is_granted(engine, "social-insurance") as reading, pytest.raises(REFUSED):
        fetched(engine, reading, "social-insurance")


_NO_FIELDS = {"change_id", "subject_id", "provenance"}
