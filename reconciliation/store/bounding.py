"""The time that a call has left, carried into its transactions: what nobody waits for any more is not worked on."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
import sqlalchemy as sa

from reconciliation.errors import RetryableStoreError

_CANCEL_SECONDS = 5.0
_LIMIT = "SELECT set_config('statement_timeout', %(ms)s, true), set_config('lock_timeout', %(lock_ms)s, true)"


class Bound:
    """What one call may still ask of the database, from whatever thread it asks."""

    def __init__(self, seconds: float | None) -> None:
        self._ends_at = None if seconds is None else time.monotonic() + seconds
        self._lock = threading.Lock()
        self._working: dict[sa.Connection, psycopg.Connection[Any]] = {}
        self._is_over = False

    def left(self) -> float | None:
        """Seconds until nobody waits any more; None when that is not known."""
        return None if self._ends_at is None else self._ends_at - time.monotonic()

    def cancel(self) -> None:
        """Stop the statements that run for the call and refuse further ones. What is being committed stays."""
        # A connection is given back under the same lock, so that nobody else's statement can be hit.
        with self._lock:
            self._is_over = True
            for connection in self._working.values():
                connection.cancel_safe(timeout=_CANCEL_SECONDS)

    def begin(self, connection: sa.Connection) -> psycopg.Connection[Any]:
        """Note that `connection` works for the call. Raises RetryableStoreError when the call is over."""
        driver = connection.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise TypeError("the engine is not one of psycopg")
        with self._lock:
            if self._is_over:
                raise RetryableStoreError("Nobody waits for the call any more. Next: send the same again.")
            self._working[connection] = driver
        return driver

    def end(self, connection: sa.Connection) -> None:
        """Note that it does no longer, or that nothing may stop what it does now."""
        with self._lock:
            self._working.pop(connection, None)


_current: ContextVar[Bound | None] = ContextVar("bound", default=None)


@contextmanager
def bounded(seconds: float | None) -> Iterator[Bound]:
    """Transactions begun in this context, or in a thread that was given a copy of it, end within `seconds`."""
    bound = Bound(seconds)
    token = _current.set(bound)
    try:
        yield bound
    finally:
        _current.reset(token)


def attach(engine: sa.Engine, *, statement_seconds: float, lock_seconds: float) -> None:
    """Let the transactions of `engine` keep to the bound of their context; the engine's own limits stay the most."""

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        bound = _current.get()
        if bound is None:
            return
        driver = bound.begin(connection)
        left = bound.left()
        if left is None or left >= statement_seconds:
            return
        ms = max(1, round(left * 1000))
        try:
            driver.execute(_LIMIT, {"ms": str(ms), "lock_ms": str(min(ms, round(lock_seconds * 1000)))})
        except psycopg.Error as error:
            bound.end(connection)
            raise RetryableStoreError("The database did not answer. Next: send the same again.") from error

    @sa.event.listens_for(engine, "commit")
    @sa.event.listens_for(engine, "rollback")
    def _end(connection: sa.Connection) -> None:
        bound = _current.get()
        if bound is not None:
            bound.end(connection)
