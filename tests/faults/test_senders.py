"""F6, F12 and F29: the same batch from sixteen sides, senders with wrong clocks, and thirty-four who all come back."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway import server
from gateway.client import Answer, IntakeClient, Landed, connect
from gateway.settings import Settings
from reconciliation.model import BatchFormat
from tests.faults.line import Line, line_to
from tests.faults.processes import ROOT
from tests.faults.pushing import batches, landed, push, stored_records
from tests.gateway.batches import outgoing, typed
from tests.gateway.conftest import Serve, free_port

PROVINCES = 34


def test_f6_the_same_batch_over_sixteen_connections_to_two_gateways_lands_once(engine: sa.Engine) -> None:
    one = batches(1, 1, people=50)
    settings = Settings(port=0, sequence_seconds=0.05, drain_seconds=5)

    async def run() -> list[list[Answer]]:
        async with (
            server.running(engine, settings, catalogue=catalogue.load()) as first,
            server.running(engine, settings, catalogue=catalogue.load()) as second,
        ):
            addresses = [first.address, second.address] * 8
            return await asyncio.gather(*(push(address, one) for address in addresses))

    answers = [answer for (answer,) in asyncio.run(run())]

    assert all(isinstance(answer, Landed) for answer in answers)
    receipts = [answer.receipt for answer in answers if isinstance(answer, Landed)]
    assert len({(receipt.receipt_id, receipt.accepted, receipt.landed_at) for receipt in receipts}) == 1
    assert sum(not receipt.replayed for receipt in receipts) == 1
    assert (landed(engine), stored_records(engine)) == ([1], 50)
    with engine.connect() as connection:
        deadlocks = connection.scalar(
            sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    assert deadlocks == 0


# A sender in a process of its own: the port, the batch's number and the version of its record are its arguments.
SENDER = """
import asyncio, sys, time
from gateway.v1 import records_pb2
from reconciliation.model import BatchFormat
from tests.faults.pushing import push
from tests.gateway.batches import outgoing
port, sequence, version = sys.argv[1:]
record = records_pb2.PersonRecord(
    source_record_id="A", updated_at=version, full_name="Nguyễn Văn An", birth_date="1980", sex=1, address=version
)
payload = records_pb2.TypedRecords(persons=[record]).SerializeToString()
asyncio.run(push(f"127.0.0.1:{port}", [outgoing(int(sequence), payload, BatchFormat.TYPED_RECORDS)]))
print(int(time.time()))
"""


def with_clock(fake: str, port: int, sequence: int, version: str) -> int:
    """Run a sender whose clock says `fake`; return what it thought the time was."""
    found = find_spec("libfaketime")
    assert found is not None
    assert found.origin is not None
    library = next((Path(found.origin).parent / "vendor").rglob("libfaketime.so.1"))
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FAKETIME": fake,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    arguments = [sys.executable, "-c", SENDER, str(port), str(sequence), version]
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


def test_f12_senders_with_wrong_clocks_change_neither_order_nor_dates(engine: sa.Engine) -> None:
    settings = Settings(port=0, sequence_seconds=0.05, drain_seconds=5)
    # The newest version comes first, from a clock in the past; then an older one, from a clock two hours ahead.
    sendings = [("@1999-12-31 23:59:50", "2025-07-10T09:00:00"), ("+2h", "2025-07-10T08:00:00")]

    async def run() -> list[int]:
        async with server.running(engine, settings, catalogue=catalogue.load()) as gateway:
            port = int(gateway.address.rpartition(":")[2])
            return [
                await asyncio.to_thread(with_clock, fake, port, sequence, version)
                for sequence, (fake, version) in enumerate(sendings, start=1)
            ]

    begun = datetime.now(UTC)
    thought = asyncio.run(run())
    ended = datetime.now(UTC)

    assert thought[0] < 946_700_000
    assert thought[1] > ended.timestamp() + 6_000
    with engine.connect() as connection:
        dates = list(connection.scalars(sa.text("SELECT landed_at FROM batch ORDER BY sequence")))
        head = connection.scalar(sa.text("SELECT address FROM person_record JOIN record_head USING (record_id)"))
        deadlines = list(connection.scalars(sa.text("SELECT since FROM update_state")))
    assert begun <= dates[0] <= dates[1] <= ended
    assert head == "2025-07-10T09:00:00"
    assert all(begun <= since <= ended for since in deadlines)


def one_source_a_province() -> list[str]:
    known = catalogue.load().sources.values()
    of_persons = {one.province_code: one.source_id for one in known if one.kind == RecordKind.PERSON}
    return [of_persons[code] for code in sorted(of_persons)]


async def push_and_time(line: Line, source_id: str, answered: asyncio.Semaphore) -> list[float]:
    """Push eight batches; return when each was answered."""
    parcels = [outgoing(n, typed(10, first=n * 10), BatchFormat.TYPED_RECORDS) for n in range(1, 9)]
    times = []
    async with connect(f"127.0.0.1:{line.port}") as channel:
        async for answer in IntakeClient(channel).push(parcels, source_id=source_id, epoch="e1", window=1):
            assert isinstance(answer, Landed)
            times.append(time.monotonic())
            answered.release()
    return times


def test_f29_thirty_four_provinces_that_reconnect_at_once_are_all_served_and_none_much_later(
    serve: Serve, engine: sa.Engine
) -> None:
    """With a place for half of them, everybody finishes, and the last is answered again within six times the median
    and 5 s, the longest that a client waits by itself: nobody starves."""
    port, sources = free_port(), one_source_a_province()

    async def run() -> tuple[float, list[list[float]], int]:
        answered = asyncio.Semaphore(0)
        async with serve(port=port, push_streams=PROVINCES // 2), line_to(port) as line:
            pushing = [asyncio.create_task(push_and_time(line, source_id, answered)) for source_id in sources]
            for _ in range(PROVINCES):
                await answered.acquire()
            line.reset()
            cut = time.monotonic()
            return cut, await asyncio.gather(*pushing), line.connections

    cut, times, connections = asyncio.run(run())

    assert len(sources) == PROVINCES
    assert connections > PROVINCES
    assert sorted(landed(engine)) == sorted(list(range(1, 9)) * PROVINCES)
    waits = [min((moment - cut for moment in of_one if moment > cut), default=0.0) for of_one in times]
    assert max(waits) <= 6 * statistics.median(waits) + 5.0, sorted(waits)
