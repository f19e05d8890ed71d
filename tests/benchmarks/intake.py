"""Intake: every source pushes its files to a gateway of its own process, beside what COPY alone can do."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from adapters import simulator
from gateway.client import IntakeClient, Outgoing, connect
from reconciliation.model import BatchFormat
from reconciliation.store import embedded, tables
from reconciliation.store.copying import copy_in
from reconciliation.store.engine import connect as connect_store

ROWS_PER_TRANSACTION = 1_000


def copy_limit(server: embedded.EmbeddedPostgres, tables_of_persons: list[pa.Table]) -> float:
    """Rows a second of binary COPY of the same rows into a table with a key and two indexes."""
    rows = pa.concat_tables(tables_of_persons)
    rows = rows.set_column(0, "row", pa.array(range(rows.num_rows), pa.int32()))
    engine = connect_store(server.create_database("limit"))
    columns = [sa.Column(name, tables.SQL_TYPES[rows.schema.field(name).type]) for name in rows.column_names]
    target = sa.Table("limit_rows", sa.MetaData(), *columns, sa.PrimaryKeyConstraint("row"))
    sa.Index("limit_rows_key", target.c.source_record_id)
    sa.Index("limit_rows_number", target.c.personal_number)
    target.create(engine)
    began = time.perf_counter()
    for first in range(0, rows.num_rows, ROWS_PER_TRANSACTION):
        with engine.begin() as connection:
            copy_in(connection, target, rows.slice(first, ROWS_PER_TRANSACTION))
    seconds = time.perf_counter() - began
    engine.dispose()
    return float(rows.num_rows / seconds)


@contextmanager
def gateway(url: str, folder: Path) -> Iterator[str]:
    """A gateway in a process of its own; its address."""
    environment = os.environ | {"LIENTHONG_DATABASE_URL": url, "LIENTHONG_PORT": "0"}
    command = [sys.executable, "-m", "gateway"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip().removeprefix("gateway: ")
        finally:
            process.terminate()


async def push(address: str, files: list[simulator.ExportFile]) -> None:
    """Every source pushes its files, side by side."""
    by_source: dict[str, list[Outgoing]] = {}
    for file in files:
        outgoing = Outgoing(
            sequence=file.sequence,
            payload=file.payload,
            format=BatchFormat.SOURCE_FILE,
            exported_on=file.exported_on,
            record_count=file.record_count,
        )
        by_source.setdefault(file.source_id, []).append(outgoing)

    async def one(client: IntakeClient, source_id: str) -> None:
        async for _ in client.push(by_source[source_id], source_id=source_id, epoch="bench"):
            pass

    async with connect(address) as channel, asyncio.TaskGroup() as group:
        for source_id in by_source:
            group.create_task(one(IntakeClient(channel), source_id))
