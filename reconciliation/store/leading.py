"""One of several processes leads: what must be done once is done by who holds a lock of the database's."""

import threading

import sqlalchemy as sa

from reconciliation.errors import RetryableStoreError


class Lead:
    """A claim to lead in `what`, held by a connection of its own: it ends with the process, or with its database."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._connection: sa.Connection | None = None
        self._is_over = False
        self._claiming = threading.RLock()  # who ends it may find a thread of the store still asking

    def held(self, engine: sa.Engine) -> bool:
        """Whether this process leads now; it does as soon as nobody else does, until `end`.

        Raises RetryableStoreError when the database does not answer; the lead is given up then.
        """
        with self._claiming:
            return not self._is_over and self._claim(engine)

    def end(self) -> None:
        """Let another lead, for good."""
        with self._claiming:
            self._is_over = True
            self._give_up()

    def _claim(self, engine: sa.Engine) -> bool:
        try:
            if self._connection is not None:
                self._connection.execute(sa.select(1))
                return True
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(sa.func.hashtextextended(self._what, 1)))):
                self._connection = connection
                return True
            connection.close()
        except RetryableStoreError:
            self._give_up()
            raise
        return False

    def _give_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()  # ends the session, and the lock with it
            connection.close()
