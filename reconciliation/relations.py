"""Set-based steps over Arrow tables, run by an engine in this process."""

from collections.abc import Mapping
from functools import cache

import duckdb
import pyarrow as pa

THREADS = 2
MEMORY = "2GB"


def select(
    query: str, schema: pa.Schema, /, *, given: Mapping[str, object] | None = None, **tables: pa.Table
) -> pa.Table:
    """The rows of `query` over the named `tables`, as a table of `schema`. `given` are the query's $parameters.

    The query says how its rows are ordered.
    """
    connection = _engine().cursor()
    try:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query, params=dict(given or {})).to_arrow_table().select(schema.names).cast(schema)
    finally:
        connection.close()


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """One engine a process; each query has a connection, and so names, of its own."""
    return duckdb.connect(":memory:", config={"threads": str(THREADS), "memory_limit": MEMORY})
