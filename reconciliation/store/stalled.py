"""Ends the COPY of a process that hangs: no limit of PostgreSQL does, and its locks hold up all that wait for them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from reconciliation.store.engine import APPLICATION

_Copy = tuple[int, datetime]  # the process of its session, and when it began

_WAITING = sa.text(
    "SELECT pid, query_start, bytes_processed, clock_timestamp() AS seen_at"
    " FROM pg_stat_progress_copy JOIN pg_stat_activity USING (pid, datname)"
    " WHERE datname = current_database() AND application_name = :application"
    " AND wait_event IN ('ClientRead', 'ClientWrite')"
)
_END = sa.text(
    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid = :pid AND query_start = :query_start"
)


@dataclass
class StalledCopies:
    """What one process has seen of the COPYs of all: how far each was, and since when it has been there."""

    _seen: dict[_Copy, tuple[int, datetime]] = field(default_factory=dict)

    def end(self, engine: sa.Engine, *, after_seconds: float) -> int:
        """End each COPY that waits for its client and was no less far `after_seconds` ago; return how many did end.

        Call it again and again: what it knows is what it saw. Time is the database's.
        """
        with engine.connect() as connection:
            rows = connection.execute(_WAITING, {"application": APPLICATION}).all()
            self._seen = {
                (row.pid, row.query_start): self._since(row.pid, row.query_start, row.bytes_processed, row.seen_at)
                for row in rows
            }
            limit = timedelta(seconds=after_seconds)
            stalled = [
                {"pid": row.pid, "query_start": row.query_start}
                for row in rows
                if row.seen_at - self._seen[row.pid, row.query_start][1] >= limit
            ]
            return sum(connection.execute(_END, one).scalar_one() for one in stalled)

    def _since(self, pid: int, began: datetime, amount: int, seen_at: datetime) -> tuple[int, datetime]:
        before = self._seen.get((pid, began))
        return before if before and before[0] == amount else (amount, seen_at)
