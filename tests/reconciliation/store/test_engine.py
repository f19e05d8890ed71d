"""A lost database, a time limit and a full pool are one error of ours, which says nothing of anybody's data."""

import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import FatalStoreError, RetryableStoreError, UnreachableStoreError
from reconciliation.model import Cursor
from reconciliation.store import copying, embedded, feed, landing, status, stuck, tables
from reconciliation.store import engine as engines
from tests.database import ship_grants
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source
from tests.reconciliation.store.places import copied

SOMEBODY = "Lò Thị Mẩy"
NAMES = pa.table({"source_record_id": [SOMEBODY]})


@pytest.fixture
def limited(database_url: str) -> Iterator[Callable[..., sa.Engine]]:
    """Makes an engine on the test's database with the given settings."""
    made = []

    def make(pool_size: int = 4, **settings: str) -> sa.Engine:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        url = sa.make_url(database_url).update_query_dict({"options": options})
        made.append(engines.connect(url.render_as_string(hide_password=False), pool_size=pool_size))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def land(engine: sa.Engine, sequence: int) -> None:
    one = normalised(rows(RecordKind.PERSON, {"source_record_id": f"{SOMEBODY} {sequence}", "full_name": SOMEBODY}))
    landing.land(engine, batch(sequence, payload=f"{sequence}".encode()), one, source=source(), now=NOW)


def copy_names_in(connection: sa.Connection) -> None:
    copying.copy_in(connection, sa.table("kept", sa.column("source_record_id", sa.Text)), NAMES)


def copy_names_out(connection: sa.Connection) -> pa.Table:
    query = sa.select(sa.literal(SOMEBODY).label("source_record_id"))
    return copying.copy_out(connection, query, NAMES.schema)


@pytest.mark.parametrize(
    "url",
    [
        "nowhere",
        "mysql://lan:secret@db/lienthong",
        "postgresql+asyncpg://lan:secret@db/x",
        "postgresql://lan:secret@db:x/y",
    ],
)
def test_what_is_no_address_of_a_postgresql_is_said_so_and_not_repeated(url: str) -> None:
    with pytest.raises(FatalStoreError, match=r"LIENTHONG_DATABASE_URL .* Next: write it as") as refused:
        engines.migrate(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"database": "atlantis"}, 'database "atlantis" does not exist'),
        ({"username": "nobody_here"}, 'role "nobody_here" does not exist'),
        ({"host": "127.0.0.1", "port": 1, "query": {}}, "Connection refused"),
    ],
)
def test_a_database_that_cannot_be_had_at_a_start_is_named_with_the_cause(
    database_url: str, changed: dict[str, Any], cause: str
) -> None:
    url = sa.make_url(database_url).set(**changed, password="secret")  # noqa: S106 - nobody's

    with pytest.raises(UnreachableStoreError) as refused:
        engines.migrate(url.render_as_string(hide_password=False))

    for said in (str(refused.value), refused.value.vi):
        assert url.render_as_string(hide_password=True) in said
        assert "secret" not in said
    assert cause in str(refused.value)


def test_a_database_that_only_reads_is_told_at_a_start(database_url: str) -> None:
    only_read = {"options": "-c default_transaction_read_only=on"}
    url = sa.make_url(database_url).set(database="only_read").update_query_dict(only_read)
    made = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE only_read TEMPLATE template0"))
    try:
        with pytest.raises(UnreachableStoreError, match="can only be read"):
            engines.migrate(url.render_as_string(hide_password=False))
    finally:
        with made.connect() as connection:
            connection.execute(sa.text("DROP DATABASE only_read"))
        made.dispose()


def test_a_lost_database_can_be_asked_again_and_nothing_is_lost(place: Path, cluster: Path):
    server = embedded.start(copied(cluster, place / "postgres"))
    url = server.create_database("lost")
    engines.migrate(url)
    engine = engines.connect(url)
    ship_grants(engine)
    land(engine, 1)
    record = {"source_id": "yen-bai.population", "source_record_id": f"{SOMEBODY} 1", "now": NOW}
    calls: list[Callable[[], object]] = [
        lambda: land(engine, 2),
        lambda: status.status_by_record(engine, **record),
        lambda: feed.sequence(engine),
        lambda: feed.fetch(engine, consumer_id=SOMEBODY, after=Cursor(epoch=1, sequence=0), limit=1),
        lambda: stuck.by_state(engine),
        lambda: engines.require_schema(engine),
        lambda: engines.migrate(url),
    ]
    server.stop()

    for call in calls:
        for _ in range(2):  # with what was in the pool, and without
            with pytest.raises(RetryableStoreError) as lost:
                call()
            assert SOMEBODY not in str(lost.value)
            is_at_a_start = isinstance(lost.value, UnreachableStoreError)
            assert is_at_a_start == (call in calls[-2:])
            assert ("Next: see that it runs" if is_at_a_start else "Next: send the same again") in str(lost.value)

    with embedded.running(place / "postgres"):
        assert status.status_by_record(engine, **record) is not None
        land(engine, 2)
        assert landing.last_durable_sequence(engine, source_id="yen-bai.population", epoch="e1") == 2
    engine.dispose()


@pytest.mark.parametrize("use", [copy_names_in, copy_names_out, lambda connection: connection.commit()])
def test_a_database_lost_in_a_transaction_is_the_same_error(engine, use):
    with pytest.raises(RetryableStoreError) as lost, engine.begin() as connection, engine.connect() as other:
        connection.execute(sa.text("CREATE TABLE kept (source_record_id text)"))
        connection.execute(sa.text("INSERT INTO kept VALUES ('before')"))
        ours = connection.scalar(sa.select(sa.func.pg_backend_pid()))
        assert other.scalar(sa.select(sa.func.pg_terminate_backend(ours, 10_000)))
        use(connection)

    assert SOMEBODY not in str(lost.value)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT to_regclass('kept')")) is None


def test_a_session_is_limited_in_everything_it_could_hold(limited):
    engine = limited(search_path="somewhere")

    with engine.connect() as connection:
        settings = {
            name: connection.scalar(sa.text(f"SHOW {name}"))
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "timezone",
                "search_path",
                "application_name",
            )
        }

    assert settings == {
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
        "timezone": "UTC",
        "search_path": "somewhere",  # the URL's own
        "application_name": "lienthong",
    }


def test_waiting_too_long_for_a_lock_can_be_asked_again(engine, limited):
    waiting = limited(lock_timeout="50ms")
    with engine.begin() as holder:
        key = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("yen-bai.population", 0)))
        holder.execute(key)

        with pytest.raises(RetryableStoreError) as late:
            land(waiting, 1)

    assert "LockNotAvailable" in str(late.value)
    assert SOMEBODY not in str(late.value)
    land(waiting, 1)


def test_a_statement_that_takes_too_long_can_be_asked_again(limited):
    engine = limited(statement_timeout="50ms")
    slow = sa.select(sa.func.pg_sleep(60).cast(sa.Text).label("source_record_id"))

    with pytest.raises(RetryableStoreError, match="QueryCanceled"), engine.connect() as connection:
        connection.execute(slow)
    with pytest.raises(RetryableStoreError, match="QueryCanceled"), engine.connect() as connection:
        copying.copy_out(connection, slow, NAMES.schema)
    with engine.connect() as connection:
        assert copy_names_out(connection) == NAMES


@pytest.mark.parametrize("use", [lambda connection: connection.execute(sa.text("SELECT 1")), copy_names_out])
def test_a_transaction_that_hangs_is_ended_and_can_be_begun_again(limited, use):
    engine = limited(idle_in_transaction_session_timeout="50ms")

    with pytest.raises(RetryableStoreError), engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
        heard, _, _ = select.select([connection.connection.driver_connection.fileno()], [], [], 60)
        assert heard
        use(connection)


def test_two_that_lock_each_other_out_can_be_asked_again(engine, limited):
    impatient = limited(deadlock_timeout="50ms")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE pair AS SELECT n FROM generate_series(1, 2) AS n"))
    lock = sa.text("SELECT n FROM pair WHERE n = :n FOR UPDATE")

    def take(second: sa.Connection, number: int) -> str:
        try:
            second.execute(lock, {"n": number})
        except RetryableStoreError as error:
            second.rollback()
            return str(error)
        return "locked"

    with impatient.connect() as one, impatient.connect() as other, ThreadPoolExecutor(2) as pool:
        one.execute(lock, {"n": 1})
        other.execute(lock, {"n": 2})
        told = sorted(pool.map(take, (one, other), (2, 1)))

    assert told[1] == "locked"
    assert "DeadlockDetected" in told[0]


def test_a_standby_not_yet_promoted_can_be_asked_again(limited):
    with pytest.raises(RetryableStoreError, match="ReadOnly"):
        land(limited(default_transaction_read_only="on"), 1)


def test_a_pool_in_full_use_can_be_asked_again(limited):
    engine = limited(pool_size=1)
    engine.pool._timeout = 0.05

    with engine.connect(), pytest.raises(RetryableStoreError, match="TimeoutError"):
        stuck.by_state(engine)

    assert stuck.by_state(engine) == {}


def test_an_error_of_ours_shows_no_parameters(engine):
    missing = sa.table("no_such_table", sa.column("full_name", sa.Text))

    with pytest.raises(sa.exc.ProgrammingError) as ours, engine.begin() as connection:
        connection.execute(missing.insert().values(full_name=SOMEBODY))

    assert SOMEBODY not in str(ours.value)


def test_a_row_that_is_no_row_is_no_lost_database(engine):
    with pytest.raises(Exception, match="null value") as wrong, engine.begin() as connection:
        columns = {"record_id": pa.array([1], pa.int64()), "source_id": pa.array([None], pa.string())}
        copying.copy_in(connection, tables.record_tables[RecordKind.PERSON], pa.table(columns))

    assert not isinstance(wrong.value, RetryableStoreError)


def test_connections_that_a_restart_ended_are_replaced_and_nobody_notices(engine: sa.Engine) -> None:
    with engine.connect() as one, engine.connect() as another:  # two lie in the pool afterwards
        others = one.scalar(sa.text("SELECT pg_backend_pid()")), another.scalar(sa.text("SELECT pg_backend_pid()"))
    killer = engines.connect(engine.url.render_as_string(hide_password=False), pool_size=1)
    with killer.connect() as connection:
        for pid in others:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    killer.dispose()

    with engine.connect() as one, engine.connect() as another:
        after = one.scalar(sa.text("SELECT pg_backend_pid()")), another.scalar(sa.text("SELECT pg_backend_pid()"))

    assert set(after).isdisjoint(others)
