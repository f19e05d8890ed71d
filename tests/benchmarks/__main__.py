"""`make bench`: how fast the house is, each figure beside a limit of this machine that was measured in the same run.

One country is drawn; its files are normalised, landed over real sockets by a gateway of its own process, reconciled,
published and pulled. The limits: binary COPY in transactions of 1,000 rows with a key and two indexes, and COPY TO.
"""

import argparse
import asyncio
import io
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import sqlalchemy as sa

from adapters import catalogue, simulator
from adapters.canonical import SCHEMAS, RecordKind
from adapters.normalise import Normalised, normalise_file
from gateway.client import FeedClient, IntakeClient, Outgoing, connect
from reconciliation import jobs
from reconciliation.model import BatchFormat
from reconciliation.store import embedded, feed, tables
from reconciliation.store.copying import copy_in
from reconciliation.store.engine import Engine
from reconciliation.store.engine import connect as connect_store

PROVINCES = ["01", "15", "68"]
ROWS_PER_TRANSACTION = 1_000
Line = tuple[str, float, str]


def main() -> int:
    """Run the benchmarks and print them as a table."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--records", type=int, default=60_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {chosen.seed}"
    )
    country = simulator.simulate(chosen.seed, chosen.records, PROVINCES)
    files = [
        file
        for phase in simulator.Phase
        for source_id in sorted(country.systems)
        for file in simulator.exports(country, phase=phase, source_id=source_id)
    ]
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder) / "postgres") as server:
            records = sum(file.record_count for file in files)
            print(f"{records:,} records in {len(files)} files; PostgreSQL {version(server)}")
            for line in run(server, Path(folder), files):
                print(f"{line[0]:<44}{line[1]:>12,.0f} rows/s   {line[2]}", flush=True)
    return 0


def run(server: embedded.EmbeddedPostgres, folder: Path, files: list[simulator.ExportFile]) -> Iterator[Line]:
    """Every benchmark, in an order in which each can use what the one before left."""
    normalised = yield from normalise(files)
    limit = copy_limit(
        server, [one.table for one in normalised if one.table.schema.names == SCHEMAS[RecordKind.PERSON].names]
    )
    yield ("limit: COPY, 1,000 rows a transaction", limit, "key and two indexes, one connection")
    url = server.create_database("bench")
    with gateway(url, folder) as address:
        yield (
            "intake: push to receipt, 18 sources",
            rate(files, lambda: asyncio.run(push(address, files))),
            share(limit),
        )
        engine = connect_store(url)
        yield from reconcile(engine)
        published = feed.head(engine).sequence
        copied = copy_out_limit(engine)
        yield ("limit: COPY TO of the same columns", copied, "golden persons, text")
        began = time.perf_counter()
        pulled = asyncio.run(pull(address))
        yield (
            "feed: pull all changes, own fields",
            pulled / (time.perf_counter() - began),
            share(copied) + f", {published:,} changes",
        )
        engine.dispose()


def normalise(files: list[simulator.ExportFile]) -> Iterator[Line]:
    """Files to canonical tables on one core, by dialect."""
    sources = catalogue.load().sources
    by_dialect: dict[str, list[simulator.ExportFile]] = {}
    for file in files:
        by_dialect.setdefault(sources[file.source_id].dialect.name, []).append(file)
    done: list[Normalised] = []
    for dialect, its in sorted(by_dialect.items()):
        for_dialect: list[Normalised] = []
        rows = rate(
            its,
            lambda its=its, into=for_dialect: into.extend(
                normalise_file(file.payload, source=sources[file.source_id], exported_on=file.exported_on)
                for file in its
            ),
        )
        done += for_dialect
        yield (f"normalise: {dialect}", rows, f"one core, {len(its)} files")
    return done


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
    return rows.num_rows / seconds


def reconcile(engine: Engine) -> Iterator[Line]:
    """Each province once, then again with nothing to do."""
    for what in ("reconcile: first run", "reconcile: again, nothing new"):
        began, records = time.perf_counter(), 0
        for province_code in PROVINCES:
            counts = jobs.reconcile_records(engine, province_code=province_code, now=datetime.now(UTC))
            records += sum(counts[f"records.{kind}"] for kind in RecordKind)
        seconds = time.perf_counter() - began
        yield (what, records / seconds, f"{records:,} standing records in {seconds:.1f} s")
    feed.sequence(engine)


def copy_out_limit(engine: Engine) -> float:
    """Rows a second of COPY TO of every golden person, as text, thrown away."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        began, size = time.perf_counter(), io.BytesIO()
        with driver.cursor() as cursor, cursor.copy("COPY golden_person TO STDOUT") as copy:
            for block in copy:
                size.write(block)
        seconds = time.perf_counter() - began
        rows = connection.execute(sa.select(sa.func.count()).select_from(tables.golden_tables[RecordKind.PERSON]))
        return rows.scalar_one() / seconds


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


async def pull(address: str) -> int:
    """The population registry fetches everything; how many changes it got."""
    async with connect(address) as channel:
        client = FeedClient(channel, consumer_id="population")
        return sum([page.changes async for page in client.pages((await client.position()).beginning_cursor)])


def rate(files: list[simulator.ExportFile], work: Callable[[], object]) -> float:
    """Records a second of `work` over `files`."""
    began = time.perf_counter()
    work()
    return sum(file.record_count for file in files) / (time.perf_counter() - began)


def share(limit: float) -> str:
    """A note that names the limit a figure stands beside."""
    return f"limit {limit:,.0f}"


def version(server: embedded.EmbeddedPostgres) -> str:
    """The server's version."""
    with psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="postgres") as connection:
        return str(connection.info.server_version)


if __name__ == "__main__":
    sys.exit(main())
