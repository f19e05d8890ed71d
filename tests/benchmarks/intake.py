"""Durable intake: many sources push at once to a gateway of its own processes, beside what COPY alone can do.

Every figure is of turns taken one after the other (limit, ours, limit, ours …), each turn under new keys and timed by
the clock, with client, gateway and PostgreSQL on the same cores and fsync on; ratios are medians over the turns. The
limit is binary COPY of the same canonical rows in transactions of 1,000 into one table with a key and two indexes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from adapters import simulator
from adapters.canonical import SCHEMAS, RecordKind
from gateway.client import IntakeClient, Landed, Outgoing, connect
from reconciliation.model import BatchFormat
from reconciliation.store import embedded, tables
from reconciliation.store.copying import copy_in
from reconciliation.store.engine import connect as connect_store
from tests.benchmarks import filling
from tests.benchmarks.peers import dlt_load
from tests.benchmarks.sending import ROWS, Sender, draw

ROWS_PER_TRANSACTION = 1_000
SOURCES = (4, 34)
PROCESSES = 2
WINDOW = 8
BATCHES = {4: 24, 34: 4}  # a source and turn: some seconds, so that how it begins and ends counts for little
FLAT_BATCHES = 6
PEER_WAYS = (("rows", "append"), ("rows", "merge"), ("arrow", "append"), ("arrow", "merge"))


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `intake`."""
    options = commands.add_parser("intake", help="durable intake against COPY and a peer")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--stored", type=int, default=10_000_000, help="rows in the larger store of the flatness part")
    options.add_argument("--only", choices=["copy", "dlt", "flat"], nargs="*", default=["copy", "dlt", "flat"])


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures. Whoever ends it early by SIGTERM finds nothing left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    senders = draw(chosen.seed, max(SOURCES))
    figures: dict[str, object] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "processes": PROCESSES,
        "window": WINDOW,
        "wire": "Arrow IPC of each source's own columns",
    }
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder) / "postgres", settings=filling.SETTINGS) as server:
            if "copy" in chosen.only:
                figures |= against_copy(server, Path(folder), senders, turns=chosen.turns)
            if "dlt" in chosen.only:
                figures |= against_dlt(server, Path(folder), senders[:4], turns=max(chosen.turns // 2, 1))
            if "flat" in chosen.only:
                figures |= flatness(server, Path(folder), senders[:4], stored=chosen.stored, turns=chosen.turns)
    if chosen.json:
        chosen.json.write_text(json.dumps({"intake": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def against_copy(
    server: embedded.EmbeddedPostgres, folder: Path, senders: Sequence[Sender], *, turns: int
) -> dict[str, object]:
    """Rows a second at each number of sources, and what share of the limit that is; typed records beside."""
    figures: dict[str, object] = {}
    numbers = count()
    with store(server, "bench") as url, gateway(url, folder) as address, limit_table(server) as limit:
        for sources in SOURCES:
            its, batches = senders[:sources], BATCHES[sources]
            seen: list[tuple[float, float, float]] = []
            for turn in range(turns + 1):  # the first is not measured
                first = next(numbers) * max(BATCHES.values())
                rows = pa.concat_tables([one.normalised(first + n).table for one in its for n in range(batches)])
                copied = limit(rows)
                arrow = push(address, its, lambda one, n, at=first: one.arrow(at + n, sequence=at + n + 1), batches)
                typed = push(
                    address,
                    its,
                    lambda one, n, at=first: one.typed(at + n, sequence=at + n + 1),
                    batches,
                    epoch="typed",
                )
                if turn:
                    seen.append((copied, arrow, typed))
                    print(
                        f"{sources:>3} sources: limit {copied:>9,.0f} rows/s, Arrow {arrow:>9,.0f}"
                        f" ({arrow / copied:.2f}), typed {typed:>9,.0f}",
                        flush=True,
                    )
            limits, arrows, typeds = zip(*seen, strict=True)
            figures[f"ratio_to_copy_{sources}"] = _ratio(arrows, limits)
            figures[f"ratio_to_copy_typed_{sources}"] = _ratio(typeds, limits)
            figures[f"rows_per_s_{sources}"] = round(statistics.median(arrows))
            figures[f"limit_rows_per_s_{sources}"] = round(statistics.median(limits))
    figures["limit_rows_per_s"] = figures[f"limit_rows_per_s_{SOURCES[0]}"]
    figures["ratio_to_copy"] = min(float(str(figures[f"ratio_to_copy_{sources}"])) for sources in SOURCES)
    return figures


def against_dlt(
    server: embedded.EmbeddedPostgres, folder: Path, senders: Sequence[Sender], *, turns: int
) -> dict[str, object]:
    """Rows a second of the peer with the same rows, already normalised, beside ours; see dlt_load for its four ways.

    `ratio_to_dlt` is that to its own tutorial's way with "merge", the one that keeps one row a record as ours does.
    """
    batches, seen = BATCHES[len(senders)], []
    with store(server, "bench_dlt") as url, gateway(url, folder) as address, store(server, "peer") as peer:
        for turn in range(turns + 1):
            first = turn * batches
            rows = pa.concat_tables([one.normalised(first + n).table for one in senders for n in range(batches)])
            ours = push(address, senders, lambda one, n, at=first: one.arrow(at + n, sequence=at + n + 1), batches)
            theirs = [dlt_load.load(peer, rows, form=form, disposition=disposition) for form, disposition in PEER_WAYS]
            if turn:
                seen.append((ours, *theirs))
                said = ", ".join(f"{' '.join(way)} {rate:,.0f}" for way, rate in zip(PEER_WAYS, theirs, strict=True))
                print(f"dlt, rows/s: {said}; ours {ours:,.0f}", flush=True)
    ours_all, *theirs_all = zip(*seen, strict=True)
    figures: dict[str, object] = {}
    for (form, disposition), rates in zip(PEER_WAYS, theirs_all, strict=True):
        figures[f"ratio_to_dlt_{form}_{disposition}"] = _ratio(ours_all, rates)
        figures[f"dlt_{form}_{disposition}_rows_per_s"] = round(statistics.median(rates))
    return {"ratio_to_dlt": figures["ratio_to_dlt_rows_merge"]} | figures


def flatness(
    server: embedded.EmbeddedPostgres, folder: Path, senders: Sequence[Sender], *, stored: int, turns: int
) -> dict[str, object]:
    """New records, and new versions of stored ones, in a store of `stored` rows beside one of FEW."""
    sizes, batches = (filling.FEW, stored), FLAT_BATCHES
    with contextlib.ExitStack() as stack:
        addresses = []
        for size in sizes:
            url = stack.enter_context(store(server, f"flat_{size}"))
            began = time.perf_counter()
            filling.fill(url, senders, stored=size)
            print(f"{size:,} rows stored in {time.perf_counter() - began:.0f} s", flush=True)
            addresses.append(stack.enter_context(gateway(url, folder)))
        new: list[list[float]] = [[] for _ in sizes]
        versions: list[list[float]] = [[] for _ in sizes]
        for turn in range(turns + 1):
            for place, (address, size) in enumerate(zip(addresses, sizes, strict=True)):
                at = turn * batches
                came = push(address, senders, lambda one, n, at=at: one.arrow(at + n, sequence=at + n + 1), batches)
                known = filling.scattered(size // len(senders) // ROWS, count=batches, turn=turn)
                changed = push(
                    address,
                    senders,
                    lambda one, n, at=at, known=known, turn=turn: one.arrow(
                        known[n], sequence=at + n + 1, version=turn + 1, key=filling.KEY
                    ),
                    batches,
                    epoch="changed",
                )
                if turn:
                    new[place].append(came)
                    versions[place].append(changed)
                    print(f"{size:>12,} stored: new {came:>9,.0f} rows/s, new versions {changed:>9,.0f}", flush=True)
    return {
        "stored": stored,
        "flat_new_10m": _ratio(new[1], new[0]),
        "flat_update_10m": _ratio(versions[1], versions[0]),
        "rows_per_s_new_few": round(statistics.median(new[0])),
        "rows_per_s_new_stored": round(statistics.median(new[1])),
        "rows_per_s_update_few": round(statistics.median(versions[0])),
        "rows_per_s_update_stored": round(statistics.median(versions[1])),
    }


def push(
    address: str,
    senders: Sequence[Sender],
    make: Callable[[Sender, int], Outgoing],
    batches: int,
    *,
    epoch: str = "bench",
) -> float:
    """Rows a second from the first batch sent to the last receipt, each sender over a stream of its own."""
    sending = {one.source.source_id: [make(one, number) for number in range(batches)] for one in senders}
    return asyncio.run(_push(address, sending, epoch))


async def _push(address: str, sending: Mapping[str, Sequence[Outgoing]], epoch: str) -> float:
    received = 0

    async def one(client: IntakeClient, source_id: str) -> None:
        nonlocal received
        async for answer in client.push(
            sending[source_id], source_id=source_id, epoch=epoch, window=WINDOW, skip_durable=False
        ):
            if not isinstance(answer, Landed) or answer.receipt.replayed:
                raise RuntimeError(f"{source_id} got {answer} for batch {answer.sequence}")
            received += answer.receipt.received

    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(connect(address)) for _ in sending]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for source_id, channel in zip(sending, channels, strict=True):
                group.create_task(one(IntakeClient(channel), source_id))
        return received / (time.perf_counter() - began)


@contextmanager
def store(server: embedded.EmbeddedPostgres, name: str) -> Iterator[str]:
    """The URL of an empty database, dropped at the end."""
    yield server.create_database(name)
    server.drop_database(name)


@contextmanager
def limit_table(server: embedded.EmbeddedPostgres) -> Iterator[Callable[[pa.Table], float]]:
    """`limit(rows)`: rows a second of COPY in transactions of 1,000 into a table with a key and two indexes."""
    engine = connect_store(server.create_database("limit"), pool_size=1)
    schema = SCHEMAS[RecordKind.PERSON]
    target = sa.Table("limit_rows", sa.MetaData(), *(sa.Column(f.name, tables.SQL_TYPES[f.type]) for f in schema))
    target.append_constraint(sa.PrimaryKeyConstraint("row"))
    sa.Index("limit_rows_key", target.c.source_record_id)
    sa.Index("limit_rows_number", target.c.personal_number)
    target.create(engine)
    stored = 0

    def limit(rows: pa.Table) -> float:
        nonlocal stored
        numbered = rows.set_column(0, "row", pa.array(range(stored, stored + rows.num_rows), pa.int32()))
        stored += rows.num_rows
        began = time.perf_counter()
        for first in range(0, rows.num_rows, ROWS_PER_TRANSACTION):
            with engine.begin() as connection:
                copy_in(connection, target, numbered.slice(first, ROWS_PER_TRANSACTION))
        return rows.num_rows / (time.perf_counter() - began)

    yield limit
    engine.dispose()
    server.drop_database("limit")


@contextmanager
def gateway(url: str, folder: Path, *, processes: int = PROCESSES) -> Iterator[str]:
    """A gateway in processes of its own; its address."""
    environment = os.environ | {
        "LIENTHONG_DATABASE_URL": url,
        "LIENTHONG_PORT": "0",
        "LIENTHONG_PROCESSES": str(processes),
        "LIENTHONG_BATCHES_IN_FLIGHT": str(WINDOW),
        "LIENTHONG_NORMALISE_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "gateway"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip().removeprefix("gateway: ")
        finally:
            process.terminate()


def copy_limit(server: embedded.EmbeddedPostgres, tables_of_persons: list[pa.Table]) -> float:
    """Rows a second of the limit with these rows."""
    with limit_table(server) as limit:
        return limit(pa.concat_tables(tables_of_persons))


def push_files(address: str, files: Sequence[simulator.ExportFile]) -> None:
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
    asyncio.run(_push(address, by_source, "bench"))


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the turns of ours beside theirs in the same turn."""
    return round(statistics.median(one / other for one, other in zip(ours, theirs, strict=True)), 3)
