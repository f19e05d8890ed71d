"""Arrow tables in and out of PostgreSQL by COPY, in the caller's transaction."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pgpq
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from reconciliation.errors import RetryableStoreError, StoreFullError
from reconciliation.store.engine import NO_ROOM, is_full, is_passing, unavailable
from reconciliation.store.isolation import LEAVE, RETURN, has_to_step_out

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def copy_in(connection: sa.Connection, target: sa.Table, rows: pa.Table) -> None:
    """Append `rows` to `target`; columns are matched by name, those `rows` lacks take their default.

    Raises RetryableStoreError when the database goes away; nothing of the transaction remains then.
    """
    if not rows.num_rows:
        return
    preparer = _DIALECT.identifier_preparer
    columns = ", ".join(preparer.quote(name) for name in rows.column_names)
    statement = f"COPY {preparer.format_table(target)} ({columns}) FROM STDIN (FORMAT binary)"
    encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.schema)
    with _copying(connection, statement, steps_out=has_to_step_out(connection, target)) as copy:
        copy.write(encoder.write_header())
        for batch in rows.combine_chunks().to_batches():
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())


def copy_out(connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema) -> pa.Table:
    """The rows of `query` as a table of `schema`, whose names and order are the query's own.

    Raises RetryableStoreError when the database goes away.
    """
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    received = io.BytesIO()
    with _copying(connection, f"COPY ({compiled}) TO STDOUT (FORMAT csv)", compiled.params) as copy:
        for block in copy:
            received.write(block)
    if not received.tell():
        return schema.empty_table()
    received.seek(0)
    read = pa_csv.read_csv(
        received,
        read_options=pa_csv.ReadOptions(column_names=schema.names, block_size=1 << 24),
        # A null that is all of a row is an empty line.
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=schema,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return read.cast(schema)


def staged(connection: sa.Connection, name: str, rows: pa.Table) -> sa.Table:
    """A temporary table of this transaction that holds `rows`, for set-based statements to join."""
    table = _staged_table(name, rows.schema)
    table.create(connection)
    copy_in(connection, table, rows)
    connection.execute(sa.text("ANALYZE " + _DIALECT.identifier_preparer.format_table(table)))
    return table


def upsert(
    connection: sa.Connection, target: sa.Table, rows: pa.Table, *, key: list[str], silent: Sequence[str] = ()
) -> tuple[sa.Table, int]:
    """Insert what is new, update what differs, touch nothing else; return the staged `rows` and how many were written.

    A difference in the columns `silent` alone is none.
    """
    source = staged(connection, f"new_{target.name}", rows)
    insert = postgresql.insert(target).from_select(
        rows.column_names, sa.select(source).order_by(*(source.c[name] for name in key))
    )
    values = [name for name in rows.column_names if name not in key]
    compared = [name for name in values if name not in silent]
    differs = sa.or_(*(target.c[name].is_distinct_from(insert.excluded[name]) for name in compared))
    written = connection.execute(
        insert.on_conflict_do_update(
            index_elements=key, set_={name: insert.excluded[name] for name in values}, where=differs
        )
    ).rowcount
    return source, written


def these(ids: Sequence[int]) -> sa.Select[tuple[int]]:
    """The given ids as a query, for statements that take one."""
    return sa.select(sa.func.unnest(sa.cast(list(ids), postgresql.ARRAY(sa.BigInteger))))


def reserve(connection: sa.Connection, sequence: sa.Sequence, count: int) -> Sequence[int]:
    """`count` fresh values of `sequence`, rising. They may have gaps; no order is built on them."""
    series = sa.func.generate_series(1, count).table_valued("n")
    return connection.scalars(sa.select(sequence.next_value()).select_from(series)).all()


@contextmanager
def _copying(
    connection: sa.Connection,
    statement: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    steps_out: bool = False,
) -> Iterator[psycopg.Copy]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  the engine is made in engine.py only
    try:
        with driver.cursor() as cursor:
            if steps_out:
                cursor.execute(LEAVE)
            with cursor.copy(statement.encode(), parameters) as copy:
                yield copy
            if steps_out:
                cursor.execute(RETURN)
    except psycopg.Error as error:
        if is_full(error):
            raise StoreFullError(NO_ROOM) from error
        if driver.closed or is_passing(error):
            raise RetryableStoreError(unavailable(error)) from error
        raise


@lru_cache(maxsize=64)
def _staged_table(name: str, schema: pa.Schema) -> sa.Table:
    """One object a name and shape, so that a statement over it is compiled once a process."""
    return sa.Table(
        name,
        sa.MetaData(),
        *(sa.Column(field.name, _staged_type(field.type)) for field in schema),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _staged_type(kind: pa.DataType) -> sa.types.TypeEngine[Any]:
    known: dict[pa.DataType, sa.types.TypeEngine[Any]] = {
        pa.string(): sa.Text(),
        pa.int8(): sa.SmallInteger(),
        pa.int16(): sa.SmallInteger(),
        pa.int32(): sa.Integer(),
        pa.int64(): sa.BigInteger(),
        pa.date32(): sa.Date(),
        pa.float64(): sa.Double(),
        pa.bool_(): sa.Boolean(),
        pa.binary(): sa.LargeBinary(),
        pa.list_(pa.string()): postgresql.ARRAY(sa.Text),
    }
    return known[kind]
