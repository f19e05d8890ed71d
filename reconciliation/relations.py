"""Set-based steps over Arrow tables, run by an engine in this process."""

from collections.abc import Mapping
from functools import cache

import duckdb
import pyarrow as pa

THREADS = 2
MEMORY = "2GB"
_FEW = 20_000  # rows in all: to wake a second thread for so few takes longer than what it would do


def select(
    query: str, schema: pa.Schema, /, *, given: Mapping[str, object] | None = None, **tables: pa.Table
) -> pa.Table:
    """The rows of `query` over the named `tables`, as a table of `schema`. `given` are the query's $parameters.

    The query says how its rows are ordered. Of tables without any row there are none, whatever the query: most
    provinces have no row of something, and to plan a query takes longer than to run it over a few.
    """
    rows = sum(table.num_rows for table in tables.values())
    if not rows:
        return schema.empty_table()
    connection = _engine(1 if rows < _FEW else THREADS).cursor()
    try:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query, params=dict(given or {})).to_arrow_table().select(schema.names).cast(schema)
    finally:
        connection.close()


@cache
def _engine(threads: int) -> duckdb.DuckDBPyConnection:
    """One engine a process and number of threads; each query has a connection, and so names, of its own."""
    return duckdb.connect(":memory:", config={"threads": str(threads), "memory_limit": MEMORY})
