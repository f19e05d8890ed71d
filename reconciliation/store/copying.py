"""Arrow tables in and out of PostgreSQL by COPY, in the caller's transaction."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import pgpq
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.generators import copy_to, execute
from sqlalchemy.dialects import postgresql

from reconciliation.errors import RetryableStoreError, StoreFullError
from reconciliation.store.arrays import NumbersType, numbers
from reconciliation.store.engine import NO_ROOM, is_full, is_passing, unavailable
from reconciliation.store.isolation import LEAVE, RETURN, has_to_step_out

_SENT_BYTES = 131_072  # at once; more could not be taken by libpq as a whole
_WELL = {psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.COPY_IN}
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
    encoded = [encoder.write_header(), *map(encoder.write_batch, rows.combine_chunks().to_batches()), encoder.finish()]
    if has_to_step_out(connection, target):
        _copy_outside(connection, statement, b"".join(encoded))
        return
    with _copying(connection, statement) as copy:
        copy.write(b"".join(encoded))


def copy_out(
    connection: sa.Connection,
    query: sa.Select[Any] | sa.Compiled,
    schema: pa.Schema,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> pa.Table:
    """The rows of `query` as a table of `schema`, whose names and order are the query's own.

    A query that is asked often comes compiled, with its `parameters` beside it.
    Raises RetryableStoreError when the database goes away.
    """
    with _copying(connection, *_out(connection, query, parameters)) as copy:
        received, _ = copy.connection.wait(_received(copy.connection.pgconn))
    return _read(received, schema)


def copy_out_in_parts(
    connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema, *, part_bytes: int = 8 << 20
) -> Iterator[pa.Table]:
    """As `copy_out`, in parts of `part_bytes` of text or a little more, each as soon as it has come."""
    is_more = True
    with _copying(connection, *_out(connection, query)) as copy:
        while is_more:
            received, is_more = copy.connection.wait(_received(copy.connection.pgconn, part_bytes))
            if received:
                yield _read(received, schema)


def _out(
    connection: sa.Connection, query: sa.Select[Any] | sa.Compiled, parameters: Mapping[str, Any] | None = None
) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(query, sa.Compiled):
        query = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    return f"COPY ({query}) TO STDOUT (FORMAT csv)", query.construct_params(parameters) or {}


def _received(line: psycopg.pq.abc.PGconn, part_bytes: float = math.inf) -> PQGen[tuple[bytearray, bool]]:
    """What a COPY sends, or a part of it, and whether there may be more.

    PostgreSQL sends each row in a message of its own. psycopg waits for each by itself, which takes longer than it.
    """
    received = bytearray()
    while len(received) < part_bytes:
        size, row = line.get_copy_data(1)
        if size > 0:
            received += row
        elif size == 0:
            while not (yield psycopg.waiting.Wait.R):
                pass
            line.consume_input()
        else:
            _check((yield from execute(line)))
            return received, False
    return received, True


def _read(received: bytearray, schema: pa.Schema) -> pa.Table:
    if not received:
        return schema.empty_table()
    read = pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(received)),
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
    analyze(connection, table)
    return table


def analyze(connection: sa.Connection, table: sa.Table) -> None:
    """Count a table for the planner."""
    connection.execute(sa.text("ANALYZE " + _DIALECT.identifier_preparer.format_table(table)))


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
    given = sa.bindparam("ids", numbers(np.array(ids, np.int64)), type_=NumbersType(), unique=True)
    return sa.select(sa.func.unnest(given, type_=sa.BigInteger))


def reserve(connection: sa.Connection, sequence: sa.Sequence, count: int) -> Sequence[int]:
    """`count` fresh values of `sequence`, rising. They may have gaps; no order is built on them."""
    series = sa.func.generate_series(1, count).table_valued("n")
    return connection.scalars(sa.select(sequence.next_value()).select_from(series)).all()


@contextmanager
def _copying(
    connection: sa.Connection, statement: str, parameters: Mapping[str, Any] | None = None
) -> Iterator[psycopg.Copy]:
    driver = _driver(connection)
    with _told(driver), driver.cursor() as cursor, cursor.copy(statement.encode(), parameters) as copy:
        yield copy


def _copy_outside(connection: sa.Connection, statement: str, encoded: bytes) -> None:
    """COPY outside the role in which the transaction speaks. To leave it, copy and return is one message."""
    driver = _driver(connection)
    message = b"; ".join([LEAVE, statement.encode(), RETURN])
    with _told(driver), driver.lock:
        driver.wait(_copied(driver.pgconn, message, encoded))


def _copied(line: psycopg.pq.abc.PGconn, message: bytes, encoded: bytes) -> PQGen[None]:
    """Send a message of statements of which one is a COPY, and what it copies."""
    line.send_query(message)
    _check((yield from execute(line)))
    for begin in range(0, len(encoded), _SENT_BYTES):
        yield from copy_to(line, encoded[begin : begin + _SENT_BYTES])
    while line.put_copy_end() == 0:
        yield psycopg.waiting.Wait.W
    _check((yield from execute(line)))


def _check(results: Sequence[psycopg.pq.abc.PGresult]) -> None:
    for result in results:
        if result.status not in _WELL:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")


def _driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  the engine is made in engine.py only
    return driver


@contextmanager
def _told(driver: psycopg.Connection[Any]) -> Iterator[None]:
    """What goes wrong with a line to the database becomes an error of ours where it passes by itself."""
    try:
        yield
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
