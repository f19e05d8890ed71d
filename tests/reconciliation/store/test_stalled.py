"""A COPY is ended when it gets no further, and only then."""

import time
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from reconciliation.store.stalled import StalledCopies

SECONDS = 0.2


@pytest.fixture
def copying(engine: sa.Engine) -> Iterator[tuple[psycopg.Connection, psycopg.Copy]]:
    """A session of ours in the middle of a COPY."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        connection.exec_driver_sql("CREATE TEMPORARY TABLE line (said text)")
        with driver.cursor() as cursor, pytest.raises(psycopg.Error):
            with cursor.copy("COPY line FROM STDIN") as copy:
                yield driver, copy
                raise psycopg.InterfaceError("the test is over")
        connection.invalidate()


def send(engine: sa.Engine, copy: psycopg.Copy) -> None:
    """Send a megabyte, and wait until PostgreSQL has taken in more than it had."""
    before = taken_in(engine)
    copy.write("x" * (1 << 20) + "\n")
    while taken_in(engine) == before:
        time.sleep(0.01)


def taken_in(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.text("SELECT sum(bytes_processed) FROM pg_stat_progress_copy"))


def test_a_copy_that_gets_no_further_is_ended_once_it_was_seen_so_for_as_long(engine, copying):
    driver, copy = copying
    pid, copies = driver.info.backend_pid, StalledCopies()
    send(engine, copy)

    told = [copies.end(engine, after_seconds=SECONDS)]
    time.sleep(SECONDS)
    told.append(copies.end(engine, after_seconds=SECONDS))

    assert told == [0, 1]
    with pytest.raises(psycopg.OperationalError):
        for _ in range(100):
            copy.write("x" * (1 << 20))
    with engine.connect() as connection:
        ended = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        assert connection.scalar(ended, {"pid": pid}) == 0


def test_a_copy_that_gets_further_between_two_looks_goes_on(engine, copying):
    _, copy = copying
    copies = StalledCopies()

    told = []
    for _ in range(3):
        send(engine, copy)
        told.append(copies.end(engine, after_seconds=SECONDS))
        time.sleep(SECONDS)

    assert told == [0, 0, 0]


def test_a_session_that_is_not_ours_is_left_alone(engine, database_url):
    copies = StalledCopies()
    plain = sa.make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as other:
        other.execute("CREATE TEMPORARY TABLE line (said text)")
        with other.cursor().copy("COPY line FROM STDIN") as copy:
            send(engine, copy)
            copies.end(engine, after_seconds=SECONDS)
            time.sleep(SECONDS)

            assert copies.end(engine, after_seconds=SECONDS) == 0
