"""Records of one pool ──► every pair worth it, compared once: what teaching counts and deciding weighs.

Pairs are made and compared in portions, and only the levels they reach are kept, so that memory is bounded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.blocking import PAIRS_SQL, block
from reconciliation.linkage import Linkage, compared_sql
from reconciliation.persons import PERSONS


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What linking may take: threads, memory of the engine, and pairs compared at a time."""

    threads: int = 2
    memory_megabytes: int = 768
    pairs_at_a_time: int = 500_000


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The engine with `candidates` and `compared`: (one, other, rule, veto, a level per comparison), one < other."""

    connection: duckdb.DuckDBPyConnection
    linkage: Linkage
    records: int
    blocks: pa.Table  # blocking.BLOCKS
    tallies: pa.Table  # linkage.TALLIES by which names are rare


def connect(effort: Effort, folder: Path) -> duckdb.DuckDBPyConnection:
    """An engine of its own, in memory, within the stated bounds; what has no room there waits in `folder`."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": effort.threads,
        "memory_limit": f"{effort.memory_megabytes}MB",
        "temp_directory": str(folder),
        "preserve_insertion_order": False,  # whatever leaves the engine is sorted by its keys
    }
    return duckdb.connect(":memory:", config=settings)


@contextmanager
def pooled(
    records: pa.Table,
    *,
    linkage: Linkage = PERSONS,
    tallies: pa.Table | None = None,
    effort: Effort | None = None,
) -> Iterator[Pool]:
    """Compare all pairs of the records (linkage.records); at the end the engine is closed and nothing of it is left.

    Names are as frequent as `tallies` (linkage.TALLIES) say, where they are given, else as they are in the pool.
    """
    effort = effort or Effort()
    with TemporaryDirectory(prefix="lienthong-linkage-") as folder, connect(effort, Path(folder)) as connection:
        counted = linkage.prepare(connection, records, tallies=tallies)
        pa.default_memory_pool().release_unused()  # the columns that the engine has read
        blocks = block(connection, linkage.rules)
        compare(connection, linkage, blocks, effort)
        yield Pool(connection=connection, linkage=linkage, records=records.num_rows, blocks=blocks, tallies=counted)


@contextmanager
def prepared(records: pa.Table, *, linkage: Linkage, effort: Effort) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with `candidates` of the records, of which no pair is made yet."""
    with TemporaryDirectory(prefix="lienthong-linkage-") as folder, connect(effort, Path(folder)) as connection:
        linkage.prepare(connection, records)
        pa.default_memory_pool().release_unused()  # the columns that the engine has read
        yield connection


def compare(
    connection: duckdb.DuckDBPyConnection,
    linkage: Linkage,
    blocks: pa.Table,
    effort: Effort,
    *,
    pairs_sql: str = PAIRS_SQL,
) -> None:
    """Create `compared` of all pairs of `postings`, or of those that `pairs_sql` makes.

    Pairs are listed before any is compared: only so the engine knows how few they are beside the records, and keeps
    them at hand while it reads the records, not the other way round.
    """
    most = effort.pairs_at_a_time
    parts = 1 + (pc.sum(blocks["pairs"]).as_py() or 0) // most
    for part in range(parts):
        _put(connection, "listed", pairs_sql, is_first=part == 0, parts=parts, part=part)
    pairs = connection.sql("select count(*) from listed").fetchall()[0][0]
    for first in range(0, max(pairs, 1), most):
        if pairs > most:
            some = f"from listed where rowid between {first} and {first + most - 1}"
            connection.execute(f"create or replace temp table portion as {some}")
        query = compared_sql(linkage, "from portion" if pairs > most else "from listed")
        _put(connection, "compared", query, is_first=first == 0)
    for table in ("listed", "portion"):
        connection.execute(f"drop table if exists {table}")


def _put(connection: duckdb.DuckDBPyConnection, table: str, query: str, *, is_first: bool, **parameters: int) -> None:
    """Create the table of the query's rows, or put them into it."""
    verb = f"create temp table {table} as" if is_first else f"insert into {table}"
    connection.execute(f"{verb} {query}", parameters)
