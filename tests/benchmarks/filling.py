"""A registry with millions of records, made in the database itself: as intake would have left it, in minutes."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import BatchFormat, State
from reconciliation.store import tables
from reconciliation.store.copying import copy_in, staged
from reconciliation.store.engine import connect, migrate
from reconciliation.store.ledger import LEDGER
from tests.benchmarks.sending import ROWS, Sender

FEW = 100_000
KEY = "F"  # what the keys of stored records begin with

# What a server of this size is given; fsync and synchronous_commit stay on.
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
_SECONDS = 3_600
_LANDED_AT = datetime(2025, 7, 15, tzinfo=UTC)
_THREADS = 2
_BATCHES_AT_ONCE = 100
_SORTED_MEGABYTES = 128


def fill(url: str, senders: Sequence[Sender], *, stored: int) -> None:
    """Store so many records, the same number of each sender, whose batch `n` is `Sender.rows(n, key=KEY)` again."""
    migrate(url)
    engine = connect(url, pool_size=_THREADS, statement_seconds=_SECONDS)
    batches = stored // len(senders) // ROWS

    def fill_source(place: int) -> None:
        with engine.begin() as connection:
            _fill_source(connection, senders[place], first=place + 1, step=len(senders), batches=batches)

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(fill_source, range(len(senders))))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SELECT setval('batch_batch_id_seq', :last)"), {"last": stored // ROWS + 1})
        connection.execute(sa.text("VACUUM ANALYZE"))
        connection.execute(sa.text("CHECKPOINT"))
    engine.dispose()


def _fill_source(connection: sa.Connection, sender: Sender, *, first: int, step: int, batches: int) -> None:
    connection.execute(sa.text(f"SET LOCAL work_mem = '{_SORTED_MEGABYTES}MB'"))
    # No trigger has to see what the benchmark itself writes.
    connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
    template = staged(connection, "template", sender.normalised(0).table)
    _fill_ledger(connection, sender, [first + number * step for number in range(batches)])
    for begin in range(0, batches, _BATCHES_AT_ONCE):
        numbers = range(begin, min(begin + _BATCHES_AT_ONCE, batches))
        _fill_batches(connection, sender, template, numbers, first=first, step=step)


def _fill_ledger(connection: sa.Connection, sender: Sender, batch_ids: Sequence[int]) -> None:
    accepted = sender.normalised(0).table.num_rows
    same = {
        "source_id": sender.source.source_id,
        "epoch": "filled",
        "sha256": bytes(32),
        "format": str(BatchFormat.ARROW_IPC),
        "exported_on": sender.exported_on,
        "kind": str(RecordKind.PERSON),
        "province_code": sender.source.province_code,
        "received": accepted,
        "accepted": accepted,
        "superseded": 0,
        "quarantined": 0,
        "findings": 0,
        "landed_at": _LANDED_AT,
    }
    rows = [
        {"batch_id": batch_id, "receipt_id": UUID(int=batch_id).bytes, "sequence": number + 1} | same
        for number, batch_id in enumerate(batch_ids)
    ]
    copy_in(connection, tables.batch, pa.Table.from_pylist(rows, schema=LEDGER))


def _fill_batches(
    connection: sa.Connection, sender: Sender, template: sa.Table, numbers: range, *, first: int, step: int
) -> None:
    series = sa.func.generate_series(numbers[0], numbers[-1])
    number = series.table_valued(sa.column("n", sa.BigInteger)).render_derived()
    batch_id = first + number.c.n * step
    record_id = batch_id * tables.ROWS_PER_BATCH + template.c.row
    serial = sa.func.lpad(sa.cast(number.c.n * ROWS + template.c.row, sa.Text), 9, "0")
    source = sender.source
    own = {"record_id": record_id, "source_id": _text(source.source_id), "source_record_id": _text(KEY) + serial}
    rest = {column.name: column for column in template.c if column.name not in {"row", *own}}
    rows = template.join(number, sa.true())
    _insert(connection, tables.record_tables[RecordKind.PERSON], own | rest, rows, order_by=record_id)
    head = own | {
        "source_version": template.c.source_version,
        "kind": _text(RecordKind.PERSON),
        "province_code": _text(source.province_code),
    }
    _insert(connection, tables.record_head, head, rows, order_by=record_id)
    state = {
        "record_id": record_id,
        "kind": _text(RecordKind.PERSON),
        "province_code": _text(source.province_code),
        "source_id": _text(source.source_id),
        "state": _text(State.AWAITING_RECONCILIATION),
        "cause": _text("LANDED"),
        "since": sa.literal(_LANDED_AT),
        "owner": _text("gateway/operator"),
        "deadline": sa.literal(_LANDED_AT),
    }
    _insert(connection, tables.update_state, state, rows, order_by=record_id)


def _insert(
    connection: sa.Connection,
    target: sa.Table,
    values: Mapping[str, sa.ColumnElement[Any]],
    rows: sa.FromClause,
    *,
    order_by: sa.ColumnElement[Any],
) -> None:
    query = sa.select(*(value.label(name) for name, value in values.items())).select_from(rows).order_by(order_by)
    connection.execute(target.insert().from_select(list(values), query))


def _text(value: str) -> sa.ColumnElement[str]:
    return sa.cast(sa.literal(str(value)), sa.Text)


def scattered(batches: int, *, count: int, turn: int) -> list[int]:
    """`count` of the stored batches of a source, spread over all of them, none in two turns of a run."""
    order = random.Random(1).sample(range(batches), batches)
    return [order[(turn * count + number) % batches] for number in range(count)]
