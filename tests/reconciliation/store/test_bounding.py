"""A call's time in the database: statements end with it, a cancelled call's at once, and nobody else's."""

import threading
import time
from contextvars import copy_context

import pytest
import sqlalchemy as sa

from reconciliation.errors import RetryableStoreError
from reconciliation.store.bounding import bounded

SLEEP = sa.text("SELECT pg_sleep(20)")
LIMITS = sa.text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")


def milliseconds(shown: str) -> int:
    """A time limit as PostgreSQL shows it."""
    return int(shown.removesuffix("ms")) if shown.endswith("ms") else 1_000 * int(shown.removesuffix("s"))


def test_a_statement_ends_when_the_call_has_no_time_left(engine: sa.Engine) -> None:
    started = time.monotonic()

    with bounded(0.2), pytest.raises(RetryableStoreError), engine.connect() as connection:
        connection.execute(SLEEP)

    assert time.monotonic() - started < 10


def test_the_limits_are_those_of_the_call_and_of_its_transaction_only(engine: sa.Engine) -> None:
    with bounded(5.0), engine.begin() as connection:
        short = connection.execute(LIMITS).one()
    with bounded(30.0), engine.begin() as connection:
        longer = connection.execute(LIMITS).one()
    with bounded(3_600.0), engine.begin() as connection:
        long = connection.execute(LIMITS).one()
    with bounded(None), engine.begin() as connection:
        unknown = connection.execute(LIMITS).one()
    with engine.begin() as connection:
        usual = connection.execute(LIMITS).one()

    assert all(0 < milliseconds(text) <= 5_000 for text in short)
    assert 10_000 < milliseconds(longer[0]) <= 30_000
    assert longer[1] == "10s"
    assert long == unknown == usual == ("1min", "10s")


def test_a_call_that_is_over_asks_for_nothing_more(engine: sa.Engine) -> None:
    with bounded(10.0) as bound:
        bound.cancel()
        with pytest.raises(RetryableStoreError, match="Nobody waits"), engine.begin():
            pass

    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_a_cancelled_call_stops_its_own_statement_and_no_other(engine: sa.Engine) -> None:
    running = sa.text("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(20)' AND state = 'active'")
    ended: list[str] = []

    def work() -> None:
        try:
            with engine.connect() as connection:
                connection.execute(SLEEP)
        except RetryableStoreError:
            ended.append("cancelled")

    with bounded(30.0) as bound:
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(work,))
        thread.start()
        watching = engine.execution_options(isolation_level="AUTOCOMMIT")
        while not _count(watching, running):
            assert thread.is_alive()
        bound.cancel()
        thread.join(timeout=10)

    assert not thread.is_alive()
    assert ended == ["cancelled"]
    with engine.connect() as connection:  # the one that was cancelled is as good as any
        assert connection.scalar(sa.text("SELECT 1")) == 1


def _count(engine: sa.Engine, statement: sa.TextClause) -> int:
    with bounded(None), engine.connect() as connection:
        return int(connection.scalar(statement) or 0)
